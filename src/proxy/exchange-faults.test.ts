import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { test } from 'node:test'
import { aGateway } from '../../test/kit/proxy-gateway.ts'
import { aClient, aRawUpstream, exchangeRaw, okAnswer } from '../../test/kit/raw-http.ts'

const get = (path = '/', lines = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`
const post = (body: string) => `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`

/** A port on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

test('a refused connection is answered with 502 when nobody else can be asked', async t => {
  const gateway = await aGateway(t, { routes: [{ ports: [await closedPort()], service: { retries: 2 } }] })
  const got = await exchangeRaw(t, gateway.port, get('/', 'Accept: */*\r\n'))
  assert.equal(got.statusLine, 'HTTP/1.1 502 Bad Gateway')
  assert.equal(got.headers['content-type'], 'application/json; charset=utf-8')
  assert.equal(got.headers['via'], '1.1 kong/3.9.1')
  assert.match(got.headers['x-kong-proxy-latency']!, /^\d+$/)
  assert.equal(JSON.parse(got.body).message, 'An invalid response was received from the upstream server')
  assert.equal(JSON.parse(got.body).request_id, got.headers['x-kong-request-id'])
  assert.deepEqual(gateway.outcomes, [
    { kind: 'connect_failed' },
    { kind: 'connect_failed' },
    { kind: 'connect_failed' },
  ])
})

test('another peer is asked when the first refuses, POST included', async t => {
  const upstream = await aRawUpstream(t, request => okAnswer(request))
  const gateway = await aGateway(t, { routes: [{ ports: [await closedPort(), upstream.port] }] })
  assert.equal((await exchangeRaw(t, gateway.port, get())).status, 200)
  const posted = await exchangeRaw(t, gateway.port, post('abc'))
  assert.ok(posted.body.endsWith('abc'))
})

test('another peer is asked for GET, not for POST, when the first hangs up instead of answering', async t => {
  const rude = await aRawUpstream(t, (_, socket) => {
    socket.destroy()
    return null
  })
  const polite = await aRawUpstream(t, () => okAnswer('ok'))
  const gateway = await aGateway(t, { routes: [{ ports: [rude.port, polite.port] }] })
  assert.equal((await exchangeRaw(t, gateway.port, get())).status, 200)
  assert.equal((await exchangeRaw(t, gateway.port, post('abc'))).status, 502)
  const put = 'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc'
  assert.equal((await exchangeRaw(t, gateway.port, put)).status, 200)
  assert.ok(polite.requests[1]!.endsWith('abc'))
  assert.deepEqual(
    gateway.outcomes.map(({ kind }) => kind),
    ['broken', 'answered', 'broken', 'broken', 'answered'],
  )
})

test('a stale connection costs no try when it is closed before the answer', async t => {
  const upstream = await aRawUpstream(t, (_, socket, count) => {
    // Closes where a second request on the connection is already on its way.
    if (count === 2) {
      socket.resetAndDestroy()
      return null
    }
    return okAnswer(`${count}`)
  })
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port], service: { retries: 0 } }] })
  const client = await aClient(t, gateway.port)
  assert.equal((await client.send(get()).answer()).body, '1')
  assert.equal((await client.send(get()).answer()).body, '3')
  assert.equal(upstream.connections, 2)
})

test('an idle upstream connection is dropped when its peer closes it', async t => {
  const upstream = await aRawUpstream(t, (_, socket) => {
    setImmediate(() => socket.end())
    return okAnswer('ok')
  })
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port], service: { retries: 0 } }] })
  const client = await aClient(t, gateway.port)
  for (let i = 0; i < 3; i++) {
    assert.equal((await client.send(post('x')).answer()).status, 200)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  assert.equal(upstream.connections, 3)
})

for (const garbage of [
  'this is not http\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nZ\r\n',
  'HTTP/1.1 200 OK\r\nX : y\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\n\r\n',
  'HTTP/1.1 102 Processing\r\n\r\n'.repeat(30),
  `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`,
]) {
  test(`an upstream that says ${JSON.stringify(garbage.slice(0, 50))} is answered for with 502`, async t => {
    const upstream = await aRawUpstream(t, () => garbage)
    const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
    const client = await aClient(t, gateway.port)
    let got = await client.send(get()).answer()
    while (got.status < 200) got = await client.answer()
    assert.equal(got.status, 502)
    assert.equal(upstream.requests.length, 1, 'an invalid answer is not asked for again')
  })
}

test('a second answer on one request is never given to the next request', async t => {
  const upstream = await aRawUpstream(t, (_, _socket, count) => okAnswer(`${count}`) + okAnswer('smuggled'))
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
  const client = await aClient(t, gateway.port)
  assert.equal((await client.send(get()).answer()).body, '1')
  assert.equal((await client.send(get()).answer()).body, '2')
  assert.equal(upstream.connections, 2)
})

for (const [what, start] of [
  ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this'],
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n'],
] as const) {
  test(`the client sees its connection break when the upstream dies within a body of ${what}`, async t => {
    const upstream = await aRawUpstream(t, (_, socket) => {
      socket.write(start)
      setTimeout(() => socket.destroy(), 10)
      return null
    })
    const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
    const client = await aClient(t, gateway.port)
    client.send(get())
    await client.closed()
    assert.match(client.received, /only this/)
    assert.doesNotMatch(client.received, /\r\n0\r\n\r\n$/)
    assert.equal(upstream.requests.length, 1)
    assert.match(gateway.accessLog[0]!, /" 200 /)
  })
}

test('the upstream is let go, and 499 logged, when the client goes away before the answer', async t => {
  const upstream = await aRawUpstream(t, () => null)
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
  const client = await aClient(t, gateway.port)
  const connected = once(upstream.server, 'connection')
  client.send(get())
  const [socket] = await connected
  while (upstream.requests.length === 0) await new Promise(resolve => setImmediate(resolve))
  const gone = once(socket, 'close')
  client.socket.resetAndDestroy()
  await gone
  assert.match(gateway.accessLog[0]!, /" 499 0 /)
  assert.deepEqual(gateway.outcomes, [{ kind: 'aborted' }])
  assert.equal(gateway.engine.stats().active, 0)
})

test('the upstream is let go when the client goes away within its own body', async t => {
  const upstream = await aRawUpstream(t, () => null)
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port], route: { requestBuffering: false } }] })
  const client = await aClient(t, gateway.port)
  const connected = once(upstream.server, 'connection')
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc')
  const [socket] = await connected
  const gone = once(socket, 'close')
  client.socket.end()
  await gone
  assert.equal(gateway.engine.stats().active, 0)
})

test('an upstream that says nothing is given up with 504 after read_timeout, GET asked again, POST not', async t => {
  const upstream = await aRawUpstream(t, () => null)
  const gateway = await aGateway(t, {
    routes: [{ ports: [upstream.port], service: { retries: 1, readTimeoutMs: 50 } }],
  })
  const got = await exchangeRaw(t, gateway.port, get())
  assert.equal(got.statusLine, 'HTTP/1.1 504 Gateway Time-out')
  assert.match(got.body, /^The upstream server is timing out\nrequest_id: /)
  assert.equal(upstream.requests.length, 2)
  assert.equal((await exchangeRaw(t, gateway.port, post('x'))).status, 504)
  assert.equal(upstream.requests.length, 3)
})

test('an upstream that stalls within its answer is given up after read_timeout', async t => {
  const upstream = await aRawUpstream(t, () => 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc')
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port], service: { readTimeoutMs: 50 } }] })
  const client = await aClient(t, gateway.port)
  client.send(get())
  await client.closed()
  assert.match(client.received, /abc$/)
})

test('a head that comes too slowly is answered with 408 and the end', async t => {
  const gateway = await aGateway(t, { client: { headTimeoutMs: 50 } })
  const client = await aClient(t, gateway.port)
  client.send('GET / HTTP/1.1\r\nHost:')
  assert.equal((await client.answer()).status, 408)
  const silent = await aClient(t, gateway.port)
  await silent.closed()
  assert.equal(silent.received, '')
})

test('a body that stops coming is answered with 408 and the end', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok'))
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }], client: { bodyTimeoutMs: 50 } })
  const client = await aClient(t, gateway.port)
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc')
  const got = await client.answer()
  assert.deepEqual([got.status, got.headers['connection']], [408, 'close'])
})

test('an idle connection is closed after keepalive_timeout', async t => {
  const gateway = await aGateway(t, { client: { keepaliveTimeoutMs: 50 } })
  const client = await aClient(t, gateway.port)
  assert.equal((await client.send(get()).answer()).status, 404)
  await client.closed()
})

test('a client that does not read is dropped after send_timeout', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('x'.repeat(20_000_000)))
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }], client: { sendTimeoutMs: 100 } })
  const socket = connect({ port: gateway.port, host: '127.0.0.1' })
  t.after(() => socket.destroy())
  socket.pause()
  socket.write(get())
  while (gateway.engine.stats().active === 0) await new Promise(resolve => setTimeout(resolve, 5))
  while (gateway.engine.stats().active > 0) await new Promise(resolve => setTimeout(resolve, 5))
})

test('a client that reads slowly, but reads, gets all of an answer beyond send_timeout', async t => {
  const body = Buffer.alloc(20_000_000, 'x')
  // One write of 20 MB: it is not over for as long as the client takes for all of it.
  const plugins = [{ access: () => ({ status: 200, body }) }]
  const gateway = await aGateway(t, { routes: [{ plugins }], client: { sendTimeoutMs: 500 } })
  const socket = connect({ port: gateway.port, host: '127.0.0.1' })
  t.after(() => socket.destroy())
  socket.write(get())
  let bytes = 0
  for await (const data of socket as AsyncIterable<Buffer>) {
    bytes += data.length
    if (bytes >= body.length) break
    await new Promise(resolve => setTimeout(resolve, (data.length / body.length) * 1500))
  }
  assert.ok(bytes >= body.length)
})

test('an upstream head that comes byte by byte is read', async t => {
  const upstream = await aRawUpstream(t, (_, socket) => {
    const text = okAnswer('hello', `X-Long: ${'a'.repeat(2000)}\r\n`)
    let at = 0
    const next = () => {
      if (at < text.length) socket.write(text[at++]!, 'latin1', () => setImmediate(next))
    }
    next()
    return null
  })
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
  const got = await exchangeRaw(t, gateway.port, get())
  assert.deepEqual([got.status, got.body, got.headers['x-long']?.length], [200, 'hello', 2000])
})

const MALFORMED: readonly (readonly [what: string, text: string, status: number])[] = [
  ['nonsense', '\x16\x03\x01\x00\r\n\r\n', 400],
  ['a long target', `GET /${'a'.repeat(40_000)} HTTP/1.1\r\n`, 414],
  ['a long head', get('/', `X: ${'a'.repeat(8000)}\r\n`.repeat(5)), 400],
  ['a long line', get('/', `X: ${'a'.repeat(10_000)}\r\n`), 400],
  ['a long request line', `GET /${'a'.repeat(9_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
  ['an endless head', get('/', `X: ${'a'.repeat(40_000)}`).slice(0, -2), 400],
  [
    'conflicting framing',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  ['a bad chunk', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 400],
]

for (const [what, text, status] of MALFORMED) {
  test(`${what} is answered with ${status}, and nothing after it is read`, async t => {
    const upstream = await aRawUpstream(t, () => okAnswer('ok'))
    const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
    const client = await aClient(t, gateway.port)
    client.send(`${text}${get('/smuggled')}`)
    const got = await client.answer()
    assert.deepEqual([got.status, got.headers['connection']], [status, 'close'])
    client.socket.end()
    await client.closed()
    assert.equal(client.unread, '')
    assert.equal(upstream.requests.filter(request => request.includes('smuggled')).length, 0)
  })
}

test('drain() lets a request finish and closes idle connections', async t => {
  let answer = () => {}
  const upstream = await aRawUpstream(t, (_, socket) => {
    answer = () => socket.write(okAnswer('late'))
    return null
  })
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
  const idle = await aClient(t, gateway.port)
  const busy = await aClient(t, gateway.port)
  busy.send(get())
  while (upstream.requests.length === 0) await new Promise(resolve => setImmediate(resolve))
  const drained = gateway.engine.drain(5000)
  idle.socket.end()
  await idle.closed()
  answer()
  const got = await busy.answer()
  assert.deepEqual([got.body, got.headers['connection']], ['late', 'close'])
  busy.socket.end()
  await drained
  await assert.rejects(aClient(t, gateway.port))
})
