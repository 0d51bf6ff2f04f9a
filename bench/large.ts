/**
 * A configuration of 100,000 entities: how long it takes everywhere, and what it costs in memory and in stalls.
 *
 * A data plane that serves one route receives it while it is under steady load, a second one joins afterwards, then
 * many at once; then it restarts from its copy, and one is killed in the middle of its first snapshot.
 * `--entities N --nodes N --only-sync` (without the fleet and what follows)
 */
import { writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { freePort, type TestNode } from '../test/kit/nodes.ts'
import { admin, eventually, send } from '../test/kit/traffic.ts'
import { type CountingRelay, startRelay } from './counting-relay.ts'
import { machineLine, peakMemory, percentile, residentMemory, run, Stage, table } from './measure.ts'
import { startUpstream } from './nginx.ts'
import { Fleet } from './simulated-fleet.ts'

const { values } = parseArgs({
  options: {
    entities: { type: 'string', default: '100000' },
    nodes: { type: 'string', default: '100' },
    'only-sync': { type: 'boolean', default: false },
  },
})
const entities = Number(values.entities)
const routes = entities / 10
const consumers = (entities - 2 * routes) / 2
/** Requests per second that the data plane is under while it receives everything. */
const RATE = 300

const rows: (string | number)[][] = []
const report = (what: string, figure: string) => {
  rows.push([what, figure])
  console.error(`${what}: ${figure}`)
}
const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`
const mebibytes = (figure: number) => `${figure.toFixed(0)} MiB`

/** A tenth services, a tenth routes, and consumers with one key each. */
function writeConfiguration(path: string, upstreamPort: number): void {
  const services = Array.from({ length: routes }, (_, i) => ({
    name: `s-${i}`,
    url: `http://127.0.0.1:${upstreamPort}`,
    routes: [{ name: `r-${i}`, paths: [`/r-${i}`], strip_path: false }],
  }))
  const known = Array.from({ length: consumers }, (_, i) => ({
    username: `consumer-${i}`,
    keyauth_credentials: [{ key: `key-of-consumer-${i}` }],
  }))
  const guarded = {
    name: 'guarded',
    url: `http://127.0.0.1:${upstreamPort}`,
    routes: [{ name: 'guarded', paths: ['/guarded'], plugins: [{ name: 'key-auth' }] }],
  }
  writeFileSync(path, JSON.stringify({ _format_version: '3.0', services: [...services, guarded], consumers: known }))
}

/** Asks the Admin API one small question after the other; how long the longest answer took is the longest stall. */
class AdminProbe {
  readonly times: number[] = []
  #isRunning = true
  readonly #done: Promise<void>

  constructor(url: string) {
    const agent = new Agent({ keepAlive: true })
    this.#done = (async () => {
      while (this.#isRunning) {
        const askedAt = performance.now()
        await send(`${url}/services?size=1`, { agent, timeoutMs: 60_000 })
        this.times.push(performance.now() - askedAt)
        await new Promise(resolve => setTimeout(resolve, 5))
      }
      agent.destroy()
    })()
  }
  async end(): Promise<string> {
    this.#isRunning = false
    await this.#done
    return `p99 ${percentile(this.times, 99).toFixed(0)} ms, longest ${Math.max(...this.times).toFixed(0)} ms`
  }
}

interface Running {
  readonly stage: Stage
  readonly url: string
  readonly clusterPort: number
  readonly controlPlane: TestNode
}

interface DataPlane {
  readonly node: TestNode
  readonly port: number
  readonly relay: CountingRelay
}

async function startControlPlane(stage: Stage): Promise<Running> {
  const adminPort = await freePort()
  const clusterPort = await freePort()
  const controlPlane = stage.node('cp', {
    role: 'admin',
    admin_listen: `127.0.0.1:${adminPort}`,
    cluster_listen: `127.0.0.1:${clusterPort}`,
    status_listen: 'off',
    admin_access_log: 'off',
  })
  await controlPlane.start()
  return { stage, url: `http://127.0.0.1:${adminPort}`, clusterPort, controlPlane }
}

async function aDataPlane({ stage, clusterPort }: Running, name: string): Promise<DataPlane> {
  const relay = await startRelay(stage, clusterPort)
  const port = await freePort()
  const node = stage.node(name, {
    role: 'proxy',
    storage: 'memory',
    cluster_control_plane: `127.0.0.1:${relay.port}`,
    proxy_listen: `127.0.0.1:${port}`,
    status_listen: 'off',
    proxy_access_log: 'off',
    nginx_worker_processes: 1,
  })
  return { node, port, relay }
}

/** The last route and the last consumer's key both work: the whole configuration is there. */
async function serves({ port, node }: DataPlane): Promise<void> {
  const url = `http://127.0.0.1:${port}`
  const isThere = async () =>
    (await send(`${url}/r-${routes - 1}`)).status === 200 &&
    (await send(`${url}/guarded`, { headers: { apikey: `key-of-consumer-${consumers - 1}` } })).status === 200
  await eventually('the whole configuration', isThere, 300_000).catch((error: Error) => {
    throw new Error(`${error.message}\n${node.errorLog()}`)
  })
}

function memory({ node }: { readonly node: TestNode }): string {
  const main = node.mainProcessId()
  const workers = node.workerProcessIds()
  const figure = (pid: number) => `${residentMemory(pid).toFixed(0)} (peak ${mebibytes(peakMemory(pid))})`
  return [`main ${figure(main)}`, ...workers.map(pid => `worker ${figure(pid)}`)].join(', ')
}

