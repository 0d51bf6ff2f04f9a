import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { aGateway } from '../../test/kit/proxy-gateway.ts'
import { aClient, aRawUpstream, exchangeRaw, okAnswer } from '../../test/kit/raw-http.ts'

const get = (path = '/', lines = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`

test('a connection uses one upstream connection when it sends 1,000 requests in turn', async t => {
  const upstream = await aRawUpstream(t, request => okAnswer(request.slice(0, request.indexOf(' HTTP'))))
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
  const client = await aClient(t, gateway.port)
  for (let i = 0; i < 1000; i++) assert.equal((await client.send(get(`/${i}`)).answer()).body, `GET /${i}`)
  assert.equal(upstream.connections, 1)
  const ofHttp = { accepted: 1, active: 1, handled: 1, requests: 1000, reading: 0, writing: 0, waiting: 1 }
  assert.deepEqual({ ...gateway.engine.stats() }, { ...ofHttp, streamAccepted: 0, streamActive: 0 })
})

test('50 pipelined requests are answered in order, whatever pieces they come in', async t => {
  const upstream = await aRawUpstream(t, request => okAnswer(/ \/(.*) HTTP/.exec(request)![1]!))
  const gateway = await aGateway(t, { routes: [{ path: '/u', ports: [upstream.port], route: { stripPath: false } }] })
  const numbers = Array.from({ length: 50 }, (_, i) => i)
  // Every fifth is answered by the gateway at once, every seventh carries a body.
  const request = (i: number) =>
    i % 5 === 0
      ? get(`/none/${i}`)
      : i % 7 === 0
        ? `POST /u/${i} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`
        : get(`/u/${i}`)
  const text = numbers.map(request).join('')
  for (const size of [text.length, 1000, 97, 13]) {
    const client = await aClient(t, gateway.port)
    for (let at = 0; at < text.length; at += size) {
      client.send(text.slice(at, at + size))
      if (size < 100 && at % (size * 8) === 0) await new Promise(resolve => setImmediate(resolve))
    }
    for (const i of numbers) {
      const { status, body } = await client.answer()
      if (i % 5 === 0) assert.equal(status, 404)
      else assert.equal(body, `u/${i}`)
    }
    client.socket.destroy()
  }
})

test('a crowded worker, whose answers leave together, loses none of connections that end', async t => {
  const upstream = await aRawUpstream(t, request => okAnswer(/ \/(.*) HTTP/.exec(request)![1]!))
  const gateway = await aGateway(t, { routes: [{ path: '/u', ports: [upstream.port], route: { stripPath: false } }] })
  for (let round = 0; round < 20; round++) {
    const clients = await Promise.all(Array.from({ length: 24 }, () => aClient(t, gateway.port)))
    for (let i = 0; i < 4; i++) {
      for (const [index, client] of clients.entries()) {
        const isLast = i === 3 ? 'Connection: close\r\n' : ''
        client.send(get(index % 4 === 0 ? `/none/${i}` : `/u/${index}/${i}`, isLast))
      }
      const answers = await Promise.all(clients.map(client => client.answer()))
      for (const [index, { status, body }] of answers.entries()) {
        if (index % 4 === 0) assert.equal(status, 404)
        else assert.equal(body, `u/${index}/${i}`)
      }
    }
    await Promise.all(clients.map(({ socket }) => (socket.closed ? null : once(socket, 'close'))))
  }
})

const CLOSING: readonly (readonly [request: string, connection: string])[] = [
  ['GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 'close'],
  ['GET / HTTP/1.0\r\n\r\n', 'close'],
  ['GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', 'keep-alive'],
  ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'keep-alive'],
]

for (const [request, connection] of CLOSING) {
  test(`the connection is ${connection} when asked ${JSON.stringify(request)}`, async t => {
    const upstream = await aRawUpstream(t, () => okAnswer('ok'))
    const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
    const client = await aClient(t, gateway.port)
    const got = await client.send(request).answer()
    assert.equal(got.headers['connection'], connection)
    if (connection === 'close') await once(client.socket, 'close')
    else assert.equal((await client.send(get()).answer()).status, 200)
  })
}

test('a chunked answer is dechunked when the client speaks HTTP/1.0', async t => {
  const upstream = await aRawUpstream(
    t,
    () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n',
  )
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
  const old = await exchangeRaw(t, gateway.port, 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  assert.deepEqual(
    [old.body, old.headers['connection'], old.headers['transfer-encoding']],
    ['abcde', 'close', undefined],
  )
  const client = await aClient(t, gateway.port)
  for (let i = 0; i < 3; i++) {
    const { body, headers } = await client.send(get()).answer()
    assert.deepEqual([body, headers['transfer-encoding'], headers['content-length']], ['abcde', 'chunked', undefined])
  }
  assert.equal(upstream.connections, 1)
})

test('an answer that ends with its connection is chunked when the client keeps its own', async t => {
  const upstream = await aRawUpstream(t, (_, socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\nabc')
    setImmediate(() => socket.end('def'))
    return null
  })
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
  const client = await aClient(t, gateway.port)
  assert.equal((await client.send(get()).answer()).body, 'abcdef')
  assert.equal((await client.send(get()).answer()).body, 'abcdef')
  assert.equal(upstream.connections, 2)
})

for (const [what, status, lines] of [
  ['204', '204 No Content', ''],
  ['204 with a false length', '204 No Content', 'Content-Length: 5\r\n'],
  ['304', '304 Not Modified', 'Content-Length: 5\r\n'],
] as const) {
  test(`an answer has no body when its status is ${what}`, async t => {
    const upstream = await aRawUpstream(t, () => `HTTP/1.1 ${status}\r\n${lines}\r\n`)
    const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
    const client = await aClient(t, gateway.port)
    const got = await client.send(get()).answer()
    assert.equal(got.headers['content-length'], status.startsWith('304') ? '5' : undefined)
    assert.equal((await client.send(get()).answer()).statusLine, `HTTP/1.1 ${status}`)
    assert.equal(upstream.connections, 1)
  })
}

test('HEAD gets the head that GET would get, and no body', async t => {
  const upstream = await aRawUpstream(t, () => 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n')
  const gateway = await aGateway(t, { routes: [{ path: '/u', ports: [upstream.port] }] })
  const client = await aClient(t, gateway.port)
  for (const [path, length] of [
    ['/u', '99'],
    ['/none', undefined],
  ] as const) {
    const got = await client.send(`HEAD ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).answer({ isHead: true })
    if (length !== undefined) assert.equal(got.headers['content-length'], length)
    else assert.ok(Number(got.headers['content-length']) > 40)
  }
  assert.equal(client.unread, '')
})

