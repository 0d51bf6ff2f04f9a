/**
 * Router and running configuration at 1 and 10,000 routes: time to load, to match, to change one route, and memory.
 *
 *     node bench/micro/router.ts [routes] [flavor]     default 10000 traditional_compatible
 */
import { spawnSync } from 'node:child_process'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { seededRandom } from '../../src/base/random.ts'
import { createCatalog } from '../../src/entities/catalog.ts'
import type { ConfigChange, Row } from '../../src/entities/config.ts'
import type { RouterFlavor } from '../../src/entities/routes.ts'
import type { RouterInput } from '../../src/proxy/router/router.ts'
import { createRunningConfig, type RunningConfig } from '../../src/proxy/running-config.ts'
import type { PluginTools } from '../../src/sdk/sdk.ts'
import { change, load, put, rowBuilder, routerInput, testSettings } from '../../test/kit/config-rows.ts'

const routeCount = Number(process.argv[2] ?? 10_000)
const flavor = (process.argv[3] ?? 'traditional_compatible') as RouterFlavor
const random = seededRandom(1)
const catalog = createCatalog({ router_flavor: flavor })
const build = rowBuilder(catalog, random)

function newConfig(): RunningConfig {
  const tools = () => ({}) as PluginTools
  const options = { catalog, plugins: new Map(), settings: testSettings, log: silentLogger, clock: systemClock, random }
  return createRunningConfig({ ...options, tools })
}

/** As from the wire: each row its own strings. */
const received = (changes: readonly ConfigChange[]): ConfigChange[] => JSON.parse(JSON.stringify(changes))

const SHAPES = ['path', 'host and path', 'header', 'regex', 'mixed'] as const
type Shape = (typeof SHAPES)[number]

/** Of a mixed configuration every shape has a part. */
const shapeOf = (shape: Shape, i: number) => (shape === 'mixed' ? SHAPES[i % 4]! : shape)

function routeRow(shape: Shape, i: number, service: Row): Row {
  const conditions: Partial<Record<Shape, Row>> =
    flavor === 'expressions' ? { [shape]: { expression: expressionOf(shape, i), priority: i % 10 } } : traditional(i)
  return build('routes', { name: `route-${i}`, ...conditions[shape], service: { id: service['id'] } })
}

function traditional(i: number): Partial<Record<Shape, Row>> {
  return {
    path: { paths: [`/service-${i % 100}/resource-${i}`] },
    'host and path': { hosts: [`tenant-${i}.example.com`], paths: ['/api'] },
    header: { headers: { 'x-tenant': [`tenant-${i}`] }, paths: ['/api'] },
    regex: { paths: [`~/service-${i}/users/(?<id>\\d+)`] },
  }
}

function expressionOf(shape: Shape, i: number): string {
  const expressions: Partial<Record<Shape, string>> = {
    path: `http.path ^= "/service-${i % 100}/resource-${i}" && http.method != "TRACE"`,
    'host and path': `http.host == "tenant-${i}.example.com" && (http.path ^= "/api" || http.path == "/")`,
    header: `any(lower(http.headers.x_tenant)) == "tenant-${i}" && http.path ^= "/api"`,
    regex: `http.path ~ r#"^/service-${i}/users/(?<id>\\d+)"#`,
  }
  return expressions[shape]!
}

function requestFor(shape: Shape, i: number): RouterInput {
  const tenant = [`tenant-${i}`]
  const headerValues = (name: string) => (name === 'x-tenant' ? tenant : [])
  const inputs: Partial<Record<Shape, Partial<RouterInput>>> = {
    path: { path: `/service-${i % 100}/resource-${i}/items/7` },
    'host and path': { host: `tenant-${i}.example.com`, path: '/api/items/7' },
    header: { path: '/api/items/7', headerValues },
    regex: { path: `/service-${i}/users/4711` },
  }
  return routerInput(inputs[shape])
}

const ms = (value: number) => `${value.toFixed(value < 10 ? 3 : 0)} ms`

function quantiles(samples: number[]): string {
  samples.sort((a, b) => a - b)
  const at = (q: number) => ms(samples[Math.floor(samples.length * q)]!)
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${ms(samples.at(-1)!)}`
}

function measure(shape: Shape, count: number): void {
  const service = build('services', { host: '127.0.0.1', port: 9000 })
  const rows = Array.from({ length: count }, (_, i) => routeRow(shapeOf(shape, i), i, service))
  const changes = received([put('services', service), ...rows.map(row => put('routes', row))])
  const config = newConfig()
  const started = performance.now()
  load(config, changes, 1000)
  const loadedMs = performance.now() - started

  const requests = Array.from({ length: Math.min(count, 1000) }, () => {
    const i = Math.floor(random.next() * count)
    return requestFor(shapeOf(shape, i), i)
  })
  const matchAll = () => {
    for (const request of requests) if (config.router.match(request) === null) throw new Error(`no match: ${shape}`)
  }
  const rounds = Math.ceil(200_000 / requests.length)
  for (let i = 0; i < rounds; i++) matchAll()
  // The time of this thread: on a busy machine the clock shows what others do.
  const before = process.threadCpuUsage()
  for (let i = 0; i < rounds; i++) matchAll()
  const { user, system } = process.threadCpuUsage(before)
  const matchNs = ((user + system) * 1000) / (rounds * requests.length)

  const deltas = Array.from({ length: 300 }, (_, n) => {
    const [delta] = received([put('routes', { ...rows[n % count]!, tags: [`t${n}`] })])
    const deltaStarted = performance.now()
    change(config, delta!)
    return performance.now() - deltaStarted
  })
  const serviceStarted = performance.now()
  change(config, put('services', { ...service, port: 9001 }))
  const serviceMs = performance.now() - serviceStarted
  console.log(
    `${shape.padEnd(13)} ${String(count).padStart(6)} routes: load ${ms(loadedMs)}, match ${matchNs.toFixed(0)} ns, ` +
      `one route changed ${quantiles(deltas)}, their service changed ${ms(serviceMs)}`,
  )
}

/** In a process of its own, with a worker's options, which holds nothing but the configuration. */
function measureMemory(): void {
  const collect = (globalThis as { gc?: () => void }).gc!
  collect()
  const before = process.memoryUsage()
  const config = newConfig()
  const service = build('services', { host: '127.0.0.1' })
  load(config, received([put('services', service)]))
  for (let at = 0; at < routeCount; at += 1000) {
    const rows = Array.from({ length: Math.min(1000, routeCount - at) }, (_, i) =>
      routeRow(shapeOf('mixed', at + i), at + i, service),
    )
    change(config, ...received(rows.map(row => put('routes', row))))
  }
  collect()
  const after = process.memoryUsage()
  const perRoute = (after.heapUsed - before.heapUsed) / routeCount
  console.log(
    `memory: ${(perRoute / 1024).toFixed(2)} KiB of heap per route; RSS ${(before.rss / 2 ** 20).toFixed(0)} MiB before, ` +
      `${(after.rss / 2 ** 20).toFixed(0)} MiB with ${config.router.size} routes (this unbuilt process also made the rows)`,
  )
}

if (process.argv[4] === 'memory') measureMemory()
else {
  for (const shape of SHAPES) for (const count of [1, routeCount]) measure(shape, count)
  const options = ['--expose-gc', '--max-semi-space-size=4', import.meta.filename, String(routeCount), flavor, 'memory']
  spawnSync(process.execPath, options, { stdio: 'inherit' })
}
