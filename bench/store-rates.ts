/** Single rows, read and written: by the raw driver, by the store, and over HTTP by a bare server and the Admin API. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../src/base/clock.ts'
import { silentLogger } from '../src/base/logger.ts'
import { nodeCatalog } from '../src/node/enabled-plugins.ts'
import { openStore } from '../src/node/open-store.ts'
import { loadSettings } from '../src/settings/load.ts'
import { systemFiles } from '../src/settings/settings-files.ts'
import type { EntityStore } from '../src/store/store.ts'
import { freePort, type TestNode } from '../test/kit/nodes.ts'
import { cpuSeconds, load, pin, type Stage } from './measure.ts'
import { aService, openRaw, type RawPlace } from './raw-stores.ts'

const clients = 16
const rounds = 2

export interface Place {
  readonly name: string
  readonly settings: Record<string, string>
  /** Where the raw driver finds the tables; `prefix` is that of the node that made them. */
  raw(prefix: string): RawPlace
}

type Once = (client: number) => Promise<unknown>

/** Times per second that `clients` callers, each waiting for its own answer, get something done. */
async function rate(once: Once, seconds: number): Promise<number> {
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

export async function storeOf(settings: Record<string, string>, prefix: string): Promise<EntityStore> {
  const env = Object.fromEntries(Object.entries(settings).map(([name, value]) => [`KONG_${name.toUpperCase()}`, value]))
  const loaded = loadSettings({ env: { ...env, KONG_PREFIX: prefix }, files: systemFiles(process.cwd()) })
  if (!loaded.ok) throw new Error(loaded.errors.join('\n'))
  const catalog = nodeCatalog(loaded.settings)
  return openStore({ settings: loaded.settings, catalog, clock: systemClock, log: silentLogger })
}

export const serviceRow = () => ({
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

export async function aControlPlane(stage: Stage, name: string, settings: Record<string, string>) {
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

export async function bootstrap(node: TestNode): Promise<void> {
  const { status, stdout, stderr } = await node.kong('migrations', 'bootstrap')
  if (status !== 0) throw new Error(stdout + stderr)
}

async function bareServer(stage: Stage, place: RawPlace): Promise<{ readonly url: string; readonly pid: number }> {
  const script = join(import.meta.dirname, 'bare-server.ts')
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, JSON.stringify(place)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  stage.atEnd(() => child.kill('SIGKILL'))
  const [port] = await once(child.stdout, 'data')
  return { url: `http://127.0.0.1:${String(port).trim()}`, pid: child.pid! }
}

/** Names that nobody else has, in this run or another. */
function postScript(stage: Stage): string {
  const path = join(stage.folder, `post-${randomUUID()}.lua`)
  writeFileSync(
    path,
    `local count = 0
math.randomseed(os.time())
local run = tostring(math.random(1, 2^30))
request = function()
  count = count + 1
  local body = '{"name":"s-${randomUUID()}-' .. run .. '-' .. count .. '","host":"h.test"}'
  return wrk.format("POST", "/services", { ["Content-Type"] = "application/json" }, body)
end
`,
  )
  return path
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

export const RATE_TITLES = [
  'store',
  '',
  'raw driver /s',
  'store /s',
  'store : raw (>= 0.6)',
  'bare HTTP server over the raw driver /s',
  'Admin API /s',
  'Admin API : bare server (>= 0.6)',
  'CPU µs/request, bare server',
  'CPU µs/request, Admin API',
]

/** One line for reads, one for writes. */
export async function rates(stage: Stage, make: () => Promise<Place>, seconds: number): Promise<(string | number)[][]> {
  // What the raw driver writes is no configuration, so it has tables of its own.
  const [place, bare] = [await make(), await make()]
  const id = randomUUID()
  const { node, admin: url } = await aControlPlane(stage, `${place.name}-rates`, place.settings)
  const other = stage.node(`${place.name}-raw`, { role: 'admin', ...bare.settings })
  for (const [each, settings] of [
    [node, place.settings],
    [other, bare.settings],
  ] as const) {
    await bootstrap(each)
    const store = await storeOf(settings, each.prefix)
    await store.transaction(tx => tx.insert('services', { ...serviceRow(), id }))
    await store.close()
  }
  const rawPlace = bare.raw(other.prefix)
  const raw = await openRaw(rawPlace, clients)
  const store = await storeOf(place.settings, node.prefix)
  const ways = {
    rawRead: (client: number) => raw.read(client, id),
    storeRead: () => store.find('services', id),
    rawWrite: (client: number) => raw.write(client, aService()),
    storeWrite: () => store.transaction(tx => tx.insert('services', serviceRow())),
  }
  const found: Record<string, number[]> = {}
  const note = (name: string, value: number) => (found[name] ??= []).push(value)
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, once] of Object.entries(ways)) note(name, await rate(once, seconds))
  }
  await raw.close()
  await store.close()
  await overHttp(stage, { node, url, id, rawPlace, seconds, note })
  const line = (what: string, read: 'Read' | 'Write') => {
    const of = (name: string) => mean(found[`${name}${read}`]!)
    return [
      place.name,
      what,
      Math.round(of('raw')),
      Math.round(of('store')),
      (of('store') / of('raw')).toFixed(2),
      Math.round(of('bare')),
      Math.round(of('admin')),
      (of('admin') / of('bare')).toFixed(2),
      Math.round(of('bareCpu')),
      Math.round(of('adminCpu')),
    ]
  }
  return [line('read by id', 'Read'), line('insert', 'Write')]
}

function cpuOf(pid: number): number {
  const { user, system } = cpuSeconds(pid)
  return user + system
}

interface OverHttp {
  readonly node: TestNode
  readonly url: string
  readonly id: string
  readonly rawPlace: RawPlace
  readonly seconds: number
  note(name: string, value: number): unknown
}

/** Servers on one core, load on the other; databases where there is room. */
async function overHttp(stage: Stage, { node, url, id, rawPlace, seconds, note }: OverHttp): Promise<void> {
  await node.start()
  const bare = await bareServer(stage, rawPlace)
  for (const pid of [node.mainProcessId(), bare.pid]) pin(pid, '0')
  for (let round = 0; round <= rounds; round += 1) {
    for (const [who, at] of [
      ['bare', bare.url],
      ['admin', url],
    ] as const) {
      const given = { seconds, connections: clients }
      const pid = who === 'bare' ? bare.pid : node.mainProcessId()
      const before = cpuOf(pid)
      const read = await load(`${at}/services/${id}`, given)
      const between = cpuOf(pid)
      const write = await load(`${at}/services`, { ...given, script: postScript(stage) })
      if (read.failed + write.failed > 0) throw new Error(`${who}: ${read.failed} and ${write.failed} failed`)
      // The first round warms up.
      if (round === 0) continue
      note(`${who}Read`, read.perSecond)
      note(`${who}Write`, write.perSecond)
      note(`${who}CpuRead`, ((between - before) * 1e6) / read.requests)
      note(`${who}CpuWrite`, ((cpuOf(pid) - between) * 1e6) / write.requests)
    }
  }
  process.kill(bare.pid, 'SIGTERM')
  await node.stop()
}