test('100 Continue is sent by the gateway when the body is wanted, and not when the request is refused', async t => {
  const upstream = await aRawUpstream(t, request => okAnswer(request))
  const gateway = await aGateway(t, {
    routes: [
      { path: '/deny', ports: [upstream.port], plugins: [{ access: () => ({ status: 401 }) }] },
      { ports: [upstream.port] },
    ],
  })
  const head = (path: string) => `POST ${path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n`
  const client = await aClient(t, gateway.port)
  assert.equal((await client.send(head('/')).answer()).statusLine, 'HTTP/1.1 100 Continue')
  const got = await client.send('abc').answer()
  assert.ok(got.body.endsWith('abc'))
  assert.doesNotMatch(got.body, /expect/i)
  const refused = await client.send(head('/deny')).answer()
  assert.deepEqual([refused.status, refused.headers['connection']], [401, 'close'])
})

test('interim answers of the upstream reach the client, 100 does not', async t => {
  const upstream = await aRawUpstream(
    t,
    () => `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${okAnswer('ok')}`,
  )
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
  const client = await aClient(t, gateway.port)
  const hints = await client.send(get()).answer()
  assert.deepEqual([hints.statusLine, hints.headers['link']], ['HTTP/1.1 103 Early Hints', '</a>'])
  assert.equal((await client.answer()).body, 'ok')
})

