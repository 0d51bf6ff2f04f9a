/**
 * CPU of a TCP proxy per MiB and per connection, against nginx's stream module and HAProxy in the same run.
 *
 * The proxies have core 0 for themselves, load (wrk) and upstream (nginx) have core 1; the contestants take turns, and
 * what counts is the median of the ratios of one round. `--rounds N --seconds N`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { freePort } from '../test/kit/nodes.ts'
import { eventually, send } from '../test/kit/traffic.ts'
import { cpuSeconds, load, machineLine, median, pin, Stage, table } from './measure.ts'
import { startNginx } from './nginx.ts'
import { startHaproxy, startNginxStream } from './stream-peers.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '3' } },
})
const GATEWAY_CORE = '0'
const LOAD_CORE = '1'
const TARGET = 1.1
const LARGE_BYTES = 1024 * 1024

/** What one request of the load does; `unit` of CPU is what a figure is about. */
const JOBS = [
  { name: 'CPU µs per MiB, 16 connections', path: '/large', connections: 16, headers: {} },
  { name: 'CPU µs per connection', path: '/small', connections: 16, headers: { Connection: 'close' } },
  { name: 'CPU µs per round trip of 200 bytes', path: '/small', connections: 50, headers: {} },
]

await Stage.run(async stage => {
  const files = join(stage.folder)
  writeFileSync(join(files, 'large'), Buffer.alloc(LARGE_BYTES, 'x'))
  const server = `root ${files}; location = /small { return 200 'hello'; }`
  const upstream = await startNginx(stage, 'upstream', LOAD_CORE, server, 'sendfile on;')
  const contestants = [
    { name: 'nginx stream', ...(await startNginxStream(stage, GATEWAY_CORE, upstream.port)) },
    { name: 'HAProxy', ...(await startHaproxy(stage, GATEWAY_CORE, upstream.port)) },
    { name: 'Silverback', ...(await startSilverback(stage, upstream.port)) },
  ]
  console.log(
    `### TCP stream\n\n${machineLine()}; ${values.rounds} interleaved rounds of ${values.seconds} s; target ${TARGET}\n`,
  )
  const rows: string[][] = []
  for (const job of JOBS) {
    const rounds: number[][] = []
    for (let round = -1; round < Number(values.rounds); round++) {
      const micros: number[] = []
      for (const { port, workerId } of contestants) micros.push(await measure(job, port, workerId))
      if (round >= 0) rounds.push(micros)
    }
    const of = (index: number) => median(rounds.map(micros => micros[index]!)).toFixed(1)
    const against = (index: number) => median(rounds.map(micros => micros[2]! / micros[index]!)).toFixed(2)
    rows.push([job.name, of(0), of(1), of(2), against(0), against(1)])
  }
  console.log(table(['', 'nginx stream', 'HAProxy', 'Silverback', '× nginx', '× HAProxy'], rows))
})

async function startSilverback(stage: Stage, upstreamPort: number) {
  const port = await freePort()
  const node = stage.node('stream', {
    storage: 'memory',
    declarative_config_string: JSON.stringify({
      _format_version: '3.0',
      services: [
        {
          url: `tcp://127.0.0.1:${upstreamPort}`,
          routes: [{ protocols: ['tcp'], destinations: [{ port }] }],
        },
      ],
    }),
    proxy_listen: 'off',
    stream_listen: `127.0.0.1:${port}`,
    admin_listen: 'off',
    status_listen: 'off',
    proxy_stream_access_log: 'off',
    nginx_worker_processes: 1,
  })
  await node.start()
  await eventually('Silverback to serve', async () => (await send(`http://127.0.0.1:${port}/small`)).status === 200)
  const workerId = node.workerProcessIds()[0]!
  pin(workerId, GATEWAY_CORE)
  return { port, workerId }
}

async function measure(job: (typeof JOBS)[number], port: number, workerId: number): Promise<number> {
  const before = cpuSeconds(workerId)
  const { path, connections, headers } = job
  const options = { seconds: Number(values.seconds), connections, cores: LOAD_CORE, headers }
  const { requests } = await load(`http://127.0.0.1:${port}${path}`, options)
  const after = cpuSeconds(workerId)
  return ((after.user - before.user + after.system - before.system) * 1e6) / requests
}
