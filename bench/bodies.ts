/**
 * CPU per GiB of bodies, both directions, against nginx doing the same in the same run; interleaved and pinned.
 *
 * `--rounds N`. `buffered` is what routes (and nginx) do by default, `streamed` is both buffering switches off.
 * `--long GIB` instead sends that much in one body each way and prints the worker's memory.
 */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { freePort } from '../test/kit/nodes.ts'
import { eventually, send } from '../test/kit/traffic.ts'
import { cpuSeconds, machineLine, median, peakMemory, pin, residentMemory, run, Stage, table } from './measure.ts'
import { startNginx } from './nginx.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' }, long: { type: 'string' } } })
const PEERS = join(import.meta.dirname, 'body-peers.ts')
const PROXY_CORE = '0'
const LOAD_CORE = '1'
const MIB = 1024 * 1024
const GIB = 1024 * MIB

interface Contestant {
  readonly port: number
  readonly workerId: number
}

interface Row {
  readonly direction: 'up' | 'down'
  readonly bytes: number
  readonly count: number
  readonly isBuffered: boolean
}

const ROWS: readonly Row[] = [true, false].flatMap(isBuffered => [
  { direction: 'down', bytes: MIB, count: 256, isBuffered },
  { direction: 'up', bytes: MIB, count: 256, isBuffered },
  { direction: 'down', bytes: 100 * MIB, count: 4, isBuffered },
  { direction: 'up', bytes: 100 * MIB, count: 4, isBuffered },
])

await Stage.run(async stage => {
  const upstreamPort = await startUpstream(stage)
  if (values.long !== undefined) return long(stage, upstreamPort, Number(values.long))
  const nginx = { true: await aProxy(stage, upstreamPort, true), false: await aProxy(stage, upstreamPort, false) }
  const own = { true: await silverback(stage, upstreamPort, true), false: await silverback(stage, upstreamPort, false) }
  const rows: string[][] = []
  for (const row of ROWS) {
    const key = `${row.isBuffered}` as const
    const [theirs, ours]: [number[], number[]] = [[], []]
    // The compiler has its say first.
    for (const contestant of [nginx[key], own[key], own[key]]) await measure(contestant, row)
    for (let round = 0; round < Number(values.rounds); round++) {
      theirs.push(await measure(nginx[key], row))
      ours.push(await measure(own[key], row))
    }
    const what = `${row.bytes / MIB} MiB ${row.direction}, ${row.isBuffered ? 'buffered' : 'streamed'}`
    const ratio = median(ours.map((micros, round) => micros / theirs[round]!))
    rows.push([what, median(theirs).toFixed(0), median(ours).toFixed(0), ratio.toFixed(2), '1.20'])
  }
  console.log(`### Bodies\n\n${machineLine()}; ${values.rounds} interleaved rounds, 4 connections\n`)
  console.log(table(['', 'nginx: CPU ms/GiB', 'CPU ms/GiB', '× nginx', 'target'], rows))
})

async function startUpstream(stage: Stage): Promise<number> {
  const child = spawn('taskset', ['-c', LOAD_CORE, process.execPath, PEERS, 'upstream'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  stage.atEnd(() => child.kill('SIGKILL'))
  return Number(await new Promise<string>(resolve => child.stdout.once('data', data => resolve(String(data)))))
}

function aProxy(stage: Stage, upstreamPort: number, isBuffered: boolean): Promise<Contestant> {
  const switches = isBuffered ? '' : 'proxy_buffering off; proxy_request_buffering off;'
  return startNginx(
    stage,
    `bodies-${isBuffered}`,
    PROXY_CORE,
    `client_max_body_size 0; location / { proxy_pass http://api; proxy_http_version 1.1;
       proxy_set_header Connection ""; ${switches} }`,
    `upstream api { server 127.0.0.1:${upstreamPort}; keepalive 64; }`,
  )
}

async function silverback(stage: Stage, upstreamPort: number, isBuffered: boolean): Promise<Contestant> {
  const port = await freePort()
  const file = join(stage.folder, `bodies-${isBuffered}.json`)
  const route = { paths: ['/'], request_buffering: isBuffered, response_buffering: isBuffered }
  const service = { url: `http://127.0.0.1:${upstreamPort}`, routes: [route] }
  writeFileSync(file, JSON.stringify({ _format_version: '3.0', services: [service] }))
  const node = stage.node(`bodies-${isBuffered}`, {
    storage: 'memory',
    declarative_config: file,
    proxy_listen: `127.0.0.1:${port} reuseport backlog=16384`,
    admin_listen: 'off',
    status_listen: 'off',
    proxy_access_log: 'off',
    nginx_worker_processes: 1,
  })
  await node.start()
  await eventually('silverback to serve', async () => (await send(`http://127.0.0.1:${port}/1`)).status === 200)
  const workerId = node.workerProcessIds()[0]!
  pin(workerId, PROXY_CORE)
  return { port, workerId }
}

/** CPU milliseconds of the proxy per GiB. */
async function measure({ port, workerId }: Contestant, row: Row): Promise<number> {
  const before = cpuSeconds(workerId)
  await transfer(port, row.direction, row.bytes, row.count, 4)
  const after = cpuSeconds(workerId)
  const seconds = after.user - before.user + after.system - before.system
  return (seconds * 1000 * GIB) / (row.bytes * row.count)
}

async function transfer(port: number, direction: string, bytes: number, count: number, connections: number) {
  const args = [port, direction, bytes, count, connections].map(String)
  await run('taskset', ['-c', LOAD_CORE, process.execPath, PEERS, 'load', ...args])
}

async function long(stage: Stage, upstreamPort: number, gib: number): Promise<void> {
  const { port, workerId } = await silverback(stage, upstreamPort, false)
  await transfer(port, 'down', MIB, 100, 4)
  const rows: string[][] = []
  for (const direction of ['down', 'up']) {
    const before = residentMemory(workerId)
    await transfer(port, direction, gib * GIB, 1, 1)
    rows.push([
      `${gib} GiB ${direction}`,
      before.toFixed(0),
      residentMemory(workerId).toFixed(0),
      peakMemory(workerId).toFixed(0),
    ])
  }
  console.log(`### One very long body\n\n${machineLine()}\n`)
  console.log(table(['', 'RSS MiB before', 'RSS MiB after', 'highest MiB'], rows))
}
