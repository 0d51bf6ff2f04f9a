/**
 * CPU per proxied request, against nginx doing the same in the same run.
 *
 * The gateway's worker has core 0 for itself, load and upstream have core 1; the contestants take turns, several
 * rounds, and what counts is the median of the ratios of one round. `--rounds N --seconds N --strace`.
 */
import { execFileSync, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { freePort } from '../test/kit/nodes.ts'
import { eventually, send } from '../test/kit/traffic.ts'
import { cpuSeconds, type Load, load, machineLine, median, pin, residentMemory, Stage, table } from './measure.ts'
import { startProxy, startUpstream } from './nginx.ts'

interface Contestant {
  readonly name: string
  readonly url: string
  readonly workerId: number
  readonly headers?: Record<string, string>
  readonly target?: number
  /** Whose figure is 1.00 for it. */
  readonly baseline?: string
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '50' },
    strace: { type: 'boolean', default: false },
  },
})
const GATEWAY_CORE = '0'
const LOAD_CORE = '1'
const KEY = { apikey: 'the-key' }
/** What a browser sends. A client that keeps its connection sends it again with each request. */
const BROWSER = {
  'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36',
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'Accept-Language': 'en-US,en;q=0.9,de;q=0.8',
  'Accept-Encoding': 'gzip, deflate, br, zstd',
  'Cache-Control': 'no-cache',
  Cookie: 'session=3f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c; theme=dark; _ga=GA1.1.1234567890.1700000000',
  Referer: 'https://example.com/products/list?page=3',
  'Sec-Fetch-Mode': 'navigate',
  'Sec-Fetch-Site': 'same-origin',
  'Upgrade-Insecure-Requests': '1',
}

await Stage.run(async stage => {
  const upstream = await startUpstream(stage, LOAD_CORE)
  const proxy = await startProxy(stage, GATEWAY_CORE, upstream.port)
  const contestants: Contestant[] = [
    { name: 'nginx', url: `http://127.0.0.1:${proxy.port}/r`, workerId: proxy.workerId },
  ]
  const add = async (name: string, target: number, config: object, extra: Partial<Contestant> = {}) => {
    contestants.push({ name, target, ...(await startSilverback(stage, name, config, extra.headers)), ...extra })
  }
  const service = { name: 's', url: `http://127.0.0.1:${upstream.port}` }
  const route = { name: 'r', paths: ['/r'], strip_path: false }
  const consumers = [{ username: 'c', keyauth_credentials: [{ key: KEY.apikey }] }]
  const keyAuth = { name: 'key-auth' }
  const rateLimiting = { name: 'rate-limiting', config: { second: 1_000_000, hour: 1_000_000_000, policy: 'local' } }
  const many = Array.from({ length: 9_999 }, (_, i) => ({ name: `r${i}`, paths: [`/route-${i}/x`] }))
  await add('no plugin', 1.0, { services: [{ ...service, routes: [route] }] })
  await add('10,000 routes', 1.02, { services: [{ ...service, routes: [route, ...many] }] })
  await add(
    'key-auth',
    1.1,
    { services: [{ ...service, routes: [{ ...route, plugins: [keyAuth] }] }], consumers },
    { headers: KEY },
  )
  await add(
    'key-auth + rate-limiting',
    1.25,
    { services: [{ ...service, routes: [{ ...route, plugins: [keyAuth, rateLimiting] }] }], consumers },
    { headers: KEY },
  )
  const [nginx, own] = contestants as [Contestant, Contestant]
  contestants.push({ ...nginx, name: "nginx, a browser's fields", headers: BROWSER })
  contestants.push({
    ...own,
    name: "no plugin, a browser's fields",
    headers: BROWSER,
    baseline: "nginx, a browser's fields",
  })
  for (const contestant of contestants) await measure(contestant, 1)
  const rounds: Map<string, number>[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const micros = new Map<string, number>()
    for (const contestant of contestants)
      micros.set(contestant.name, (await measure(contestant, Number(values.seconds))).micros)
    rounds.push(micros)
  }
  const rows = contestants.map(({ name, target, workerId, baseline = name.startsWith('nginx') ? name : 'nginx' }) => {
    const ratio = median(rounds.map(micros => micros.get(name)! / micros.get(baseline)!))
    return [
      name,
      median(rounds.map(micros => micros.get(name)!)).toFixed(1),
      ratio.toFixed(2),
      target?.toFixed(2) ?? '',
      residentMemory(workerId).toFixed(0),
    ]
  })
  console.log(
    `### CPU per proxied request\n\n${machineLine()}; ${values.rounds} interleaved rounds of ${values.seconds} s\n`,
  )
  console.log(table(['', 'CPU µs/request', '× nginx', 'target', 'RSS MiB after load'], rows))
  const one = median(rounds.map(micros => micros.get('10,000 routes')! / micros.get('no plugin')!))
  console.log(`\n10,000 routes cost ${one.toFixed(3)} × one route (target 1.02).`)
  if (values.strace) for (const contestant of contestants.slice(0, 2)) await countSystemCalls(contestant)
})

async function startSilverback(stage: Stage, name: string, config: object, headers: Record<string, string> = {}) {
  const port = await freePort()
  const file = join(stage.folder, `${name.replaceAll(/\W+/g, '-')}.json`)
  writeFileSync(file, JSON.stringify({ _format_version: '3.0', ...config }))
  const node = stage.node(name.replaceAll(/\W+/g, '-'), {
    storage: 'memory',
    declarative_config: file,
    proxy_listen: `127.0.0.1:${port} reuseport backlog=16384`,
    admin_listen: 'off',
    status_listen: 'off',
    proxy_access_log: 'off',
    nginx_worker_processes: 1,
  })
  await node.start()
  const url = `http://127.0.0.1:${port}/r`
  await eventually(`${name} to serve`, async () => (await send(url, { headers })).status === 200)
  const workerId = node.workerProcessIds()[0]!
  pin(workerId, GATEWAY_CORE)
  return { url, workerId }
}

async function measure(
  { name, url, workerId, headers = {} }: Contestant,
  seconds: number,
): Promise<Load & { micros: number }> {
  const before = cpuSeconds(workerId)
  const result = await load(url, { seconds, connections: Number(values.connections), cores: LOAD_CORE, headers })
  const after = cpuSeconds(workerId)
  if (result.failed > 0) throw new Error(`${name}: ${result.failed} requests failed`)
  const cpu = after.user - before.user + after.system - before.system
  return { ...result, micros: (cpu * 1e6) / result.requests }
}

/** Reads, writes and waits per request; a figure that no noise disturbs. */
async function countSystemCalls({ name, url, workerId, headers = {} }: Contestant): Promise<void> {
  const tracer = spawn('strace', ['-c', '-f', '-p', String(workerId)], { stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  tracer.stderr.on('data', data => (output += data))
  await new Promise<void>(resolve => tracer.stderr.once('data', () => resolve()))
  const result = await load(url, { seconds: 2, connections: 50, cores: LOAD_CORE, headers })
  execFileSync('kill', ['-INT', String(tracer.pid)])
  await new Promise(resolve => tracer.once('close', resolve))
  const calls = [...output.matchAll(/^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/gm)]
    .map(([, count, call]) => [call!, Number(count) / result.requests] as const)
    .filter(([call, count]) => call !== 'total' && count >= 0.005)
    .map(([call, count]) => `${call} ${count.toFixed(2)}`)
  console.log(`\nSystem calls per request, ${name}: ${calls.join(', ')}`)
}
