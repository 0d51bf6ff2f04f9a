/**
 * CPU per request over TLS and HTTP/1.1, against nginx doing the same in the same run: on connections that are kept,
 * on new ones, and on new ones that resume a session.
 *
 * The gateway's worker has core 0 for itself, load (wrk, openssl s_time) and upstream have core 1; the contestants take
 * turns, and what counts is the median of the ratios of one round. `--rounds N --seconds N`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { selfSignedPair } from '../test/kit/certificate-pair.ts'
import { freePort } from '../test/kit/nodes.ts'
import { eventually } from '../test/kit/traffic.ts'
import { cpuSeconds, load, machineLine, median, pin, run, Stage, table } from './measure.ts'
import { startHttpsProxy, startUpstream } from './nginx.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '3' } },
})
const GATEWAY_CORE = '0'
const LOAD_CORE = '1'
const TARGET = 1.15
const seconds = Number(values.seconds)

type Job = (port: number) => Promise<number>

/** Each answers with how many requests it has made. */
const JOBS: Readonly<Record<string, Job>> = {
  'request on a kept connection': async port =>
    (await load(`https://127.0.0.1:${port}/r`, { seconds, connections: 50, cores: LOAD_CORE })).requests,
  'request on a new connection': port => shortSessions(port, '-new'),
  'request on a new connection, resumed': port => shortSessions(port, '-reuse'),
}

/** TLS 1.2, since s_time does not wait for the tickets of TLS 1.3. */
async function shortSessions(port: number, how: '-new' | '-reuse'): Promise<number> {
  const options = [how, '-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256', '-www', '/r', '-time', `${seconds}`]
  const output = await run('taskset', [
    '-c',
    LOAD_CORE,
    'openssl',
    's_time',
    '-connect',
    `127.0.0.1:${port}`,
    ...options,
  ])
  return Number(/(\d+) connections in \d+ real seconds/.exec(output)?.[1] ?? Number.NaN)
}

const WARM_REQUESTS = 30_000

async function warm(port: number): Promise<void> {
  const url = `https://127.0.0.1:${port}/r`
  for (let done = 0; done < WARM_REQUESTS; )
    done += (await load(url, { seconds: 2, connections: 50, cores: LOAD_CORE })).requests
}

await Stage.run(async stage => {
  const upstream = await startUpstream(stage, LOAD_CORE)
  const pair = selfSignedPair('localhost')
  const files = { cert: join(stage.folder, 'cert.pem'), key: join(stage.folder, 'key.pem') }
  writeFileSync(files.cert, pair.cert)
  writeFileSync(files.key, pair.key)
  const contestants = [
    await startHttpsProxy(stage, GATEWAY_CORE, upstream.port, files),
    await startSilverback(stage, upstream.port, files),
  ]
  console.log(`### HTTPS\n\n${machineLine()}; ${values.rounds} interleaved rounds of ${seconds} s\n`)
  const rows: string[][] = []
  for (const [name, job] of Object.entries(JOBS)) {
    const rounds: number[][] = []
    // The compiler has its say first: a request means the same to it on whichever connection.
    for (const { port } of contestants) if (rows.length === 0) await warm(port)
    for (let round = -1; round < Number(values.rounds); round++) {
      const micros: number[] = []
      for (const { port, workerId } of contestants) {
        const before = cpuSeconds(workerId)
        const requests = await job(port)
        const after = cpuSeconds(workerId)
        micros.push(((after.user - before.user + after.system - before.system) * 1e6) / requests)
      }
      if (round >= 0) rounds.push(micros)
    }
    const of = (index: number) => median(rounds.map(micros => micros[index]!)).toFixed(1)
    rows.push([name, of(0), of(1), median(rounds.map(([a, b]) => b! / a!)).toFixed(2), TARGET.toFixed(2)])
  }
  console.log(table(['CPU µs per', 'nginx', 'Silverback', '× nginx', 'target'], rows))
})

async function startSilverback(stage: Stage, upstreamPort: number, files: { cert: string; key: string }) {
  const port = await freePort()
  const node = stage.node('https', {
    storage: 'memory',
    declarative_config_string: JSON.stringify({
      _format_version: '3.0',
      services: [{ url: `http://127.0.0.1:${upstreamPort}`, routes: [{ paths: ['/r'], strip_path: false }] }],
    }),
    proxy_listen: `127.0.0.1:${port} ssl`,
    ssl_cert: files.cert,
    ssl_cert_key: files.key,
    admin_listen: 'off',
    status_listen: 'off',
    proxy_access_log: 'off',
    nginx_worker_processes: 1,
  })
  await node.start()
  await eventually('Silverback to serve', async () =>
    (await run('curl', ['-sk', '-o', '/dev/null', '-w', '%{http_code}', `https://127.0.0.1:${port}/r`])).includes(
      '200',
    ),
  )
  const workerId = node.workerProcessIds()[0]!
  pin(workerId, GATEWAY_CORE)
  return { port, workerId }
}
