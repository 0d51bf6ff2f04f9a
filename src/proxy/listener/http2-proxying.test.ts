/** HTTP/2 clients through the whole proxy, to HTTP/1.1 upstreams. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { selfSignedPair } from '../../../test/kit/certificate-pair.ts'
import { aFrameClient, block, END_HEADERS, END_STREAM, frame, POST } from '../../../test/kit/http2-frames.ts'
import { anHttp2Session, readAnswer, request } from '../../../test/kit/http2-client.ts'
import { aGateway, proxySettings } from '../../../test/kit/proxy-gateway.ts'
import { aRawUpstream, exchangeRaw, okAnswer } from '../../../test/kit/raw-http.ts'

const pair = selfSignedPair('localhost')
const tlsSettings = { tls: { ...proxySettings.tls, defaultCertificates: [pair] } }

test('HTTP/2 over TLS by ALPN, and HTTP/1.1 on the same port', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('hello', 'X-Own: yes\r\nConnection: x-hop\r\nX-Hop: 1\r\n'))
  const entries: Record<string, any>[] = []
  const log = { log: (exchange: { serialize(): Record<string, unknown> }) => void entries.push(exchange.serialize()) }
  const { port, accessLog } = await aGateway(t, {
    http2: true,
    ssl: true,
    settings: tlsSettings,
    routes: [{ ports: [upstream.port], plugins: [log] }],
  })
  const session = await anHttp2Session(t, port, true)
  assert.equal(session.alpnProtocol, 'h2')
  const { status, headers, body } = await request(session, '/a?b=c', { cookie: ['a=1', 'b=2'], 'x-test': 'é' })
  assert.deepEqual([status, String(body), headers['x-own'], headers['via']], [200, 'hello', 'yes', '1.1 kong/3.9.1'])
  for (const name of ['connection', 'x-hop', 'transfer-encoding']) assert.equal(headers[name], undefined)
  assert.match(upstream.requests[0]!, /^GET \/a\?b=c HTTP\/1\.1\r\nHost: 127\.0\.0\.1:\d+\r\n/)
  for (const line of [
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: 127.0.0.1',
    `X-Forwarded-Port: ${port}`,
    'X-Forwarded-Path: /a',
    'Via: 2 kong/3.9.1',
    'cookie: a=1; b=2',
    'x-test: \xe9',
  ]) {
    assert.ok(upstream.requests[0]!.includes(`\r\n${line}\r\n`), line)
  }
  assert.match(accessLog[0]!, /"GET \/a\?b=c HTTP\/2\.0" 200 5 /)
  assert.equal(entries[0]!['request'].url, `https://127.0.0.1:${port}/a?b=c`)
  assert.equal(entries[0]!['request'].headers.host, `127.0.0.1:${port}`)
  assert.equal(entries[0]!['response'].headers['x-own'], 'yes')
})

test('with prior knowledge on a plain port, where HTTP/1.1 is spoken too', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('hello'))
  const { port } = await aGateway(t, { http2: true, routes: [{ ports: [upstream.port] }] })
  const session = await anHttp2Session(t, port)
  assert.equal((await request(session, '/')).status, 200)
  assert.equal((await exchangeRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')).status, 200)
  assert.equal((await exchangeRaw(t, port, 'PRIVATE / HTTP/1.1\r\nHost: a\r\n\r\n')).status, 200)
})

test('paths are normalised as in HTTP/1.1', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('hello'))
  const { port } = await aGateway(t, { http2: true, routes: [{ path: '/open', ports: [upstream.port] }] })
  const session = await anHttp2Session(t, port)
  assert.equal((await request(session, '/open/../secret')).status, 404)
  assert.equal((await request(session, '/open/%2e%2e/secret')).status, 404)
  assert.equal((await request(session, '/open//a/./b')).status, 200)
  assert.match(upstream.requests[0]!, /^GET \/a\/b HTTP/)
})

test('a hundred requests at once, large bodies both ways, on one connection', async t => {
  const upstream = await aRawUpstream(t, text => {
    const body = text.slice(text.indexOf('\r\n\r\n') + 4)
    return okAnswer(body)
  })
  const { port } = await aGateway(t, { http2: true, routes: [{ ports: [upstream.port] }] })
  const session = await anHttp2Session(t, port)
  const bodies = Array.from({ length: 100 }, (_, i) => Buffer.alloc(i * 1000, `${i} `))
  const answers = await Promise.all(
    bodies.map((body, i) => request(session, `/${i}`, { ':method': 'POST', 'content-length': `${body.length}` }, body)),
  )
  for (const [i, { body }] of answers.entries()) assert.ok(body.equals(bodies[i]!), `body ${i}`)
})

test('bodies of unknown length are chunks to the upstream, and chunks are frames to the client', async t => {
  const upstream = await aRawUpstream(
    t,
    () =>
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\nx-sum: 7\r\n\r\n',
  )
  const { port } = await aGateway(t, {
    http2: true,
    routes: [{ ports: [upstream.port], route: { requestBuffering: false } }],
  })
  const session = await anHttp2Session(t, port)
  const stream = session.request({ ':method': 'POST', ':path': '/', te: 'trailers' })
  stream.write('first')
  while (upstream.connections === 0) await new Promise(resolve => setImmediate(resolve))
  stream.end('second')
  const { body, trailers, headers } = await readAnswer(stream)
  assert.deepEqual([String(body), trailers['x-sum'], headers['content-length']], ['hello!', '7', undefined])
  assert.match(upstream.requests[0]!, /Transfer-Encoding: chunked\r\n[\s\S]*5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n$/)
})

test('HEAD, 204, 304, interim answers and Expect', async t => {
  const upstream = await aRawUpstream(t, text => {
    if (text.startsWith('HEAD')) return 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'
    if (text.includes(' /hint')) return `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${okAnswer('hello')}`
    return `HTTP/1.1 ${/\/(\d+)/.exec(text)![1]} Something\r\nContent-Length: 0\r\n\r\n`
  })
  const { port } = await aGateway(t, { http2: true, routes: [{ ports: [upstream.port] }] })
  const session = await anHttp2Session(t, port)
  const head = await request(session, '/', { ':method': 'HEAD' })
  assert.deepEqual([head.headers['content-length'], head.body.length], ['5', 0])
  for (const status of [204, 304]) assert.equal((await request(session, `/${status}`)).status, status)
  const hinted = session.request({ ':path': '/hint' })
  const [hints] = await Promise.all([once(hinted, 'headers'), readAnswer(hinted)])
  assert.deepEqual([hints[0][':status'], hints[0].link], [103, '</a>'])
  const careful = session.request({ ':method': 'POST', ':path': '/200', expect: '100-continue' })
  const answer = readAnswer(careful)
  await once(careful, 'continue')
  careful.end('body')
  assert.equal((await answer).status, 200)
})

test('an answer before the end of its request ends the request without fault', async t => {
  const { port } = await aGateway(t, { http2: true, client: { bodyBytesMax: 10 }, routes: [{ ports: [1] }] })
  const client = await aFrameClient(t, port)
  client.headers(1, POST, END_HEADERS).send(frame('DATA', 0, 1, 'x'.repeat(11)))
  assert.equal(await client.verdict(), '413')
  assert.equal(await client.verdict(), 'RST_STREAM 0')
  client.headers(3, [...POST, ['content-length', '11']], END_HEADERS)
  assert.equal(await client.verdict(), '413')
})

test('a client that goes away takes its request with it', async t => {
  let seen = 0
  const upstream = await aRawUpstream(t, () => {
    seen++
    return null
  })
  const { port, accessLog, outcomes } = await aGateway(t, { http2: true, routes: [{ ports: [upstream.port] }] })
  const session = await anHttp2Session(t, port)
  const stream = session.request({ ':path': '/' })
  stream.on('error', () => {})
  while (seen === 0) await new Promise(resolve => setImmediate(resolve))
  stream.close(8)
  while (accessLog.length === 0) await new Promise(resolve => setImmediate(resolve))
  assert.match(accessLog[0]!, / 499 0 /)
  assert.deepEqual(outcomes, [{ kind: 'aborted' }])
})

test('an upstream that breaks off in the middle of an answer resets the stream only', async t => {
  const upstream = await aRawUpstream(t, (text, socket) => {
    if (!text.includes('/broken')) return okAnswer('fine')
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello')
    return null
  })
  const { port } = await aGateway(t, { http2: true, routes: [{ ports: [upstream.port] }] })
  const session = await anHttp2Session(t, port)
  const broken = session.request({ ':path': '/broken' })
  const [error] = await once(broken, 'error')
  assert.match(String(error), /NGHTTP2_INTERNAL_ERROR/)
  assert.equal((await request(session, '/')).status, 200)
})

test('plugins see and change HTTP/2 requests and answers', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('hello'))
  const { port } = await aGateway(t, {
    http2: true,
    routes: [
      {
        ports: [upstream.port],
        plugins: [
          {
            async access({ request, upstreamRequest }) {
              const body = Buffer.from(await request.body()).toString()
              upstreamRequest.setHeader('X-Seen', `${request.httpVersion} ${request.header('x-in')} ${body}`)
              if (body === 'no') return { status: 403, body: { message: 'no' } }
              return undefined
            },
            headerFilter: ({ response }) => response.setHeader('X-Out', 'Yes'),
          },
        ],
      },
    ],
  })
  const session = await anHttp2Session(t, port)
  const answer = await request(session, '/', { ':method': 'POST', 'x-in': 'i' }, 'body')
  assert.equal(answer.headers['x-out'], 'Yes')
  assert.match(upstream.requests[0]!, /\r\nX-Seen: 2 i body\r\n/)
  const refused = await request(session, '/', { ':method': 'POST' }, 'no')
  assert.deepEqual([refused.status, String(refused.body)], [403, '{"message":"no"}'])
})

test('a connection that has served its number of requests is told so, and loses none', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('hello'))
  const { port } = await aGateway(t, {
    http2: true,
    client: { keepaliveRequestsMax: 3 },
    routes: [{ ports: [upstream.port] }],
  })
  const client = await aFrameClient(t, port)
  for (const id of [1, 3, 5]) client.headers(id)
  const first = await client.next(({ type }) => type === 'GOAWAY')
  assert.equal(first.payload.readUInt32BE(0), 2 ** 31 - 1)
  // On its way before the client saw that.
  client.headers(7)
  const last = await client.next(({ type }) => type === 'GOAWAY')
  assert.equal(last.payload.readUInt32BE(0), 7)
  client.send(frame('HEADERS', END_STREAM | END_HEADERS, 9, block(POST)))
  await client.closed()
  const answered = client.frames.filter(({ type }) => type === 'HEADERS').map(({ id }) => id)
  assert.deepEqual(answered.sort(), [1, 3, 5, 7])
})

test('draining ends HTTP/2 connections by GOAWAY, with every request answered', async t => {
  let release = () => {}
  const upstream = await aRawUpstream(t, (text, socket) => {
    if (!text.includes('/slow')) return okAnswer('hello')
    release = () => socket.write(okAnswer('slow'))
    return null
  })
  const { port, engine } = await aGateway(t, { http2: true, routes: [{ ports: [upstream.port] }] })
  const session = await anHttp2Session(t, port)
  const slow = request(session, '/slow')
  await request(session, '/')
  const told = once(session, 'goaway')
  const drained = engine.drain(10_000)
  await told
  release()
  assert.equal(String((await slow).body), 'slow')
  await drained
})
