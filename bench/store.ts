/**
 * What the stores do: single-row reads and writes beside the raw driver, 100,000 entities exported and started with,
 * and propagation across two control planes on PostgreSQL. `--rows N --seconds N --changes N --only embedded,postgres,cassandra`
 */
import { Agent } from 'node:http'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cassandraSettings, startCassandra } from '../test/kit/cassandra.ts'
import { freePort } from '../test/kit/nodes.ts'
import { postgresSettings, startPostgres } from '../test/kit/postgres.ts'
import { admin, eventually, send } from '../test/kit/traffic.ts'
import { machineLine, peakMemory, percentile, Stage, table } from './measure.ts'
import { aControlPlane, bootstrap, rates, RATE_TITLES, serviceRow, storeOf, type Place } from './store-rates.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '3' },
    changes: { type: 'string', default: '200' },
    only: { type: 'string', default: 'embedded,postgres,cassandra' },
  },
})
const seconds = Number(values.seconds)
const wanted = new Set(values.only.split(','))

/** Fills a store, exports it from this process, starts a control plane on it. */
async function large(stage: Stage, place: Place): Promise<(string | number)[]> {
  const rows = Number(values.rows)
  const { node, admin: url } = await aControlPlane(stage, `${place.name}-large`, place.settings)
  await bootstrap(node)
  const store = await storeOf(place.settings, node.prefix)
  const filledAt = performance.now()
  for (let at = 0; at < rows; at += 1000) {
    await store.transaction(async tx => {
      for (let row = 0; row < 1000; row += 1) await tx.insert('services', serviceRow())
    })
  }
  const filled = (performance.now() - filledAt) / 1000
  globalThis.gc?.()
  const before = process.memoryUsage().rss
  let peak = before
  const exportedAt = performance.now()
  let count = 0
  for await (const batch of (await store.export()).batches) {
    count += batch.length
    peak = Math.max(peak, process.memoryUsage().rss)
  }
  const exported = (performance.now() - exportedAt) / 1000
  await store.close()
  const startedAt = performance.now()
  await node.start()
  await send(`${url}/services?size=1`)
  const started = (performance.now() - startedAt) / 1000
  const pid = node.mainProcessId()
  await new Promise(resolve => setTimeout(resolve, 5000))
  const memory = peakMemory(pid)
  await node.stop()
  const megabytes = (bytes: number) => Math.round(bytes / 1024 / 1024)
  return [
    place.name,
    count,
    filled.toFixed(1),
    exported.toFixed(1),
    megabytes(peak - before),
    started.toFixed(2),
    Math.round(memory),
  ]
}

/** Changes at one control plane, seen at a data plane of the other. */
async function propagation(stage: Stage, settings: Record<string, string>): Promise<number[]> {
  const a = await aControlPlane(stage, 'across-a', settings)
  const b = await aControlPlane(stage, 'across-b', settings)
  await bootstrap(a.node)
  await Promise.all([a.node.start(), b.node.start()])
  const proxyPort = await freePort()
  const plane = stage.node('across-dp', {
    role: 'proxy',
    storage: 'memory',
    cluster_control_plane: `127.0.0.1:${b.clusterPort}`,
    proxy_listen: `127.0.0.1:${proxyPort}`,
    status_listen: 'off',
    proxy_access_log: 'off',
    nginx_worker_processes: 1,
  })
  await plane.start()
  // A route whose plugin answers: no upstream takes part.
  await admin(a.admin, 'POST', '/plugins', { name: 'request-termination', config: { status_code: 200 } })
  const agent = new Agent({ keepAlive: true })
  const times: number[] = []
  for (let at = 0; at < Number(values.changes) + 10; at += 1) {
    const path = `/probe-${at}`
    await admin(a.admin, 'PUT', `/routes/probe-${at % 5}`, { paths: [path] })
    const answeredAt = performance.now()
    const url = `http://127.0.0.1:${proxyPort}${path}`
    await eventually(path, async () => (await send(url, { agent })).status === 200, 30_000).catch(() => null)
    if (at >= 10) times.push(performance.now() - answeredAt)
  }
  agent.destroy()
  return times
}

/** A store of its own at each call. */
type MakePlace = () => Promise<Place>

async function makers(stage: Stage): Promise<MakePlace[]> {
  const made: MakePlace[] = []
  if (wanted.has('embedded')) {
    made.push(async () => ({
      name: 'embedded',
      settings: { storage: 'embedded' },
      raw: prefix => ({ kind: 'embedded', path: join(prefix, 'silverback.db') }),
    }))
  }
  if (wanted.has('postgres')) {
    // As a server in earnest: commits are on the disk when they are acknowledged.
    const server = await startPostgres(['fsync=on', 'shared_buffers=128MB'])
    stage.atEnd(() => server.close())
    made.push(async () => {
      const options = await server.createDatabase()
      const { host, port, user, password, database } = options
      return {
        name: 'PostgreSQL',
        settings: postgresSettings(options),
        raw: () => ({ kind: 'postgres', options: { host, port, user, password: password ?? '', database } }),
      }
    })
  }
  if (wanted.has('cassandra')) {
    const server = await startCassandra()
    stage.atEnd(() => server.close())
    made.push(async () => {
      const options = server.newKeyspace()
      const { host, port } = server
      return {
        name: 'Cassandra',
        settings: cassandraSettings(options),
        raw: () => ({ kind: 'cassandra', host, port, keyspace: options.keyspace }),
      }
    })
  }
  return made
}

await Stage.run(async stage => {
  const places = await makers(stage)
  console.log(`### Stores\n\n${machineLine()}; 16 callers at a time, twice ${seconds} s each, in turns\n`)
  const lines: (string | number)[][] = []
  for (const make of places) lines.push(...(await rates(stage, make, seconds)))
  console.log(table(RATE_TITLES, lines))
  if (Number(values.rows) > 0) {
    console.log(`\n### ${values.rows} entities\n`)
    const sizes: (string | number)[][] = []
    for (const make of places) sizes.push(await large(stage, await make()))
    const titles = ['store', 'rows', 'filling s', 'export s', 'export MiB more', 'start s', 'control plane MiB, peak']
    console.log(table(titles, sizes))
  }
  const postgres = wanted.has('postgres') ? places[wanted.has('embedded') ? 1 : 0] : undefined
  if (postgres === undefined || Number(values.changes) === 0) return
  const times = await propagation(stage, (await postgres()).settings)
  console.log(`\n### From one control plane to a data plane of the other, on PostgreSQL\n`)
  const shown = [50, 99].map(percent => percentile(times, percent).toFixed(1))
  console.log(table(['changes', 'p50 ms', 'p99 ms (<= 150)'], [[times.length, ...shown]]))
})