/** A data plane serves one route under steady load while the configuration arrives. */
async function receiveUnderLoad(running: Running, upstreamPort: number): Promise<DataPlane> {
  const { stage, url, controlPlane } = running
  await admin(url, 'POST', '/services', { name: 'quiet', url: `http://127.0.0.1:${upstreamPort}` })
  await admin(url, 'POST', '/services/quiet/routes', { name: 'quiet', paths: ['/quiet'], strip_path: false })
  const plane = await aDataPlane(running, 'dp1')
  await plane.node.start()
  await eventually('the route', async () => (await send(`http://127.0.0.1:${plane.port}/quiet`)).status === 200)
  const script = join(import.meta.dirname, 'steady-load.ts')
  const load = (duration: number) =>
    run(process.execPath, [script, String(plane.port), '/quiet', String(RATE), String(duration), '16']).then(text => {
      const { p50, p99, max, failed } = JSON.parse(text) as Record<'p50' | 'p99' | 'max' | 'failed', number>
      return `p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, longest ${max.toFixed(0)} ms, ${failed} failed`
    })
  report('requests on a data plane, quiet', await load(5))
  const file = join(stage.folder, 'large.json')
  writeConfiguration(file, upstreamPort)
  const probe = new AdminProbe(url)
  const loading = load(Math.ceil(entities / 5000) + 10)
  let startedAt = performance.now()
  const imported = await controlPlane.kong('config', 'db_import', file)
  if (imported.status !== 0) throw new Error(`kong config db_import: ${imported.stdout}${imported.stderr}`)
  report('kong config db_import', seconds(startedAt))
  startedAt = performance.now()
  await serves(plane)
  report('after it until a connected data plane serves everything', seconds(startedAt))
  report('requests on the data plane meanwhile', await loading)
  report('Admin API answers meanwhile', await probe.end())
  report('control plane after it', memory({ node: controlPlane }))
  report('data plane after it', memory(plane))
  return plane
}

async function joinNew(running: Running): Promise<DataPlane> {
  const plane = await aDataPlane(running, 'dp2')
  const probe = new AdminProbe(running.url)
  const startedAt = performance.now()
  await plane.node.start()
  await serves(plane)
  report('a new data plane: kong start until it serves everything', seconds(startedAt))
  report('bytes sent to it', `${(plane.relay.counts().down / 2 ** 20).toFixed(1)} MiB`)
  report('Admin API answers meanwhile', await probe.end())
  report('control plane after it', memory({ node: running.controlPlane }))
  report('data plane after it', memory(plane))
  return plane
}

async function change(running: Running, plane: DataPlane): Promise<void> {
  const times: number[] = []
  const agent = new Agent({ keepAlive: true })
  const before = plane.relay.counts().down
  for (let i = 0; i < 100; i++) {
    await admin(running.url, 'PUT', `/services/s-1/routes/probe-${i % 5}`, { paths: [`/probe-${i}`] })
    const answeredAt = performance.now()
    const url = `http://127.0.0.1:${plane.port}/probe-${i}`
    while ((await send(url, { agent })).status !== 200) {
      if (performance.now() - answeredAt > 10_000) throw new Error(`change ${i} did not arrive within 10 s`)
    }
    times.push(performance.now() - answeredAt)
  }
  agent.destroy()
  report(
    '100 changes of a route: from the answer to the effect',
    `p50 ${percentile(times, 50).toFixed(1)}, p99 ${percentile(times, 99).toFixed(1)} ms`,
  )
  report('bytes per change', `${((plane.relay.counts().down - before) / 100).toFixed(0)}`)
  report('control plane after it', memory({ node: running.controlPlane }))
  report('data plane after it', memory(plane))
}

async function joinManyAtOnce(running: Running): Promise<void> {
  const nodes = Number(values.nodes)
  const probe = new AdminProbe(running.url)
  const fleet = new Fleet(running.stage, running.clusterPort, nodes)
  report(
    `${nodes} data planes join at once: until all have everything`,
    `${((await fleet.follow(2)) / 1000).toFixed(1)} s`,
  )
  report('Admin API answers meanwhile', await probe.end())
  report('control plane after it', memory({ node: running.controlPlane }))
}

async function restart(plane: DataPlane): Promise<void> {
  await plane.node.stop()
  const startedAt = performance.now()
  const started = plane.node.start()
  const url = `http://127.0.0.1:${plane.port}/r-${routes - 1}`
  while (
    (await send(url).then(
      answer => answer.status,
      () => 0,
    )) !== 200
  )
    await new Promise(resolve => setTimeout(resolve, 5))
  report('restart from the saved configuration, until the first answer', seconds(startedAt))
  await started
  report('data plane after it', memory(plane))
}

async function killInFirstSnapshot(running: Running): Promise<void> {
  const plane = await aDataPlane(running, 'dp3')
  await plane.node.start()
  await eventually('half of the snapshot', async () => plane.relay.counts().down > 2 ** 20)
  plane.node.killAll()
  const startedAt = performance.now()
  await plane.node.start()
  const { status } = await send(`http://127.0.0.1:${plane.port}/quiet`)
  report('killed in its first snapshot, started again: first answer', `${status}`)
  await serves(plane)
  report('and serves everything after', seconds(startedAt))
}

await Stage.run(async stage => {
  const upstream = await startUpstream(stage, '1')
  const running = await startControlPlane(stage)
  report('control plane, empty', memory({ node: running.controlPlane }))
  const first = await receiveUnderLoad(running, upstream.port)
  await first.node.stop()
  const second = await joinNew(running)
  await change(running, second)
  await restart(second)
  if (!values['only-sync']) {
    await killInFirstSnapshot(running)
    await joinManyAtOnce(running)
  }
  console.log(`### A configuration of ${entities} entities\n\n${machineLine()}; load of ${RATE} requests per second\n`)
  console.log(table(['', ''], rows))
})
