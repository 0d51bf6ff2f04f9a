import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBodyArguments } from '../sdk/body-arguments.ts'
import type { LogPhase, PhaseHandlers, Reply, RequestPhase, ResponsePhase } from '../sdk/sdk.ts'
import { aGateway, type RouteOptions } from '../../test/kit/proxy-gateway.ts'
import { aClient, aRawUpstream, exchangeRaw, okAnswer } from '../../test/kit/raw-http.ts'

const get = (path = '/', lines = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`
const later = <T>(value: T) => new Promise<T>(resolve => setImmediate(() => resolve(value)))

test('phases run in plugin order, on one exchange, with what each may see', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok', 'X-Up: 1\r\n'))
  const journal: string[] = []
  const plugin = (name: string, isAsync: boolean): PhaseHandlers => ({
    access(exchange) {
      exchange.shared[name] = true
      journal.push(`access ${name}`)
      return isAsync ? later(undefined) : undefined
    },
    headerFilter(exchange) {
      journal.push(`filter ${name} ${exchange.response.header('x-up')} ${exchange.response.source}`)
      exchange.response.addHeader('X-Filter', name)
    },
    log(exchange) {
      const names = Object.keys(exchange.shared).join()
      journal.push(`log ${name} ${exchange.response.status} ${exchange.response.header('x-filter')} ${names}`)
    },
  })
  const plugins = [plugin('a', true), plugin('b', false), plugin('c', true)]
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port], plugins }] })
  const got = await exchangeRaw(t, gateway.port, get())
  assert.equal(got.headers['x-filter'], 'a, b, c')
  assert.deepEqual(journal, [
    'access a',
    'access b',
    'access c',
    'filter a 1 service',
    'filter b 1 service',
    'filter c 1 service',
    'log a 200 a a,b,c',
    'log b 200 a a,b,c',
    'log c 200 a a,b,c',
  ])
})

test('a Reply ends access, and filters and logs of all plugins still run', async t => {
  const journal: string[] = []
  const plugin = (name: string, reply?: Reply): PhaseHandlers => ({
    access: () => {
      journal.push(`access ${name}`)
      return reply
    },
    headerFilter: ({ response }) => void journal.push(`filter ${name} ${response.status} ${response.source}`),
    log: ({ latencies }) => void journal.push(`log ${name} ${latencies.proxy}`),
  })
  const reply = { status: 403, body: { message: 'no' }, headers: { 'X-Why': ['a', 'b'] } }
  const gateway = await aGateway(t, {
    routes: [{ ports: [1], plugins: [plugin('a'), plugin('b', reply), plugin('c')] }],
  })
  const client = await aClient(t, gateway.port)
  const got = await client.send(get('/', 'Accept: text/html\r\n')).answer()
  assert.deepEqual([got.status, got.body, got.headers['x-why']], [403, '{"message":"no"}', 'a, b'])
  assert.equal(got.headers['content-type'], 'application/json; charset=utf-8')
  assert.equal(got.headers['server'], 'kong/3.9.1')
  assert.match(got.headers['x-kong-response-latency']!, /^\d+$/)
  assert.equal(got.headers['via'], undefined)
  assert.deepEqual(journal, [
    'access a',
    'access b',
    'filter a 403 exit',
    'filter b 403 exit',
    'filter c 403 exit',
    'log a -1',
    'log b -1',
    'log c -1',
  ])
})

const REPLIES: readonly (readonly [what: string, reply: Reply, body: string, type: string | undefined])[] = [
  ['text', { status: 200, body: 'täxt' }, Buffer.from('täxt').toString('latin1'), undefined],
  ['bytes', { status: 200, body: Buffer.from([0, 255]), headers: { 'content-type': 'a/b' } }, '\0\xff', 'a/b'],
  ['nothing', { status: 401 }, '', undefined],
  ['an object of another type', { status: 200, body: {}, headers: { 'Content-Type': 'a/b' } }, '{}', 'a/b'],
]

for (const [what, reply, body, type] of REPLIES) {
  test(`a Reply with ${what} is sent as it is`, async t => {
    const gateway = await aGateway(t, { routes: [{ plugins: [{ access: () => later(reply) }] }] })
    const got = await exchangeRaw(t, gateway.port, get())
    assert.deepEqual([got.status, got.body, got.headers['content-type']], [reply.status, body, type])
  })
}

test('global plugins rewrite every request, and filter and log those without a route', async t => {
  const journal: string[] = []
  const rewriters = [{ rewrite: ({ request }: RequestPhase) => void journal.push(`rewrite ${request.rawPath}`) }]
  const globals = [{ log: ({ response, route }: LogPhase) => void journal.push(`log ${response.status} ${route}`) }]
  const gateway = await aGateway(t, { rewriters, globals })
  await exchangeRaw(t, gateway.port, get('/x'))
  assert.deepEqual(journal, ['rewrite /x', 'log 404 null'])
})

test('a plugin that throws is answered for with 500, and the connection goes on', async t => {
  const fail = () => {
    throw new Error('secret detail')
  }
  const routes = [
    { path: '/sync', plugins: [{ access: fail }] },
    { path: '/async', plugins: [{ access: async () => fail() }] },
    { path: '/log', plugins: [{ access: () => ({ status: 200 }), headerFilter: fail, log: fail }] },
  ]
  const gateway = await aGateway(t, { routes })
  const client = await aClient(t, gateway.port)
  for (const [path, status] of [
    ['/sync', 500],
    ['/async', 500],
    ['/log', 200],
  ] as const) {
    const got = await client.send(get(path)).answer()
    assert.equal(got.status, status)
    assert.doesNotMatch(got.body, /secret/)
  }
  assert.equal(gateway.logged.filter(line => line.includes('secret detail')).length, 4)
})

async function echoThrough(t: Parameters<typeof aGateway>[0], access: PhaseHandlers['access'], request: string) {
  const upstream = await aRawUpstream(t, text => okAnswer(text))
  const gateway = await aGateway(t, {
    routes: [{ path: '/r', ports: [upstream.port], plugins: [{ access: access! }] }],
  })
  return (await exchangeRaw(t, gateway.port, request)).body
}

test('clearQuery() writes what is left as a form, and leaves a query without the name as it was sent', async t => {
  const cases: [sent: string, forwarded: string][] = [
    ['?x=%41&key=1&b', '?x=A&b='],
    ['?%6bey=1&a=%20+%2a%ff%26', '?a=++*%FF%26'],
    ['?key=1&key', ''],
    ['?x=%41&&b', '?x=%41&&b'],
    ['', ''],
  ]
  for (const [query, forwarded] of cases) {
    const clear: PhaseHandlers['access'] = ({ upstreamRequest }) => upstreamRequest.clearQuery('key') as undefined
    const got = await echoThrough(t, clear, `GET /r${query} HTTP/1.1\r\nHost: a\r\n\r\n`)
    assert.equal(got.slice(0, got.indexOf(' HTTP')), `GET /${forwarded}`)
  }
})

test('request.header() finds a header with hyphens by a name with underscores, when there is none of that name', async t => {
  const read: PhaseHandlers['access'] = ({ request }) => ({
    status: 200,
    body: JSON.stringify([request.header('X_a'), request.headerValues('x_b_c'), request.header('x-d')]),
  })
  const lines = 'X-A: hyphen\r\nX_A: underscore\r\nX-B-C: 1\r\nX-B-C: 2\r\nX_D: no\r\n'
  const got = await echoThrough(t, read, `GET /r HTTP/1.1\r\nHost: a\r\n${lines}\r\n`)
  assert.deepEqual(JSON.parse(got), ['underscore', ['1', '2'], null])
})

test('upstreamRequest changes what is sent, and nothing else', async t => {
  const sent = await echoThrough(
    t,
    ({ upstreamRequest }) => {
      assert.equal(upstreamRequest.header('x-a'), '1')
      upstreamRequest.setHeader('X-A', ['2', '3'])
      upstreamRequest.addHeader('X-B', 'b')
      upstreamRequest.clearHeader('x-c')
      upstreamRequest.setHeader('Host', 'other.test')
      upstreamRequest.setHeader('X-Forwarded-For', '6.6.6.6')
      upstreamRequest.setHeader('Transfer-Encoding', 'chunked')
      upstreamRequest.setMethod('PUT')
      upstreamRequest.setPath('/new path')
      upstreamRequest.clearQuery('key')
      upstreamRequest.setBody('changed')
      return undefined
    },
    'POST /r/x?a=%41&key=1&b HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-C: c\r\nX-D: d\r\nContent-Length: 3\r\n\r\nabc',
  )
  assert.match(sent, /^PUT \/new%20path\?a=A&b= HTTP\/1\.1\r\nHost: other\.test\r\n/)
  assert.match(sent, /\r\nX-A: 2\r\nX-A: 3\r\n|\r\nX-D: d\r\nX-A: 2\r\nX-A: 3\r\n/)
  assert.match(sent, /\r\nX-B: b\r\n/)
  assert.match(sent, /\r\nX-Forwarded-For: 127\.0\.0\.1\r\n/)
  assert.match(sent, /\r\nContent-Length: 7\r\n/)
  assert.match(sent, /\r\n\r\nchanged$/)
  assert.doesNotMatch(sent, /x-c|transfer-encoding|6\.6\.6\.6/i)
})

test('upstreamRequest refuses what would break the message', async t => {
  const attempts: ((exchange: RequestPhase) => void)[] = [
    ({ upstreamRequest }) => upstreamRequest.setHeader('X', 'a\r\nY: b'),
    ({ upstreamRequest }) => upstreamRequest.addHeader('X: y', 'a'),
    ({ upstreamRequest }) => upstreamRequest.setMethod('GET / HTTP/1.1\r\n'),
    ({ upstreamRequest }) => upstreamRequest.setPath('x'),
    ({ response }) => response.setHeader('X', 'a\nb'),
    ({ response }) => response.addHeader('X', 'a\0b'),
  ]
  const access = (exchange: RequestPhase) => {
    for (const attempt of attempts) assert.throws(() => attempt(exchange), TypeError)
    return { status: 204 }
  }
  const gateway = await aGateway(t, { routes: [{ plugins: [{ access }] }] })
  assert.equal((await exchangeRaw(t, gateway.port, get())).status, 204)
})

test('authenticate() sets the headers of the consumer and replaces forged ones', async t => {
  const forged = 'X-Consumer-ID: spoof\r\nX-Credential-Identifier: spoof\r\nX-Anonymous-Consumer: true\r\n'
  const sent = await echoThrough(
    t,
    exchange => {
      exchange.authenticate({ id: 'c1', username: 'jörg', custom_id: null }, { id: 'k1', key: 'secret' })
      return undefined
    },
    get('/r', `${forged}X-Consumer-Custom-ID: spoof\r\n`),
  )
  assert.match(sent, /\r\nX-Consumer-ID: c1\r\n/)
  assert.match(sent, new RegExp(`\\r\\nX-Consumer-Username: ${Buffer.from('jörg').toString('latin1')}\\r\\n`))
  assert.match(sent, /\r\nX-Credential-Identifier: k1\r\n/)
  assert.doesNotMatch(sent, /spoof|anonymous|custom-id|secret/i)
})

test('request.body() gathers the body, the upstream still gets it', async t => {
  const bodies: string[] = []
  const access = async ({ request }: RequestPhase) => void bodies.push(Buffer.from(await request.body()).toString())
  const upstream = await aRawUpstream(t, request => okAnswer(request.slice(request.indexOf('\r\n\r\n') + 4)))
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port], plugins: [{ access: access as never }] }] })
  const client = await aClient(t, gateway.port)
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200006\r\n\r\nabc')
  await later(0)
  const got = await client.send(`${'x'.repeat(200_000)}def`).answer()
  assert.equal(got.body.length, 200_006)
  assert.equal(bodies[0], got.body)
  assert.equal((await client.send(get()).answer()).status, 200)
  assert.deepEqual(bodies[1], '')
})

test('request.body() answers 413 when the body is larger than allowed, declared or counted', async t => {
  const access = async ({ request }: RequestPhase) => void (await request.body(10))
  const gateway = await aGateway(t, { routes: [{ ports: [1], plugins: [{ access: access as never }] }] })
  const post = (lines: string, body: string) => `POST / HTTP/1.1\r\nHost: a\r\n${lines}\r\n${body}`
  assert.equal((await exchangeRaw(t, gateway.port, post('Content-Length: 11\r\n', ''))).status, 413)
  const client = await aClient(t, gateway.port)
  client.send(post('Transfer-Encoding: chunked\r\n', '5\r\nabcde\r\n'))
  await new Promise(resolve => setTimeout(resolve, 10))
  assert.equal((await client.send('6\r\nabcdef\r\n').answer()).status, 413)
})

test('response edits made in access reach whatever answer is sent', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok', 'X-A: up\r\nX-B: up\r\n'))
  const access = ({ response }: RequestPhase) => {
    response.setHeader('X-A', 'set')
    response.addHeader('X-B', 'added')
    assert.equal(response.header('x-a'), 'set')
    return undefined
  }
  const plugins = [{ access }]
  const routes: RouteOptions[] = [
    { path: '/no', plugins },
    { path: '/down', ports: [1], service: { retries: 0 }, plugins },
    { ports: [upstream.port], plugins },
  ]
  const gateway = await aGateway(t, { routes })
  for (const [path, status, b] of [
    ['/', 200, 'up, added'],
    ['/no', 503, 'added'],
    ['/down', 502, 'added'],
  ] as const) {
    const got = await exchangeRaw(t, gateway.port, get(path))
    assert.deepEqual([got.status, got.headers['x-a'], got.headers['x-b']], [status, 'set', b])
  }
})

test('log sees the head that was sent, whoever made it', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok', 'X-A: up\r\nServer: up\r\n'))
  const seen: string[] = []
  const log = ({ response }: LogPhase) => {
    seen.push(['x-a', 'server', 'content-length', 'x-gone'].map(name => response.header(name)).join())
  }
  const edit = ({ response }: RequestPhase) => {
    response.setHeader('X-A', 'set')
    response.clearHeader('X-Gone')
    return undefined
  }
  const editOwn = ({ response }: RequestPhase) => {
    response.setHeader('Server', 'plugin')
    return undefined
  }
  const gateway = await aGateway(t, {
    routes: [
      { path: '/plain', ports: [upstream.port], plugins: [{ log }] },
      { path: '/edit', ports: [upstream.port], plugins: [{ access: edit, log }] },
      { path: '/own', ports: [upstream.port], plugins: [{ access: editOwn, log }] },
      { path: '/filter', ports: [upstream.port], plugins: [{ access: edit, headerFilter: () => {}, log }] },
    ],
  })
  for (const path of ['/plain', '/edit', '/own', '/filter']) await exchangeRaw(t, gateway.port, get(path))
  assert.deepEqual(seen, ['up,up,2,', 'set,up,2,', 'up,plugin,2,', 'set,up,2,'])
})

test('headerFilter may change status, fields and body, and framing follows', async t => {
  const upstream = await aRawUpstream(
    t,
    () => 'HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  )
  const headerFilter = ({ response }: ResponsePhase) => {
    assert.deepEqual(response.headers()['x-a'], '1')
    response.status = 201
    response.clearHeader('X-A')
    response.setHeader('Content-Length', '999')
    response.transformBody(body => Buffer.from(`${body}!`))
    response.transformBody(body => later(Buffer.from(`${body}?`)))
  }
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port], plugins: [{ headerFilter }] }] })
  const client = await aClient(t, gateway.port)
  for (let i = 0; i < 2; i++) {
    const got = await client.send(get()).answer()
    assert.deepEqual([got.statusLine, got.body, got.headers['x-a']], ['HTTP/1.1 201 Created', 'abc!?', undefined])
    assert.equal(got.headers['content-length'], '5')
  }
  const own = await exchangeRaw(t, gateway.port, get('/none'))
  assert.equal(own.body, 'abc!?')
})

test('a body that is to be transformed and too large is answered for with 500', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('x'.repeat(2000)))
  const headerFilter = ({ response }: ResponsePhase) => response.transformBody(body => body)
  const gateway = await aGateway(t, {
    routes: [{ ports: [upstream.port], plugins: [{ headerFilter }] }],
    client: { bufferedBodyBytesMax: 1000 },
  })
  const got = await exchangeRaw(t, gateway.port, get())
  assert.equal(got.status, 500)
})

test('a plugin that waits while the client goes away is let go', async t => {
  let release = () => {}
  const journal: string[] = []
  const access = () => new Promise<undefined>(resolve => (release = () => resolve(undefined)))
  const log = ({ response }: LogPhase) => void journal.push(`${response.status}`)
  const gateway = await aGateway(t, { routes: [{ ports: [1], plugins: [{ access, log }] }] })
  const client = await aClient(t, gateway.port)
  client.send(get())
  while (gateway.engine.stats().requests === 0) await later(0)
  client.socket.resetAndDestroy()
  while (gateway.engine.stats().active > 0) await later(0)
  release()
  await later(0)
  assert.deepEqual(journal, ['499'])
})

test('serialize() gives the log entry of a proxied request', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok', 'X-Up: 1\r\n'))
  const entries: Record<string, any>[] = []
  const log = (exchange: LogPhase) => {
    exchange.setLogField('extra', 1)
    entries.push(exchange.serialize())
  }
  const gateway = await aGateway(t, { routes: [{ path: '/r', ports: [upstream.port], plugins: [{ log }] }] })
  await exchangeRaw(t, gateway.port, get('/r/x?a=1&b&a=2', 'Authorization: Basic x\r\nX-A: 1\r\n'))
  const [entry] = entries
  assert.equal(entry!['request'].uri, '/r/x?a=1&b&a=2')
  assert.equal(entry!['request'].url, `http://a:${gateway.port}/r/x?a=1&b&a=2`)
  assert.deepEqual({ ...entry!['request'].querystring }, { a: ['1', '2'], b: true })
  assert.deepEqual({ ...entry!['request'].headers }, { host: 'a', authorization: 'REDACTED', 'x-a': '1' })
  assert.equal(entry!['upstream_uri'], '/x?a=1&b&a=2')
  assert.equal(entry!['upstream_status'], '200')
  assert.equal(entry!['response'].status, 200)
  assert.equal(entry!['response'].headers['x-up'], '1')
  assert.deepEqual(Object.keys(entry!['latencies']).sort(), ['kong', 'proxy', 'receive', 'request'])
  assert.equal(entry!['tries'].length, 1)
  assert.equal(entry!['tries'][0].port, upstream.port)
  assert.deepEqual([entry!['client_ip'], entry!['source'], entry!['extra']], ['127.0.0.1', 'upstream', 1])
  assert.deepEqual([entry!['route'].name, entry!['service'].name], ['a-route', 'a-service'])
})

