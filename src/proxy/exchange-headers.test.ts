import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PhaseHandlers } from '../sdk/sdk.ts'
import { aGateway, proxySettings } from '../../test/kit/proxy-gateway.ts'
import { aClient, aRawUpstream, exchangeRaw, okAnswer } from '../../test/kit/raw-http.ts'

const get = (path = '/', lines = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`

test('fields about the client connection are not passed on, all others are, as sent', async t => {
  const upstream = await aRawUpstream(t, request => okAnswer(request))
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
  const hop =
    'Connection: X-Del, keep-alive\r\nX-Del: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nProxy: x\r\nUpgrade: foo\r\n' +
    'HTTP2-Settings: x\r\nX-Kong-Request-Id: forged\r\n'
  const kept =
    'X-A: 1\r\nx-a:2\r\nx_under: u\r\nX-Empty:\r\nCookie: a=1\r\nCookie: b=2\r\nTrailer: x\r\nX-Delete: 1\r\nX-Text: \xe4\r\n'
  const { body } = await exchangeRaw(t, gateway.port, get('/', `X-First: 1\r\n${hop}${kept}TE: gzip, trailers\r\n`))
  assert.ok(body.includes(`\r\nX-First: 1\r\n${kept}`), body)
  assert.match(body, /\r\nTE: trailers\r\n/)
  assert.match(body, /\r\nConnection: keep-alive\r\n/)
  assert.doesNotMatch(body, /x-del:|keep-alive: |proxy|upgrade|http2|forged/i)
})

test('X-Forwarded-* claims count only when the peer is trusted', async t => {
  const claims =
    'X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: f.test\r\nX-Forwarded-Port: 999\r\n' +
    'X-Forwarded-Path: /zz\r\nX-Forwarded-Prefix: /pp\r\nX-Real-IP: 9.9.9.9\r\nVia: 1.0 x\r\n'
  const upstream = await aRawUpstream(t, request => okAnswer(request))
  const routes = [{ path: '/echo', ports: [upstream.port] }]
  const open = await aGateway(t, { routes })
  const distrusted = (await exchangeRaw(t, open.port, get('/echo', claims))).body
  for (const line of [
    'X-Forwarded-For: 1.2.3.4, 127.0.0.1',
    'X-Forwarded-Proto: http',
    'X-Forwarded-Host: a',
    `X-Forwarded-Port: ${open.port}`,
    'X-Forwarded-Path: /echo',
    'X-Forwarded-Prefix: /echo',
    'X-Real-IP: 127.0.0.1',
    'Via: 1.0 x, 1.1 kong/3.9.1',
  ]) {
    assert.ok(distrusted.includes(`\r\n${line}\r\n`), `${line} in ${distrusted}`)
  }
  const trusting = await aGateway(t, { routes, settings: { trustedIps: ['127.0.0.0/8'] } })
  const trusted = (await exchangeRaw(t, trusting.port, get('/echo', claims))).body
  for (const line of [
    'X-Forwarded-For: 1.2.3.4, 127.0.0.1',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: f.test',
    'X-Forwarded-Port: 999',
    'X-Forwarded-Path: /zz',
    'X-Forwarded-Prefix: /pp',
    'X-Real-IP: 9.9.9.9',
  ]) {
    assert.ok(trusted.includes(`\r\n${line}\r\n`), `${line} in ${trusted}`)
  }
})

test('Host is the target, or the one the client sent when the route preserves it', async t => {
  const upstream = await aRawUpstream(t, request => okAnswer(/\r\nHost: (.*)\r\n/.exec(request)![1]!))
  const routes = [
    { path: '/keep', ports: [upstream.port], route: { preserveHost: true } },
    { path: '/', ports: [upstream.port] },
  ]
  const gateway = await aGateway(t, { routes })
  const client = await aClient(t, gateway.port)
  const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: A.test:8\r\n\r\n`
  assert.equal((await client.send(request('/keep')).answer()).body, 'A.test:8')
  assert.equal((await client.send(request('/x')).answer()).body, `127.0.0.1:${upstream.port}`)
})

