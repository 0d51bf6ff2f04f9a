/**
 * What the JavaScript of one proxied request costs: everything between two reads and two writes, on sockets that do
 * nothing. Steadier than a benchmark over the network, so it is what small changes of the hot path are judged by.
 *
 *     node bench/micro/request.ts [rounds]     default 8
 */
import { TicketKeys } from '../../src/proxy/listener/ticket-keys.ts'
import { EventEmitter } from 'node:events'
import { syncBuiltinESMExports } from 'node:module'
import net, { type Socket } from 'node:net'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { systemRandom as random } from '../../src/base/random.ts'
import { createCatalog } from '../../src/entities/catalog.ts'
import type { PluginTools } from '../../src/sdk/sdk.ts'
import { load, put, rowBuilder, testSettings } from '../../test/kit/config-rows.ts'
import { proxySettings } from '../../test/kit/proxy-gateway.ts'

const rounds = Number(process.argv[2] ?? 8)
const REQUESTS_PER_ROUND = 200_000

const REQUEST = Buffer.from('GET /r HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n', 'latin1')
const ANSWER = Buffer.from(
  'HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 28 Nov 2026 22:00:00 GMT\r\nContent-Type: application/json\r\n' +
    'Content-Length: 17\r\nConnection: keep-alive\r\n\r\n{"hello":"world"}',
  'latin1',
)

class SilentHandle {
  readonly writeQueueSize = 0
  readonly #out = Buffer.allocUnsafe(64 * 1024)
  readonly #socket: SilentSocket
  constructor(socket: SilentSocket) {
    this.#socket = socket
  }
  writeLatin1String(_request: object | null, text: string): number {
    this.#out.write(text, 0, 'latin1')
    this.#socket.onWrite()
    return 0
  }
}

/** Takes whatever is written as the kernel would, by copying it, and tells nobody. */
class SilentSocket extends EventEmitter {
  writableLength = 0
  writableEnded = false
  destroyed = false
  remoteAddress = '127.0.0.1'
  localPort = 8000
  bytesWritten = 0
  onWrite: () => void = () => {}
  readonly _handle = new SilentHandle(this)
  write(data: string | Buffer): boolean {
    if (typeof data === 'string') this._handle.writeLatin1String(null, data)
    else this.onWrite()
    return true
  }
  setNoDelay(): this {
    return this
  }
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}

const readBuffer = Buffer.allocUnsafeSlow(64 * 1024)
let deliverAnswer: (length: number) => void = () => {}
const upstreamSocket = new SilentSocket()
net.connect = ((options: { onread: { callback(length: number, bytes: Buffer): boolean } }) => {
  deliverAnswer = length => void options.onread.callback(length, readBuffer)
  queueMicrotask(() => upstreamSocket.emit('connect'))
  return upstreamSocket
}) as unknown as typeof net.connect
syncBuiltinESMExports()

const { createRunningConfig } = await import('../../src/proxy/running-config.ts')
const { Pipeline } = await import('../../src/proxy/pipeline.ts')
const { Deadlines } = await import('../../src/proxy/deadlines.ts')
const { RequestIds } = await import('../../src/proxy/request-ids.ts')
const { ClientConnection } = await import('../../src/proxy/listener/client-connection.ts')
const { createTrustedPeers } = await import('../../src/proxy/listener/trusted-peers.ts')

const catalog = createCatalog()
const build = rowBuilder(catalog, random)
const options = {
  catalog,
  plugins: new Map(),
  settings: testSettings,
  log: silentLogger,
  clock: systemClock,
  random,
  tools: () => ({}) as PluginTools,
}
const config = createRunningConfig(options)
const service = build('services', { name: 's', host: '127.0.0.1', port: 9000 })
const route = build('routes', { name: 'r', paths: ['/r'], strip_path: false, service: { id: service['id'] } })
load(config, [put('services', service), put('routes', route)])

const settings = {
  ...proxySettings,
  client: { ...proxySettings.client, keepaliveRequestsMax: 0 },
  keepalive: { ...proxySettings.keepalive, requestsMax: 0 },
}
const context = {
  config,
  settings,
  log: silentLogger,
  streamLog: silentLogger,
  clock: systemClock,
  random,
  node: { id: 'node', hostname: 'host', workerId: 0 },
  deadlines: new Deadlines(systemClock),
  accessLog: null,
  requestIds: new RequestIds(random),
  trustedPeers: createTrustedPeers(settings),
  ticketKeys: new TicketKeys(random),
  readBuffer,
  counts: { accepted: 0, handled: 0, requests: 0 },
  streamCounts: { accepted: 0 },
  isDraining: false,
}
const pipeline = new Pipeline(context)
const clientSocket = new SilentSocket()
let answers = 0
clientSocket.onWrite = () => answers++
let isUpstreamAsked = false
upstreamSocket.onWrite = () => {
  isUpstreamAsked = true
}
const client = new ClientConnection(context, pipeline, { closed() {} }, clientSocket as unknown as Socket, {
  peerAddress: '127.0.0.1',
  isPeerTrusted: false,
  localPort: 8000,
  publicPort: 8000,
  proxiedAddress: null,
  scheme: 'http',
  sni: '',
  tls: null,
})

async function first(): Promise<void> {
  readBuffer.set(REQUEST)
  client.receive(readBuffer, REQUEST.length)
  while (!isUpstreamAsked) await null
  readBuffer.set(ANSWER)
  deliverAnswer(ANSWER.length)
}

function run(count: number): void {
  for (let i = 0; i < count; i++) {
    isUpstreamAsked = false
    readBuffer.set(REQUEST)
    client.receive(readBuffer, REQUEST.length)
    if (!isUpstreamAsked) throw new Error('the upstream was not asked at once')
    readBuffer.set(ANSWER)
    deliverAnswer(ANSWER.length)
  }
}

await first()
const costs: number[] = []
for (let round = 0; round < rounds; round++) {
  const before = process.cpuUsage()
  run(REQUESTS_PER_ROUND)
  const { user, system } = process.cpuUsage(before)
  costs.push((user + system) / REQUESTS_PER_ROUND)
}
if (answers !== rounds * REQUESTS_PER_ROUND + 1) throw new Error(`${answers} answers`)
const best = Math.min(...costs.slice(2))
console.log(
  `${best.toFixed(3)} µs of CPU per request without sockets (best of ${rounds - 2} rounds; ${costs.map(cost => cost.toFixed(2)).join(' ')})`,
)
process.exit()
