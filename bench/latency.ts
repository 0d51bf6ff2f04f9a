/**
 * Latency at a load that both can carry, and the price of a second worker.
 *
 * 1. p50 and p99 at about half of the rate that nginx reaches, nginx and we in turns: many connections, each of which
 *    waits a random time between an answer and its next request (only wrk is quick enough to share a core with the
 *    upstream at this rate). 2. CPU per request with two workers on two cores against one on one. `--rounds N --seconds N`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { freePort } from '../test/kit/nodes.ts'
import { eventually, send } from '../test/kit/traffic.ts'
import { cpuSeconds, load, machineLine, median, pin, Stage, table } from './measure.ts'
import { startProxy, startUpstream } from './nginx.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '4' } },
})
const PROXY_CORE = '0'
const LOAD_CORE = '1'
/** Enough for pauses of several milliseconds. */
const CONNECTIONS = 200
const SECONDS = Number(values.seconds)
const ROUNDS = Number(values.rounds)

interface Latencies {
  readonly p50: number
  readonly p99: number
  readonly rate: number
}

await Stage.run(async stage => {
  const upstream = await startUpstream(stage, LOAD_CORE)
  const nginx = await startProxy(stage, PROXY_CORE, upstream.port)
  const own = await silverback(stage, 'one', upstream.port, 1)
  pin(own.workerIds[0]!, PROXY_CORE)
  const peak = await load(`http://127.0.0.1:${nginx.port}/r`, { seconds: SECONDS, connections: 50, cores: LOAD_CORE })
  const rate = Math.floor(peak.perSecond / 2)
  const script = pauses(stage, rate)
  const rounds: { nginx: Latencies; own: Latencies }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({ nginx: await steady(nginx.port, script), own: await steady(own.port, script) })
  }
  const middle = (pick: (round: (typeof rounds)[number]) => number) => median(rounds.map(pick))
  const ratio = middle(({ nginx, own }) => own.p99 / nginx.p99)
  console.log(
    `### Latency at half of nginx's peak\n\n${machineLine()}; nginx at most ${Math.round(peak.perSecond)} requests/s, ${ROUNDS} rounds of ${SECONDS} s\n`,
  )
  console.log(
    table(
      ['', 'requests/s', 'p50 ms', 'p99 ms', '× nginx (p99)', 'target'],
      [
        [
          'nginx',
          middle(({ nginx }) => nginx.rate).toFixed(0),
          middle(({ nginx }) => nginx.p50).toFixed(2),
          middle(({ nginx }) => nginx.p99).toFixed(2),
          '1.00',
          '',
        ],
        [
          'silverback',
          middle(({ own }) => own.rate).toFixed(0),
          middle(({ own }) => own.p50).toFixed(2),
          middle(({ own }) => own.p99).toFixed(2),
          ratio.toFixed(2),
          '1.20',
        ],
      ],
    ),
  )
  await secondWorker(stage, upstream.port, own)
})

async function secondWorker(stage: Stage, upstreamPort: number, one: Own): Promise<void> {
  const two = await silverback(stage, 'two', upstreamPort, 2)
  // The second worker shares its core with load and upstream, so that only CPU time, not the rate, can be compared.
  for (const [index, pid] of two.workerIds.entries()) pin(pid, String(index))
  const ratios: number[] = []
  const micros: [number[], number[]] = [[], []]
  for (let round = 0; round < ROUNDS; round++) {
    const [a, b] = [await cpuPerRequest(one), await cpuPerRequest(two)]
    micros[0].push(a)
    micros[1].push(b)
    ratios.push(b / a)
  }
  console.log('\n### A second worker\n')
  console.log(
    table(
      ['', 'CPU µs/request', '× one worker', 'target'],
      [
        ['one worker', median(micros[0]).toFixed(1), '1.00', ''],
        ['two workers', median(micros[1]).toFixed(1), median(ratios).toFixed(2), '1.05'],
      ],
    ),
  )
}

interface Own {
  readonly port: number
  readonly workerIds: readonly number[]
}

async function cpuPerRequest({ port, workerIds }: Own): Promise<number> {
  const total = () => workerIds.map(cpuSeconds).reduce((sum, { user, system }) => sum + user + system, 0)
  const before = total()
  const result = await load(`http://127.0.0.1:${port}/r`, { seconds: SECONDS, connections: 50, cores: LOAD_CORE })
  return ((total() - before) * 1e6) / result.requests
}

async function steady(port: number, script: string): Promise<Latencies> {
  const { p50Ms, p99Ms, perSecond, failed } = await load(`http://127.0.0.1:${port}/r`, {
    seconds: SECONDS,
    connections: CONNECTIONS,
    cores: LOAD_CORE,
    script,
  })
  if (failed > 0) throw new Error(`${failed} requests failed`)
  return { p50: p50Ms, p99: p99Ms, rate: perSecond }
}

/** So that all connections together make `rate` requests a second. wrk counts in milliseconds. */
function pauses(stage: Stage, rate: number): string {
  const path = join(stage.folder, 'pauses.lua')
  const mean = Math.round((CONNECTIONS * 1000) / rate)
  writeFileSync(path, `function delay() return math.random(1, ${2 * mean - 1}) end`)
  return path
}

async function silverback(stage: Stage, name: string, upstreamPort: number, workers: number): Promise<Own> {
  const port = await freePort()
  const file = join(stage.folder, `${name}.json`)
  const service = { url: `http://127.0.0.1:${upstreamPort}`, routes: [{ paths: ['/r'], strip_path: false }] }
  writeFileSync(file, JSON.stringify({ _format_version: '3.0', services: [service] }))
  const node = stage.node(name, {
    storage: 'memory',
    declarative_config: file,
    proxy_listen: `127.0.0.1:${port} reuseport backlog=16384`,
    admin_listen: 'off',
    status_listen: 'off',
    proxy_access_log: 'off',
    nginx_worker_processes: workers,
  })
  await node.start()
  await eventually(`${name} to serve`, async () => (await send(`http://127.0.0.1:${port}/r`)).status === 200)
  return { port, workerIds: node.workerProcessIds() }
}