test('the upstream head is passed on with our fields in the place of its own', async t => {
  const upstream = await aRawUpstream(t, () =>
    okAnswer(
      'ok',
      'Server: up/1\r\nDate: then\r\nVia: 1.0 x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: X-Del\r\nX-Del: 1\r\n' +
        'Keep-Alive: 5\r\nUpgrade: x\r\nX-Kong-Proxy-Latency: 99999\r\nX-Kong-Request-Id: forged\r\n',
    ),
  )
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
  const got = await exchangeRaw(t, gateway.port, get())
  assert.equal(got.headers['server'], 'up/1')
  assert.equal(got.headers['date'], 'then')
  assert.equal(got.headers['via'], '1.0 x, 1.1 kong/3.9.1')
  assert.equal(got.headers['set-cookie'], 'a=1, b=2')
  assert.match(got.headers['x-kong-proxy-latency']!, /^\d{1,3}$/)
  assert.match(got.headers['x-kong-request-id']!, /^[0-9a-f]{32}$/)
  assert.doesNotMatch(got.head, /x-del|keep-alive: |upgrade|forged/i)
})

test('`headers` decides which of our own fields are sent', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok', 'Via: 1.0 x\r\n'))
  const none = { server: false, via: false, proxyLatency: false, upstreamLatency: false, responseLatency: false }
  const gateway = await aGateway(t, {
    routes: [{ path: '/u', ports: [upstream.port] }],
    settings: { responseHeaders: { ...none, upstreamStatus: true, requestId: false }, upstreamRequestId: false },
  })
  const proxied = await exchangeRaw(t, gateway.port, get('/u'))
  assert.deepEqual(Object.keys(proxied.headers).sort(), [
    'connection',
    'content-length',
    'date',
    'via',
    'x-kong-upstream-status',
  ])
  const own = await exchangeRaw(t, gateway.port, get('/none'))
  assert.deepEqual(Object.keys(own.headers).sort(), ['connection', 'content-length', 'content-type', 'date'])
  assert.doesNotMatch(upstream.requests[0]!, /x-kong-request-id/i)
})

/** What a plugin sets in vain, but for Server where the upstream's answer could have had one, too. */
const ownNames = [
  'Via',
  'X-Kong-Request-Id',
  'X-Kong-Proxy-Latency',
  'X-Kong-Upstream-Latency',
  'X-Kong-Response-Latency',
]
const forge: PhaseHandlers = {
  headerFilter({ response }) {
    assert.deepEqual(
      ownNames.map(name => response.header(name)),
      ownNames.map(() => undefined),
    )
    for (const name of ownNames) response.addHeader(name, 'forged')
    response.setHeader('Server', 'plugin')
  },
}

test('header filters have no say in our own fields, which are set after them', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok', 'Server: up\r\n'))
  const reply: PhaseHandlers = { access: () => ({ status: 200, body: 'x', headers: { Server: 'reply' } }) }
  const gateway = await aGateway(t, {
    routes: [
      { path: '/proxied', ports: [upstream.port], plugins: [forge] },
      { path: '/own', ports: [1], plugins: [reply, forge] },
      { path: '/refused', ports: [1], plugins: [forge] },
    ],
  })
  const proxied = (await exchangeRaw(t, gateway.port, get('/proxied'))).headers
  assert.deepEqual([proxied['server'], proxied['via']], ['plugin', '1.1 kong/3.9.1'])
  const own = (await exchangeRaw(t, gateway.port, get('/own'))).headers
  assert.deepEqual([own['server'], own['via']], ['kong/3.9.1', 'forged'])
  const refused = (await exchangeRaw(t, gateway.port, get('/refused'))).headers
  assert.deepEqual([refused['server'], refused['via']], ['plugin', '1.1 kong/3.9.1'])
  for (const headers of [proxied, own, refused]) assert.match(headers['x-kong-request-id']!, /^[0-9a-f]{32}$/)
  for (const headers of [proxied, refused]) {
    assert.match(headers['x-kong-proxy-latency']!, /^\d+$/)
    assert.match(headers['x-kong-upstream-latency']!, /^\d+$/)
  }
  assert.match(own['x-kong-response-latency']!, /^\d+$/)
})

