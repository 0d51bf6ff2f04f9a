/**
 * What the stores do: single-row reads and writes beside the raw driver, 100,000 entities exported and started with,
 * and propagation across two control planes on PostgreSQL. `--rows N --seconds N --changes N`
 */
import { randomUUID } from 'node:crypto'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { systemClock } from '../src/base/clock.ts'
import { silentLogger } from '../src/base/logger.ts'
import { nodeCatalog } from '../src/node/enabled-plugins.ts'
import { openStore } from '../src/node/open-store.ts'
import { loadSettings } from '../src/settings/load.ts'
import { systemFiles } from '../src/settings/settings-files.ts'
import type { EntityStore } from '../src/store/store.ts'
import { freePort, type TestNode } from '../test/kit/nodes.ts'
import { postgresSettings, type PostgresServer, startPostgres } from '../test/kit/postgres.ts'
import { admin, eventually, send } from '../test/kit/traffic.ts'
import { machineLine, peakMemory, percentile, Stage, table } from './measure.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '3' },
    changes: { type: 'string', default: '200' },
  },
})
const seconds = Number(values.seconds)
const clients = 16

interface Place {
  readonly name: string
  readonly settings: Record<string, string>
}

type Once = (client: number) => Promise<unknown>

/** Times per second that `clients` callers, each waiting for its own answer, get something done. */
async function rate(once: Once): Promise<number> {
  const run = async (forSeconds: number) => {
    let count = 0
    const startedAt = performance.now()
    const end = startedAt + forSeconds * 1000
    await Promise.all(
      Array.from({ length: clients }, async (_, client) => {
        while (performance.now() < end) {
          await once(client)
          count += 1
        }
      }),
    )
    return (count * 1000) / (performance.now() - startedAt)
  }
  await run(0.5)
  return run(seconds)
}

async function storeOf(settings: Record<string, string>, prefix: string): Promise<EntityStore> {
  const env = Object.fromEntries(Object.entries(settings).map(([name, value]) => [`KONG_${name.toUpperCase()}`, value]))
  const loaded = loadSettings({ env: { ...env, KONG_PREFIX: prefix }, files: systemFiles(process.cwd()) })
  if (!loaded.ok) throw new Error(loaded.errors.join('\n'))
  const catalog = nodeCatalog(loaded.settings)
  return openStore({ settings: loaded.settings, catalog, clock: systemClock, log: silentLogger })
}

const serviceRow = () => ({
  id: randomUUID(),
  name: `service-${randomUUID()}`,
  host: 'h.test',
  port: 80,
  protocol: 'http',
  retries: 5,
  connect_timeout: 60000,
  write_timeout: 60000,
  read_timeout: 60000,
  enabled: true,
  tags: null,
  created_at: 1,
  updated_at: 1,
})

interface Raw {
  readonly read: Once
  readonly write: Once
  close(): Promise<void>
}

/** The statements that the store sends for one service, one after the other on a connection for each client. */
const rawStatements = {
  read: 'select * from services where id = $1',
  insert: `insert into services (id, name, host, port, protocol, retries, connect_timeout, write_timeout, read_timeout,
    enabled, created_at, updated_at) values ($1, $2, 'h.test', 80, 'http', 5, 60000, 60000, 60000, 1, 1, 1)`,
  state:
    'select version, config_hash, (select max(sequence) from config_changes) as sequence from config_state where id = 1',
  update: 'update config_state set version = $1, config_hash = $2 where id = 1',
  log: `insert into config_changes (sequence, version, entity, key) values ($1, $2, 'services', $3)`,
}

async function rawPostgres(server: PostgresServer, database: string, id: string): Promise<Raw> {
  const { host, port, user, password } = server
  const connections = await Promise.all(
    Array.from({ length: clients }, async () => {
      const client = new pg.Client({ host, port, user, password, database })
      await client.connect()
      return client
    }),
  )
  const prepared = (client: pg.Client, name: keyof typeof rawStatements, given: unknown[]) =>
    client.query({ name, text: rawStatements[name], values: given })
  return {
    read: at => prepared(connections[at]!, 'read', [id]),
    async write(at) {
      const client = connections[at]!
      const row = randomUUID()
      await client.query('begin')
      await client.query('select version from config_state where id = 1 for update')
      await prepared(client, 'insert', [row, row])
      const state = (await prepared(client, 'state', [])).rows[0]
      const version = Number(state.version) + 1
      await prepared(client, 'update', [version, state.config_hash])
      await prepared(client, 'log', [Number(state.sequence ?? 0) + 1, version, row])
      await client.query(`select pg_notify('raw', '${version}')`)
      await client.query('commit')
    },
    async close() {
      for (const client of connections) await client.end()
    },
  }
}

