/** gRPC through the whole proxy: HTTP/2 on both sides. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { selfSignedPair } from '../../test/kit/certificate-pair.ts'
import { aGrpcServer, call, encodeMessage, messagesOf, openCall, readCall } from '../../test/kit/grpc-server.ts'
import { aFrameClient, END_HEADERS, END_STREAM, frame, POST } from '../../test/kit/http2-frames.ts'
import { anHttp2Session, request } from '../../test/kit/http2-client.ts'
import { aGateway, type GatewayOptions, type RouteOptions } from '../../test/kit/proxy-gateway.ts'
import { exchangeRaw } from '../../test/kit/raw-http.ts'
import type { UpstreamTlsOptions } from './compiled.ts'

const grpc = { protocol: 'grpc', http2: true } as const
const NO_TLS_CHECK: UpstreamTlsOptions = {
  poolKey: 'x',
  cert: null,
  key: null,
  verify: null,
  verifyDepth: null,
  ca: null,
}

async function aGrpcGateway(t: TestContext, route: RouteOptions, options: GatewayOptions = {}) {
  const gateway = await aGateway(t, {
    http2: true,
    ...options,
    routes: [
      { ...route, route: { grpc: true, stripPath: false, ...route.route }, service: { ...grpc, ...route.service } },
    ],
  })
  return { ...gateway, session: await anHttp2Session(t, gateway.port) }
}

test('unary, client streaming and server streaming calls, with trailers', async t => {
  const server = await aGrpcServer(t)
  const { session, outcomes } = await aGrpcGateway(t, { ports: [server.port] })
  const unary = await call(session, 'Unary', ['hello'], { 'grpc-timeout': '5S' })
  assert.deepEqual([unary.messages, unary.status, unary.trailers['x-own']], [['echo hello'], '0', 'trailer'])
  assert.deepEqual([unary.headers['content-type'], unary.headers['via']], ['application/grpc', '2 kong/3.9.1'])
  assert.equal(unary.headers['content-length'], undefined)
  const many = await call(
    session,
    'ClientStream',
    Array.from({ length: 500 }, (_, i) => `${i} ${'x'.repeat(2000)}`),
  )
  assert.deepEqual([many.messages, many.status], [['500 messages'], '0'])
  const stream = await call(session, 'ServerStream', ['2000'])
  assert.deepEqual([stream.messages.length, stream.messages[1999], stream.status], [2000, 'message 1999', '0'])
  assert.equal(server.sessions.size, 1)
  assert.equal(outcomes.filter(({ kind }) => kind === 'answered').length, 3)
  const [head] = server.calls
  assert.deepEqual(
    [head![':method'], head![':scheme'], head![':path'], head!['te'], head!['grpc-timeout'], head!['via']],
    ['POST', 'http', '/test.Echo/Unary', 'trailers', '5S', '2 kong/3.9.1'],
  )
  assert.equal(head!['x-forwarded-path'], '/test.Echo/Unary')
  for (const name of ['connection', 'host', 'transfer-encoding']) assert.equal(head![name], undefined)
})

test('a conversation: each side speaks before the other has ended', async t => {
  const server = await aGrpcServer(t)
  const { session } = await aGrpcGateway(t, { ports: [server.port] })
  const stream = openCall(session, 'Bidi')
  const replies = messagesOf(stream)
  for (const word of ['one', 'two', 'three']) {
    stream.write(encodeMessage(word))
    assert.equal((await replies.next()).value, `echo ${word}`)
  }
  stream.end()
  assert.equal((await replies.next()).done, true)
})

test('an answer of a head alone, and one before the end of the call, pass', async t => {
  const server = await aGrpcServer(t)
  const { session } = await aGrpcGateway(t, { ports: [server.port] })
  const refused = await call(session, 'Refuse', ['x'])
  assert.deepEqual([refused.status, refused.message, refused.messages], ['7', 'no', []])
  const early = openCall(session, 'Early')
  early.write(encodeMessage('first of many'))
  const answer = await readCall(early)
  assert.deepEqual([answer.status, answer.message], ['8', 'enough'])
  assert.equal((await call(session, 'Unary', ['still here'])).status, '0')
})

test('many calls at once share few connections, and respect what the server takes', async t => {
  const server = await aGrpcServer(t, { maxConcurrentStreams: 10 })
  const { session } = await aGrpcGateway(t, { ports: [server.port] })
  await call(session, 'Unary', ['first'])
  let most = 0
  const answers = await Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      const answer = await call(session, 'Unary', [`${i}`])
      most = Math.max(most, server.sessions.size)
      return answer
    }),
  )
  assert.deepEqual(
    answers.map(({ messages }) => messages[0]),
    answers.map((_, i) => `echo ${i}`),
  )
  assert.ok(most <= 7, `${most} connections`)
})

test('over TLS to the service (grpcs)', async t => {
  const pair = selfSignedPair('localhost')
  const server = await aGrpcServer(t, { tls: pair })
  const { session } = await aGrpcGateway(t, {
    ports: [server.port],
    service: { protocol: 'grpcs', tls: true, tlsOptions: NO_TLS_CHECK },
  })
  const { status, messages } = await call(session, 'Unary', ['secret'])
  assert.deepEqual([status, messages], ['0', ['echo secret']])
  assert.equal(server.calls[0]![':scheme'], 'https')
})

test('a call that its caller gives up is given up at the service', async t => {
  const server = await aGrpcServer(t)
  const { session } = await aGrpcGateway(t, { ports: [server.port] })
  const stream = openCall(session, 'Silent')
  stream.on('error', () => {})
  stream.write(encodeMessage('x'))
  while (server.calls.length === 0) await new Promise(resolve => setImmediate(resolve))
  stream.close(8)
  while (server.cancelled.length === 0) await new Promise(resolve => setImmediate(resolve))
  assert.equal((await call(session, 'Unary', ['next'])).status, '0')
  assert.equal(server.sessions.size, 1)
})

test("the gateway's own errors are gRPC statuses", async t => {
  const server = await aGrpcServer(t)
  const limit = { access: () => ({ status: 429, body: { message: '100% ü' } }) }
  const { session } = await aGrpcGateway(t, { ports: [server.port], plugins: [limit] })
  const limited = await call(session, 'Unary', ['x'])
  assert.deepEqual([limited.headers[':status'], limited.status, limited.message], [429, '8', '100%25 %C3%BC'])
  const { session: nowhere } = await aGrpcGateway(t, { failure: 'no_live_target' })
  const failed = await call(nowhere, 'Unary', ['x'])
  assert.deepEqual(
    [failed.headers[':status'], failed.headers['content-type'], failed.status],
    [503, 'application/grpc', '14'],
  )
})

test('a service that does not answer in time, does not listen, or does not speak HTTP/2', async t => {
  const server = await aGrpcServer(t)
  const slow = await aGrpcGateway(t, { ports: [server.port], service: { readTimeoutMs: 100, retries: 0 } })
  const late = await call(slow.session, 'Silent', ['x'])
  assert.deepEqual([late.headers[':status'], late.status], [504, '4'])
  assert.equal(slow.outcomes[0]!.kind, 'timed_out')
  const dead = await aGrpcGateway(t, { ports: [1], service: { retries: 0 } })
  assert.equal((await call(dead.session, 'Unary', ['x'])).headers[':status'], 502)
  assert.equal(dead.outcomes[0]!.kind, 'connect_failed')
  const { createServer } = await import('node:http')
  const http1 = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1')
  t.after(() => http1.close())
  await once(http1, 'listening')
  const wrong = await aGrpcGateway(t, { ports: [(http1.address() as { port: number }).port], service: { retries: 0 } })
  assert.equal((await call(wrong.session, 'Unary', ['x'])).headers[':status'], 502)
})

test('an answer that breaks off resets the call', async t => {
  const server = await aGrpcServer(t)
  const { session } = await aGrpcGateway(t, { ports: [server.port] })
  const stream = openCall(session, 'Broken')
  stream.end(encodeMessage('x'))
  const [error] = await once(stream, 'error')
  assert.match(String(error), /NGHTTP2_INTERNAL_ERROR/)
})

test('a connection that ends between calls is noticed, and one that goes away loses no call', async t => {
  const server = await aGrpcServer(t)
  const { session } = await aGrpcGateway(t, { ports: [server.port] })
  for (let round = 0; round < 5; round++) {
    assert.equal((await call(session, 'Unary', [`${round}`])).status, '0')
    const [connection] = server.sessions
    connection!.close()
    while (server.sessions.size > 0) await new Promise(resolve => setImmediate(resolve))
  }
})

test('a gRPC route takes gRPC over HTTP/2 only', async t => {
  const server = await aGrpcServer(t)
  const { port, session } = await aGrpcGateway(t, { ports: [server.port] })
  assert.equal((await request(session, '/test.Echo/Unary', { ':method': 'POST' }, 'x')).status, 415)
  const old = await exchangeRaw(
    t,
    port,
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n',
  )
  assert.deepEqual([old.status, old.headers['upgrade']], [426, 'HTTP/2'])
  assert.equal(JSON.parse(old.body).message, 'Please use HTTP2 protocol')
  const secure = await aGrpcGateway(t, { ports: [server.port], route: { http: false, https: true } })
  const plain = await call(secure.session, 'Unary', ['x'])
  assert.deepEqual(
    [plain.headers[':status'], plain.status, plain.message],
    [200, '1', 'gRPC request matched gRPCs route'],
  )
})

test('a slow caller holds back the service, not the memory of the gateway', async t => {
  const server = await aGrpcServer(t)
  const { port } = await aGrpcGateway(t, { ports: [server.port] })
  const client = await aFrameClient(t, port)
  const fields = [
    ...POST.filter(([name]) => name !== ':path'),
    [':path', '/test.Echo/ServerStream'],
    ['content-type', 'application/grpc'],
  ]
  client.headers(1, fields as [string, string][], END_HEADERS)
  client.send(frame('DATA', END_STREAM, 1, encodeMessage('50000').toString('latin1')))
  await client.next(({ type }) => type === 'DATA')
  // Its window of 64 KiB is never opened again.
  for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setImmediate(resolve))
  // The gateway does not read on: the service holds the rest itself.
  assert.ok(server.streams.at(-1)!.writableLength > 0)
  const got = client.frames.filter(({ type }) => type === 'DATA').reduce((sum, { payload }) => sum + payload.length, 0)
  assert.ok(got <= 65_535, `${got} bytes came`)
})