test('Server of an answer of ours is a plugin’s only with a Via that names us, and is removed where `headers` has none', async t => {
  const access: PhaseHandlers['access'] = () => ({ status: 200, body: 'x' })
  const named: PhaseHandlers = {
    access,
    headerFilter({ response }) {
      if (response.header('Server') === undefined) response.setHeader('Server', 'Demo')
      response.setHeader('Via', 'kong/3.9.1')
    },
  }
  const routes = [
    { path: '/named', ports: [1], plugins: [named] },
    { path: '/', ports: [1], plugins: [forge, { access }] },
  ]
  const gateway = await aGateway(t, { routes })
  assert.equal((await exchangeRaw(t, gateway.port, get('/named'))).headers['server'], 'Demo')
  const responseHeaders = { ...proxySettings.responseHeaders, server: false }
  const quiet = await aGateway(t, { routes, settings: { responseHeaders } })
  assert.equal((await exchangeRaw(t, quiet.port, get('/'))).headers['server'], undefined)
})

test('route and service are named when Kong-Debug asks and settings allow', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok'))
  const routes = [{ ports: [upstream.port] }]
  const open = await aGateway(t, { routes, settings: { allowDebugHeader: true } })
  const asked = await exchangeRaw(t, open.port, get('/', 'Kong-Debug: 1\r\n'))
  assert.deepEqual([asked.headers['kong-route-id'], asked.headers['kong-service-name']], ['route-0', 'a-service'])
  assert.equal((await exchangeRaw(t, open.port, get())).headers['kong-route-id'], undefined)
  const shut = await aGateway(t, { routes })
  assert.equal((await exchangeRaw(t, shut.port, get('/', 'Kong-Debug: 1\r\n'))).headers['kong-route-id'], undefined)
})

const NEGOTIATED: readonly (readonly [path: string, lines: string, type: string])[] = [
  ['/none', '', 'application/json'],
  ['/none', 'Accept: text/html\r\n', 'text/html'],
  ['/none', 'Accept: application/xml\r\n', 'application/xml'],
  ['/none', 'Accept: text/plain\r\n', 'text/plain'],
  ['/none', 'Accept: image/png\r\n', 'application/json'],
  ['/down', '', 'text/plain'],
  ['/down', 'Accept: */*\r\n', 'application/json'],
  ['/down', 'Accept: text/*\r\n', 'text/plain'],
  ['/down', 'Accept: text/html;q=0.1, text/plain;q=0.9\r\n', 'text/plain'],
  ['/down', 'Content-Type: application/xml\r\n', 'application/xml'],
  ['/down', 'Accept: image/png\r\n', 'application/json'],
]

for (const [path, lines, type] of NEGOTIATED) {
  test(`an error of ${path} is ${type} when asked ${JSON.stringify(lines)}`, async t => {
    const gateway = await aGateway(t, { routes: [{ path: '/down', ports: [1], service: { retries: 0 } }] })
    const got = await exchangeRaw(t, gateway.port, get(path, lines))
    assert.equal(got.headers['content-type'], `${type}; charset=utf-8`)
    assert.ok(got.body.includes(got.headers['x-kong-request-id']!))
  })
}

test('failures to find an upstream have their own answers', async t => {
  const gateway = await aGateway(t, {
    routes: [
      { path: '/dns', failure: 'name_resolution_failed' },
      { path: '/dead', failure: 'no_live_target' },
      { path: '/broken', failure: 'dns_error' },
      { path: '/noservice' },
    ],
  })
  for (const [path, status, message] of [
    ['/dns', 503, 'name resolution failed'],
    ['/dead', 503, 'failure to get a peer from the ring-balancer'],
    ['/broken', 500, 'An unexpected error occurred'],
    ['/noservice', 503, 'no Service found with those values'],
    ['/', 404, 'no Route matched with those values'],
  ] as const) {
    const got = await exchangeRaw(t, gateway.port, get(path))
    assert.deepEqual([got.status, JSON.parse(got.body).message], [status, message])
    assert.match(got.headers['x-kong-response-latency']!, /^\d+$/)
  }
  const unready = await aGateway(t, { hasConfiguration: false })
  const got = await exchangeRaw(t, unready.port, get())
  assert.deepEqual([got.status, JSON.parse(got.body).message], [503, 'no configuration received yet'])
})