function rawEmbedded(path: string, id: string): Raw {
  const database = new DatabaseSync(path, { timeout: 5000 })
  database.exec('pragma journal_mode = wal')
  database.exec('pragma synchronous = full')
  const prepare = (name: keyof typeof rawStatements) => database.prepare(rawStatements[name].replaceAll(/\$\d/g, '?'))
  const [read, insert, state, update, log] = (['read', 'insert', 'state', 'update', 'log'] as const).map(prepare)
  return {
    read: async () => read!.get(id),
    async write() {
      const row = randomUUID()
      database.exec('begin immediate')
      insert!.run(row, row)
      const { version, config_hash, sequence } = state!.get() as Record<string, number>
      update!.run(version! + 1, config_hash!)
      log!.run(Number(sequence ?? 0) + 1, version! + 1, row)
      database.exec('commit')
    },
    close: async () => database.close(),
  }
}

async function aControlPlane(stage: Stage, name: string, settings: Record<string, string>) {
  const [adminPort, clusterPort] = [await freePort(), await freePort()]
  const node = stage.node(name, {
    role: 'admin',
    admin_listen: `127.0.0.1:${adminPort}`,
    cluster_listen: `127.0.0.1:${clusterPort}`,
    admin_access_log: 'off',
    ...settings,
  })
  return { node, admin: `http://127.0.0.1:${adminPort}`, clusterPort }
}

async function bootstrap(node: TestNode): Promise<void> {
  const { status, stdout, stderr } = await node.kong('migrations', 'bootstrap')
  if (status !== 0) throw new Error(stdout + stderr)
}

/** One line for reads, one for writes. */
async function rates(stage: Stage, place: Place, raw: (id: string, prefix: string) => Promise<Raw>) {
  const { node, admin: url } = await aControlPlane(stage, `${place.name}-rates`, place.settings)
  await bootstrap(node)
  const row = serviceRow()
  const store = await storeOf(place.settings, node.prefix)
  await store.transaction(tx => tx.insert('services', row))
  const bare = await raw(row.id, node.prefix)
  const measured = {
    rawRead: await rate(bare.read),
    storeRead: await rate(() => store.find('services', row.id)),
    rawWrite: await rate(bare.write),
    storeWrite: await rate(() => store.transaction(tx => tx.insert('services', serviceRow()))),
  }
  await bare.close()
  await store.close()
  await node.start()
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const adminRead = await rate(() => send(`${url}/services/${row.id}`, { agent }))
  const adminWrite = await rate(async () => {
    const body = { name: randomUUID(), host: 'h.test' }
    const { status } = await send(`${url}/services`, { method: 'POST', body, agent })
    if (status !== 201) throw new Error(`POST /services: ${status}`)
  })
  agent.destroy()
  await node.stop()
  const line = (what: string, bareRate: number, storeRate: number, adminRate: number) => [
    place.name,
    what,
    Math.round(bareRate),
    Math.round(storeRate),
    (storeRate / bareRate).toFixed(2),
    Math.round(adminRate),
  ]
  return [
    line('read by id', measured.rawRead, measured.storeRead, adminRead),
    line('insert', measured.rawWrite, measured.storeWrite, adminWrite),
  ]
}

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

await Stage.run(async stage => {
  // As a server in earnest: commits are on the disk when they are acknowledged.
  const server = await startPostgres(['fsync=on', 'shared_buffers=128MB'])
  stage.atEnd(() => server.close())
  const embedded: Place = { name: 'embedded', settings: { storage: 'embedded' } }
  const postgres = async (): Promise<Place & { readonly database: string }> => {
    const options = await server.createDatabase()
    return { name: 'PostgreSQL', settings: postgresSettings(options), database: options.database }
  }
  console.log(`### Stores\n\n${machineLine()}; ${clients} callers at a time, ${seconds} s each\n`)
  const place = await postgres()
  const lines = [
    ...(await rates(stage, embedded, async (id, prefix) => rawEmbedded(join(prefix, 'silverback.db'), id))),
    ...(await rates(stage, place, id => rawPostgres(server, place.database, id))),
  ]
  console.log(table(['store', '', 'raw driver /s', 'store /s', 'store : raw (>= 0.6)', 'Admin API /s'], lines))
  console.log(`\n### ${values.rows} entities\n`)
  const sizes = [await large(stage, embedded), await large(stage, await postgres())]
  const titles = ['store', 'rows', 'filling s', 'export s', 'export MiB more', 'start s', 'control plane MiB, peak']
  console.log(table(titles, sizes))
  const times = await propagation(stage, (await postgres()).settings)
  console.log(`\n### From one control plane to a data plane of the other, on PostgreSQL\n`)
  const shown = [50, 99].map(percent => percentile(times, percent).toFixed(1))
  console.log(table(['changes', 'p50 ms', 'p99 ms (<= 150)'], [[times.length, ...shown]]))
})
