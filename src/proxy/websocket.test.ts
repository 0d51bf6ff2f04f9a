/** WebSocket through the proxy: frames pass untouched, and a connection that is silent for too long ends. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { selfSignedPair } from '../../test/kit/certificate-pair.ts'
import { aGateway, proxySettings } from '../../test/kit/proxy-gateway.ts'
import { aWebSocket, anEchoServer, nextMessage } from '../../test/kit/websocket-echo.ts'

const MESSAGES: Readonly<Record<string, Buffer | string>> = {
  'empty text': '',
  'an empty message of bytes': Buffer.alloc(0),
  'text of one frame': 'x'.repeat(125),
  'text with a length of two bytes': 'x'.repeat(126),
  'text beyond ASCII': '\u{1F600}κόσμε'.repeat(1000),
  'all bytes': Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  'a length of eight bytes': Buffer.alloc(65_536, 0xfe),
  'two MiB': Buffer.alloc(2 * 1024 * 1024, 'abc'),
}

for (const tls of [false, true]) {
  test(`messages of every kind and size come back as they were sent${tls ? ', over TLS on both sides' : ''}`, async t => {
    const pair = selfSignedPair('localhost')
    const server = await anEchoServer(t, tls ? { tls: pair } : {})
    const { port } = await aGateway(t, {
      ssl: tls,
      // ALPN must not talk WebSocket clients into HTTP/2, which they do not offer.
      http2: tls,
      settings: { tls: { ...proxySettings.tls, defaultCertificates: [pair] } },
      routes: [
        {
          ports: [server.port],
          service: tls
            ? {
                tls: true,
                protocol: 'https',
                tlsOptions: { poolKey: 'x', cert: null, key: null, verify: null, verifyDepth: null, ca: null },
              }
            : {},
        },
      ],
    })
    const socket = await aWebSocket(t, `${tls ? 'wss' : 'ws'}://127.0.0.1:${port}/`)
    for (const [what, message] of Object.entries(MESSAGES)) {
      const echo = nextMessage(socket)
      socket.send(message)
      const { data, isBinary } = await echo
      assert.equal(isBinary, typeof message !== 'string', what)
      assert.ok(data.equals(Buffer.from(message as string)), what)
    }
    socket.send('frag', { fin: false })
    socket.ping('in between')
    socket.send('men', { fin: false })
    const [echo, [pong]] = await Promise.all([
      nextMessage(socket),
      once(socket, 'pong'),
      socket.send('ted', { fin: true }),
    ])
    assert.deepEqual([String(echo.data), String(pong)], ['fragmented', 'in between'])
    assert.deepEqual(server.pings, ['in between'])
    const closed = once(socket, 'close')
    socket.close(4321, 'own reason')
    assert.deepEqual((await closed).map(String), ['4321', 'own reason'])
    while (server.closes.length === 0) await new Promise(resolve => setImmediate(resolve))
    assert.deepEqual(server.closes, ['4321 own reason'])
  })
}

test('a close of the server, and a connection that it drops, reach the client', async t => {
  const server = await anEchoServer(t)
  const { port } = await aGateway(t, { routes: [{ ports: [server.port] }] })
  const polite = await aWebSocket(t, `ws://127.0.0.1:${port}/`)
  for (const one of server.sockets) one.close(1012, 'restart')
  assert.deepEqual((await once(polite, 'close')).map(String), ['1012', 'restart'])
  server.sockets.clear()
  const dropped = await aWebSocket(t, `ws://127.0.0.1:${port}/`)
  for (const one of server.sockets) one.terminate()
  assert.equal((await once(dropped, 'close'))[0], 1006)
})

test('a WebSocket that is silent both ways for `read_timeout` ends', async t => {
  const server = await anEchoServer(t)
  const { port, accessLog } = await aGateway(t, { routes: [{ ports: [server.port], service: { readTimeoutMs: 100 } }] })
  const socket = await aWebSocket(t, `ws://127.0.0.1:${port}/`)
  assert.equal((await once(socket, 'close'))[0], 1006)
  assert.match(accessLog[0]!, / 101 /)
})

test('one side that speaks keeps it open, though the other only listens', async t => {
  const server = await anEchoServer(t, { isSilent: true })
  const { port } = await aGateway(t, { routes: [{ ports: [server.port], service: { readTimeoutMs: 400 } }] })
  const socket = await aWebSocket(t, `ws://127.0.0.1:${port}/`)
  const begun = performance.now()
  const talking = setInterval(() => socket.send('still here'), 50)
  t.after(() => clearInterval(talking))
  let isClosed = false
  socket.on('close', () => (isClosed = true))
  while (performance.now() - begun < 1000) await once(server.sockets.values().next().value!, 'message')
  assert.equal(isClosed, false)
  clearInterval(talking)
  await once(socket, 'close')
})