for (const [count, isCut] of [
  [3, false],
  [4, true],
] as const) {
  test(`plugins see three of ${count} headers and arguments where lua_max_* is 3, and all of them go on`, async t => {
    const names = Array.from({ length: count }, (_, i) => `a${i}`)
    const upstream = await aRawUpstream(t, () => `HTTP/1.1 204 OK\r\n${names.map(n => `${n}: 1\r\n`).join('')}\r\n`)
    const seen: object[] = []
    const plugin: PhaseHandlers = {
      async access({ request }) {
        const form = await readBodyArguments(request)
        seen.push(request.headers(), Object.fromEntries(request.queryArguments()))
        seen.push(form?.format === 'form' ? Object.fromEntries(form.table) : {})
        assert.equal(request.header(`a${count - 1}`), '1')
      },
      headerFilter: ({ response }) => void seen.push(response.headers()),
    }
    // Besides these, requests have three fields, and answers those that we add at the end.
    const responseHeadersMax = isCut ? 3 : 20
    const limits = { requestHeadersMax: 6, responseHeadersMax, queryArgumentsMax: 3, formArgumentsMax: 3 }
    const gateway = await aGateway(t, {
      routes: [{ ports: [upstream.port], plugins: [plugin] }],
      settings: { seen: limits },
    })
    const query = names.map(name => `${name}=1`).join('&')
    const type = 'Content-Type: application/x-www-form-urlencoded\r\n'
    const fields = `${type}Content-Length: ${query.length}\r\n${names.map(name => `${name}: 1\r\n`).join('')}`
    const client = await aClient(t, gateway.port)
    const got = await client.send(`POST /?${query} HTTP/1.1\r\nHost: a\r\n${fields}\r\n${query}`).answer()
    const three = { a0: '1', a1: '1', a2: '1' }
    for (const [i, view] of seen.entries()) {
      const shown = Object.entries(view).filter(([name]) => name.startsWith('a'))
      assert.deepEqual(Object.fromEntries(shown), three, `view ${i}`)
    }
    for (const what of ['request headers', 'uri args', 'post args', 'response headers']) {
      assert.equal(
        gateway.logged.some(line => line.includes(`[notice] ${process.pid}#0: ${what} truncated`)),
        isCut,
        what,
      )
    }
    const sent = upstream.requests[0]!
    assert.ok(sent.includes(`/?${query} `) && sent.endsWith(query) && sent.includes(`a${count - 1}: 1\r\n`))
    assert.equal(got.headers[`a${count - 1}`], '1')
  })
}
