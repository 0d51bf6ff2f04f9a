/**
 * CPU per proxied request with many routes, as a ratio to one route in the same run: of paths, hosts, headers and regexes
 * in equal parts, with requests for one of them, and with requests spread over a thousand.
 *
 *     npm run bench routes -- --routes 10000,100000 --flavor traditional_compatible --rounds 5 --seconds 4
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { freePort } from '../test/kit/nodes.ts'
import { eventually, send } from '../test/kit/traffic.ts'
import { cpuSeconds, load, machineLine, median, pin, residentMemory, Stage, table } from './measure.ts'
import { startUpstream } from './nginx.ts'

const { values } = parseArgs({
  options: {
    routes: { type: 'string', default: '10000,100000' },
    flavor: { type: 'string', default: 'traditional_compatible' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '50' },
  },
})
const GATEWAY_CORE = '0'
const LOAD_CORE = '1'
/** Different requests of the spread load. */
const SPREAD = 1000

/** What is asked of the i-th route, and what the route asks; every route also has a part of the path for itself. */
function route(i: number): {
  readonly fields: object
  readonly path: string
  readonly headers: Record<string, string>
} {
  const common = { name: `r${i}`, strip_path: false }
  const [path, host] = [`/service-${i % 100}/resource-${i}`, `tenant-${i}.example.com`]
  const expressions = values.flavor === 'expressions'
  const either = (expression: string, fields: object) =>
    expressions ? { ...common, expression } : { ...common, ...fields }
  switch (i % 4) {
    case 0:
      return { fields: either(`http.path ^= "${path}"`, { paths: [path] }), path: `${path}/7`, headers: {} }
    case 1: {
      const fields = either(`http.host == "${host}" && http.path ^= "/api"`, { hosts: [host], paths: ['/api'] })
      return { fields, path: '/api/7', headers: { Host: host } }
    }
    case 2: {
      const expression = `http.headers.x_tenant == "t${i}" && http.path ^= "/api"`
      const fields = either(expression, { headers: { 'x-tenant': [`t${i}`] }, paths: ['/api'] })
      return { fields, path: '/api/7', headers: { 'x-tenant': `t${i}` } }
    }
    default: {
      const fields = either(`http.path ~ r#"^/s-${i}/u/(?<id>\\d+)"#`, { paths: [`~/s-${i}/u/(?<id>\\d+)`] })
      return { fields, path: `/s-${i}/u/4711`, headers: {} }
    }
  }
}

/** Requests for the first of a thousand routes, spread over those that there are; one route answers them all. */
function luaScript(stage: Stage, name: string, count: number, requests: number): string {
  const lines = Array.from({ length: requests }, (_, n) => {
    const { path, headers } = route(Math.floor((n * count) / requests))
    const fields = Object.entries({ Host: 'localhost', ...headers }).map(([key, value]) => `["${key}"]="${value}"`)
    return `  requests[${n}] = wrk.format("GET", "${path}", {${fields.join(',')}})`
  })
  const file = join(stage.folder, `${name}.lua`)
  const script = ['local requests, at = {}, 0', 'function init()', ...lines, 'end', 'function request()']
  writeFileSync(file, [...script, `  at = (at + 1) % ${requests}`, '  return requests[at]', 'end', ''].join('\n'))
  return file
}

interface Contestant {
  readonly name: string
  readonly url: string
  readonly workerId: number
  readonly scripts: { readonly single: string; readonly spread: string }
  readonly loadedMs: number
}

await Stage.run(async stage => {
  const upstream = await startUpstream(stage, LOAD_CORE)
  const counts = values.routes.split(',').map(Number)
  const largest = Math.max(...counts)
  const contestants: Contestant[] = [await start(stage, upstream.port, 1, largest)]
  for (const count of counts) contestants.push(await start(stage, upstream.port, count, count))
  const rounds: Map<string, number>[] = []
  for (let round = -1; round < Number(values.rounds); round++) {
    const micros = new Map<string, number>()
    for (const contestant of contestants)
      for (const kind of ['single', 'spread'] as const)
        micros.set(
          `${contestant.name} ${kind}`,
          await measure(contestant, kind, round < 0 ? 1 : Number(values.seconds)),
        )
    // The first round warms up.
    if (round >= 0) rounds.push(micros)
  }
  const ratio = (name: string, kind: string) =>
    median(rounds.map(micros => micros.get(`${name} ${kind}`)! / micros.get(`${contestants[0]!.name} ${kind}`)!))
  const rows = contestants.map(({ name, workerId, loadedMs }) => [
    name,
    median(rounds.map(micros => micros.get(`${name} single`)!)).toFixed(1),
    ratio(name, 'single').toFixed(3),
    ratio(name, 'spread').toFixed(3),
    residentMemory(workerId).toFixed(0),
    (loadedMs / 1000).toFixed(1),
  ])
  console.log(
    `### CPU per request by number of routes, ${values.flavor}\n\n${machineLine()}; ${values.rounds} interleaved rounds of ${values.seconds} s\n`,
  )
  const head = ['', 'CPU µs/request', '× one route', `× one route, over ${SPREAD} routes`, 'RSS MiB', 'start s']
  console.log(table(head, rows))
})

/** With one route only it takes every path. */
async function start(stage: Stage, upstreamPort: number, count: number, requested: number): Promise<Contestant> {
  const name = count === 1 ? 'one route' : `${count.toLocaleString('en')} routes`
  const any = values.flavor === 'expressions' ? { expression: 'http.path ^= "/"' } : { paths: ['/'] }
  const routes =
    count === 1 ? [{ name: 'r', strip_path: false, ...any }] : Array.from({ length: count }, (_, i) => route(i).fields)
  const file = join(stage.folder, `routes-${count}.json`)
  const services = [{ name: 's', url: `http://127.0.0.1:${upstreamPort}`, routes }]
  writeFileSync(file, JSON.stringify({ _format_version: '3.0', services }))
  const port = await freePort()
  const node = stage.node(`routes-${count}`, {
    router_flavor: values.flavor,
    storage: 'memory',
    declarative_config: file,
    proxy_listen: `127.0.0.1:${port} reuseport backlog=16384`,
    admin_listen: 'off',
    status_listen: 'off',
    proxy_access_log: 'off',
    nginx_worker_processes: 1,
  })
  const started = performance.now()
  await node.start()
  const url = `http://127.0.0.1:${port}`
  await eventually(`${name} to be served`, async () => (await send(url + route(0).path)).status === 200, 120_000)
  const loadedMs = performance.now() - started
  const workerId = node.workerProcessIds()[0]!
  pin(workerId, GATEWAY_CORE)
  const scripts = {
    single: luaScript(stage, `single-${count}`, requested, 1),
    spread: luaScript(stage, `spread-${count}`, requested, Math.min(SPREAD, requested)),
  }
  return { name, url, workerId, scripts, loadedMs }
}

async function measure({ name, url, workerId, scripts }: Contestant, kind: 'single' | 'spread', seconds: number) {
  const before = cpuSeconds(workerId)
  const script = scripts[kind]
  const result = await load(url, { seconds, connections: Number(values.connections), cores: LOAD_CORE, script })
  const after = cpuSeconds(workerId)
  if (result.failed > 0) throw new Error(`${name}: ${result.failed} requests failed`)
  return ((after.user - before.user + after.system - before.system) * 1e6) / result.requests
}