test('trailers reach a client that asked for them, without fields that must not be there', async t => {
  const trailers = 'X-Sum: 1\r\nContent-Length: 9\r\nSet-Cookie: a=b\r\n'
  const upstream = await aRawUpstream(
    t,
    () => `HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n${trailers}\r\n`,
  )
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
  const client = await aClient(t, gateway.port)
  const asked = await client.send(get('/', 'TE: trailers\r\nConnection: TE\r\n')).answer()
  assert.equal(asked.headers['trailer'], 'X-Sum')
  assert.ok(client.received.endsWith('\r\n0\r\nX-Sum: 1\r\n\r\n'))
  const notAsked = await client.send(get()).answer()
  assert.equal(notAsked.headers['trailer'], undefined)
  assert.ok(client.received.endsWith('\r\n0\r\n\r\n'))
})

test('a chunked request has a length when it is short, and chunks when it is not buffered', async t => {
  const upstream = await aRawUpstream(t, request => okAnswer(request))
  const gateway = await aGateway(t, {
    routes: [
      { path: '/stream', ports: [upstream.port], route: { requestBuffering: false } },
      { ports: [upstream.port] },
    ],
  })
  const head = (path: string) => `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`
  const client = await aClient(t, gateway.port)
  client.send(`${head('/')}3\r\nabc\r\n`)
  await new Promise(resolve => setTimeout(resolve, 20))
  const buffered = await client.send('2\r\nde\r\n0\r\n\r\n').answer()
  assert.match(buffered.body, /\r\nContent-Length: 5\r\n.*\r\nabcde$/s)
  client.send(`${head('/stream')}3\r\nabc\r\n`)
  await new Promise(resolve => setTimeout(resolve, 20))
  const streamed = await client.send('2\r\nde\r\n0\r\nX-T: 1\r\n\r\n').answer()
  assert.match(streamed.body, /\r\nTransfer-Encoding: chunked\r\n.*\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n$/s)
})

test('an early answer passes while the body is still coming, and ends the connection', async t => {
  const upstream = await aRawUpstream(t, () => null)
  upstream.server.on('connection', socket => socket.once('data', () => socket.write(okAnswer('early'))))
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port], route: { requestBuffering: false } }] })
  const client = await aClient(t, gateway.port)
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc')
  const got = await client.answer()
  assert.deepEqual([got.body, got.headers['connection']], ['early', 'close'])
  client.socket.end()
  await client.closed()
})

test('a client that has closed its sending side still gets its answer', async t => {
  const upstream = await aRawUpstream(t, (_, socket) => {
    setTimeout(() => socket.write(okAnswer('late')), 30)
    return null
  })
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
  const client = await aClient(t, gateway.port)
  client.socket.end(get())
  assert.equal((await client.answer()).body, 'late')
  await client.closed()
})

test('a body above client_max_body_size is refused with 413, declared or counted', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok'))
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }], client: { bodyBytesMax: 10 } })
  const post = (lines: string, body: string) => `POST / HTTP/1.1\r\nHost: a\r\n${lines}\r\n${body}`
  const fits = await exchangeRaw(t, gateway.port, post('Content-Length: 10\r\n', '0123456789'))
  assert.equal(fits.status, 200)
  assert.equal((await exchangeRaw(t, gateway.port, post('Content-Length: 11\r\n', '01234567890'))).status, 413)
  const chunked = post('Transfer-Encoding: chunked\r\n', 'b\r\n01234567890\r\n')
  assert.equal((await exchangeRaw(t, gateway.port, chunked)).status, 413)
  assert.equal(upstream.requests.length, 1)
})
