/**
 * CPU per request over HTTP/2 and TLS, against nginx doing the same in the same run; upstreams speak HTTP/1.1.
 *
 * The gateway's worker has core 0 for itself, load (h2load) and upstream have core 1; the contestants take turns, and
 * what counts is the median of the ratios of one round. `--rounds N --seconds N --connections N --streams N`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { selfSignedPair } from '../test/kit/certificate-pair.ts'
import { freePort } from '../test/kit/nodes.ts'
import { eventually } from '../test/kit/traffic.ts'
import { cpuSeconds, machineLine, median, pin, residentMemory, run, Stage, table } from './measure.ts'
import { startHttp2Proxy, startUpstream } from './nginx.ts'

interface Contestant {
  readonly name: string
  readonly url: string
  readonly workerId: number
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '20' },
    streams: { type: 'string', default: '10' },
  },
})
const GATEWAY_CORE = '0'
const LOAD_CORE = '1'
const TARGET = 1.5

await Stage.run(async stage => {
  const upstream = await startUpstream(stage, LOAD_CORE)
  const pair = selfSignedPair('localhost')
  const files = { cert: join(stage.folder, 'cert.pem'), key: join(stage.folder, 'key.pem') }
  writeFileSync(files.cert, pair.cert)
  writeFileSync(files.key, pair.key)
  const proxy = await startHttp2Proxy(stage, GATEWAY_CORE, upstream.port, files)
  const contestants: Contestant[] = [
    { name: 'nginx', url: `https://127.0.0.1:${proxy.port}/r`, workerId: proxy.workerId },
    { name: 'Silverback', ...(await startSilverback(stage, upstream.port, files)) },
  ]
  for (const contestant of contestants) await measure(contestant, 2)
  const rounds: number[][] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const micros: number[] = []
    for (const contestant of contestants) micros.push(await measure(contestant, Number(values.seconds)))
    rounds.push(micros)
  }
  console.log(
    `### CPU per request over HTTP/2 and TLS\n\n${machineLine()}; ${values.rounds} interleaved rounds of ` +
      `${values.seconds} s, ${values.connections} connections of ${values.streams} requests at once\n`,
  )
  const rows = contestants.map(({ name, workerId }, index) => [
    name,
    median(rounds.map(micros => micros[index]!)).toFixed(1),
    median(rounds.map(micros => micros[index]! / micros[0]!)).toFixed(2),
    index === 0 ? '' : TARGET.toFixed(2),
    residentMemory(workerId).toFixed(0),
  ])
  console.log(table(['', 'CPU µs/request', '× nginx', 'target', 'RSS MiB after load'], rows))
})

async function startSilverback(stage: Stage, upstreamPort: number, files: { cert: string; key: string }) {
  const port = await freePort()
  const config = join(stage.folder, 'kong.json')
  const service = {
    name: 's',
    url: `http://127.0.0.1:${upstreamPort}`,
    routes: [{ name: 'r', paths: ['/r'], strip_path: false }],
  }
  writeFileSync(config, JSON.stringify({ _format_version: '3.0', services: [service] }))
  const node = stage.node('http2', {
    storage: 'memory',
    declarative_config: config,
    proxy_listen: `127.0.0.1:${port} http2 ssl reuseport backlog=16384`,
    ssl_cert: files.cert,
    ssl_cert_key: files.key,
    admin_listen: 'off',
    status_listen: 'off',
    proxy_access_log: 'off',
    nginx_worker_processes: 1,
    nginx_http_keepalive_requests: 1_000_000,
  })
  await node.start()
  const url = `https://127.0.0.1:${port}/r`
  await eventually('Silverback to serve', async () => (await load(url, '-n1')).includes(' 1 succeeded'))
  const workerId = node.workerProcessIds()[0]!
  pin(workerId, GATEWAY_CORE)
  return { url, workerId }
}

function load(url: string, ...amount: readonly string[]): Promise<string> {
  return run('taskset', ['-c', LOAD_CORE, 'h2load', ...amount, url])
}

/** Microseconds of CPU per request. */
async function measure({ name, url, workerId }: Contestant, seconds: number): Promise<number> {
  const before = cpuSeconds(workerId)
  const output = await load(url, '-D', `${seconds}`, '-c', values.connections, '-m', values.streams)
  const after = cpuSeconds(workerId)
  const [, done, failed] = /(\d+) done, \d+ succeeded, (\d+) failed/.exec(output)!
  if (Number(failed) > 0) throw new Error(`${name}: ${failed} requests failed`)
  return ((after.user - before.user + after.system - before.system) * 1e6) / Number(done)
}