test('a route for HTTPS answers plain requests with 426 or a redirect', async t => {
  const https = (path: string, httpsRedirectStatusCode: 426 | 301 | 308) => ({
    path,
    ports: [1],
    route: { http: false, https: true, httpsRedirectStatusCode },
  })
  const routes = [https('/u', 426), https('/m', 301), https('/p', 308)]
  const gateway = await aGateway(t, { routes })
  const upgrade = await exchangeRaw(t, gateway.port, get('/u'))
  assert.deepEqual([upgrade.status, JSON.parse(upgrade.body).message], [426, 'Please use HTTPS protocol'])
  assert.equal(upgrade.headers['upgrade'], 'TLS/1.2, HTTP/1.1')
  assert.match(upgrade.headers['connection']!, /upgrade/i)
  const moved = await exchangeRaw(t, gateway.port, 'GET /m?a=b HTTP/1.1\r\nHost: x.test:80\r\n\r\n')
  assert.deepEqual([moved.status, moved.headers['location'], moved.body], [301, 'https://x.test/m?a=b', ''])
  assert.equal((await exchangeRaw(t, gateway.port, get('/p'))).status, 308)
  const trusting = await aGateway(t, { routes, settings: { trustedIps: ['127.0.0.1'] } })
  assert.equal((await exchangeRaw(t, trusting.port, get('/u', 'X-Forwarded-Proto: https\r\n'))).status, 502)
})

test('a gRPC route asks for gRPC and HTTP/2', async t => {
  const gateway = await aGateway(t, { routes: [{ ports: [1], route: { grpc: true } }] })
  assert.equal((await exchangeRaw(t, gateway.port, get())).status, 415)
  const got = await exchangeRaw(t, gateway.port, get('/', 'Content-Type: application/grpc+proto\r\n'))
  assert.deepEqual([got.status, got.headers['upgrade'], got.headers['grpc-status']], [426, 'HTTP/2', undefined])
  assert.equal(JSON.parse(got.body).message, 'Please use HTTP2 protocol')
})

test('the access log cannot be forged', async t => {
  const gateway = await aGateway(t, { settings: { responseHeaders: proxySettings.responseHeaders } })
  const lines = 'User-Agent: x" 200 "\r\nReferer: \\\xe4\r\nAuthorization: Basic am9lOnNlY3JldA==\r\n'
  const got = await exchangeRaw(t, gateway.port, get('/x"y', lines))
  const id = got.headers['x-kong-request-id']
  assert.equal(
    gateway.accessLog[0]!.replace(/\[.*?\]/, '[]'),
    `127.0.0.1 - joe [] "GET /x\\x22y HTTP/1.1" 404 ${got.body.length} "\\x5C\\xE4" "x\\x22 200 \\x22" kong_request_id: "${id}"`,
  )
})

const TYPES: readonly (readonly [sent: string, received: string])[] = [
  ['text/plain', 'text/plain; charset=UTF-8'],
  ['TEXT/HTML;q=1', 'TEXT/HTML;q=1; charset=UTF-8'],
  ['text/html; charset=latin1', 'text/html; charset=latin1'],
  ['application/json', 'application/json'],
  ['text/css', 'text/css'],
  ['text/plainer', 'text/plainer'],
]

for (const [sent, received] of TYPES) {
  test(`a proxied answer of type ${sent} arrives as ${received}`, async t => {
    const upstream = await aRawUpstream(t, request =>
      okAnswer('ok', `Content-Type: ${sent}\r\n${request.includes('gzip') ? 'Content-Encoding: gzip\r\n' : ''}`),
    )
    const routes = [
      { path: '/filtered', ports: [upstream.port], plugins: [{ headerFilter: () => {} }] },
      { ports: [upstream.port] },
    ]
    const gateway = await aGateway(t, { routes })
    for (const path of ['/', '/filtered']) {
      assert.equal((await exchangeRaw(t, gateway.port, get(path))).headers['content-type'], received)
      assert.equal((await exchangeRaw(t, gateway.port, get(`${path}?gzip`))).headers['content-type'], sent)
    }
    const off = await aGateway(t, { routes, settings: { charset: null } })
    assert.equal((await exchangeRaw(t, off.port, get())).headers['content-type'], sent)
  })
}
