import assert from 'node:assert/strict'
import { createServer, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, createServer as createPlainServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { ManualClock } from '../../../test/simulation/manual-clock.ts'
import { systemClock } from '../../base/clock.ts'
import { probeGrpc } from './grpc-probe.ts'
import { compileHealthRules } from './health-rules.ts'

const unhealthy = { interval: 1, http_statuses: [503], tcp_failures: 1, http_failures: 1, timeouts: 1 }
const rules = compileHealthRules({
  healthchecks: { active: { type: 'grpc', timeout: 2, healthy: { interval: 1, successes: 1 }, unhealthy } },
})!.active!

const check = (port: number, clock = systemClock) =>
  probeGrpc({ hostname: 'a.test', ip: '127.0.0.1', port }, { rules, hostHeader: 'h.test', secureContext: null, clock })

async function aServer(t: TestContext, answer: (stream: ServerHttp2Stream, headers: object) => void): Promise<number> {
  const server = createServer()
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', session => sessions.add(session))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    answer(stream as ServerHttp2Stream, headers)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** Answers with a message and a status behind it, as gRPC does. */
const replying = (message: readonly number[], grpcStatus: string) => (stream: ServerHttp2Stream) => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': grpcStatus }))
  stream.end(Buffer.from(message))
}

test('probeGrpc() asks for the health of the server, and takes its word', async t => {
  let asked: Record<string, unknown> = {}
  const serving = await aServer(t, (stream, headers) => {
    asked = { ...headers }
    replying([0, 0, 0, 0, 2, 8, 1], '0')(stream)
  })
  assert.equal(await check(serving), 'success')
  assert.equal(asked[':path'], '/grpc.health.v1.Health/Check')
  assert.equal(asked[':authority'], 'h.test')
  assert.equal(asked['te'], 'trailers')
  assert.equal(await check(await aServer(t, replying([0, 0, 0, 0, 2, 8, 2], '0'))), 'http_failure', 'not serving')
  assert.equal(await check(await aServer(t, replying([], '14'))), 'http_failure', 'unavailable')
})

test('probeGrpc() is content with a server that speaks gRPC but knows no health', async t => {
  const port = await aServer(t, stream => stream.respond({ ':status': 200, 'grpc-status': '12' }, { endStream: true }))
  assert.equal(await check(port), 'success')
})

test('probeGrpc() counts statuses of HTTP, silence, and peers that speak something else', async t => {
  const failing = await aServer(t, stream => stream.respond({ ':status': 503 }, { endStream: true }))
  assert.equal(await check(failing), 'http_failure')
  const clock = new ManualClock(0)
  const waiting = check(await aServer(t, () => clock.advance(2000)), clock)
  assert.equal(await waiting, 'timeout')
  const other = createPlainServer(socket => {
    socket.on('error', () => {})
    socket.resume()
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
  })
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as AddressInfo
  assert.equal(await check(port), 'tcp_failure')
  await new Promise(resolve => other.close(resolve))
  assert.equal(await check(port), 'tcp_failure', 'nobody listens')
})

test('probeGrpc() rejects when its headers cannot be sent', async t => {
  const port = await aServer(t, () => {})
  const wrong = { ...rules, headers: { connection: ['close'] } }
  const peer = { hostname: 'a.test', ip: '127.0.0.1', port }
  await assert.rejects(probeGrpc(peer, { rules: wrong, hostHeader: null, secureContext: null, clock: systemClock }))
})
