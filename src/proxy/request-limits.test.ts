/** The limits and switches of kong.conf that no other test looks at. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aGateway } from '../../test/kit/proxy-gateway.ts'
import { aClient, aRawUpstream, exchangeRaw, okAnswer } from '../../test/kit/raw-http.ts'

const get = (path = '/', lines = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`

test('a client connection ends with its keepalive_requests-th answer', async t => {
  const gateway = await aGateway(t, { client: { keepaliveRequestsMax: 3 } })
  const client = await aClient(t, gateway.port)
  const seen: (string | undefined)[] = []
  for (let i = 0; i < 3; i++) seen.push((await client.send(get()).answer()).headers['connection'])
  assert.deepEqual(seen, ['keep-alive', 'keep-alive', 'close'])
  client.socket.end()
  await client.closed()
})

test('a second head that comes too slowly is cut off like the first', async t => {
  const gateway = await aGateway(t, { client: { headTimeoutMs: 100 } })
  const client = await aClient(t, gateway.port)
  assert.equal((await client.send(get()).answer()).status, 404)
  // Byte by byte: each is progress, and none of them prolongs the time for the whole.
  const drip = setInterval(() => client.socket.writable && client.socket.write('G'), 20)
  t.after(() => clearInterval(drip))
  client.send('GET / HTTP/1.1\r\nX: ')
  const got = await client.answer()
  assert.deepEqual([got.status, got.headers['connection']], [408, 'close'])
})

for (const [what, keepalive, connections] of [
  ['upstream_keepalive_pool_size = 0', { poolSize: 0, requestsMax: 0, idleTimeoutS: 60 }, 4],
  ['upstream_keepalive_max_requests = 2', { poolSize: 10, requestsMax: 2, idleTimeoutS: 60 }, 2],
  ['no limit', { poolSize: 10, requestsMax: 0, idleTimeoutS: 60 }, 1],
] as const) {
  test(`four requests take ${connections} upstream connections with ${what}`, async t => {
    const upstream = await aRawUpstream(t, () => okAnswer('ok'))
    const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }], settings: { keepalive } })
    const client = await aClient(t, gateway.port)
    for (let i = 0; i < 4; i++) await client.send(get()).answer()
    assert.equal(upstream.connections, connections)
  })
}

test('an idle upstream connection is closed after upstream_keepalive_idle_timeout', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok'))
  const ended = new Promise<void>(resolve =>
    upstream.server.on('connection', socket => socket.once('end', () => resolve())),
  )
  const gateway = await aGateway(t, {
    routes: [{ ports: [upstream.port] }],
    settings: { keepalive: { poolSize: 10, requestsMax: 0, idleTimeoutS: 0.05 } },
  })
  await exchangeRaw(t, gateway.port, get())
  await ended
})

test('error templates of the settings are used, each for its form, with message and request id', async t => {
  const gateway = await aGateway(t, {
    settings: {
      errorTemplates: { html: '<b>%s</b> %s', json: '{"m":"%s","i":"%s"}', xml: '<m>%s</m>%s', plain: 'P %s %s' },
    },
  })
  for (const [accept, body] of [
    ['text/html', (id: string) => `<b>no Route matched with those values</b> ${id}`],
    ['application/json', (id: string) => `{"m":"no Route matched with those values","i":"${id}"}`],
    ['application/xml', (id: string) => `<m>no Route matched with those values</m>${id}`],
    ['text/plain', (id: string) => `P no Route matched with those values ${id}`],
  ] as const) {
    const got = await exchangeRaw(t, gateway.port, get('/', `Accept: ${accept}\r\n`))
    assert.equal(got.body, body(got.headers['x-kong-request-id']!), accept)
  }
})

for (const [type, pattern] of [
  ['text/plain', /^Bad request\nrequest_id: /],
  ['application/json', /"message":"Bad request"/],
  ['application/xml', /<message>Bad request<\/message>/],
  ['text/html', /<p>Bad request\.<\/p>/],
] as const) {
  test(`a request that is refused is answered in error_default_type, ${type}`, async t => {
    const gateway = await aGateway(t, { settings: { errorDefaultType: type } })
    const got = await exchangeRaw(t, gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n')
    assert.equal(got.status, 400)
    assert.match(got.headers['content-type']!, new RegExp(`^${type}`))
    assert.match(got.body, pattern)
  })
}

test('an added header is on proxied and own answers with the statuses that nginx adds to', async t => {
  const upstream = await aRawUpstream(t, request =>
    request.startsWith('GET /bad') ? 'HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n' : okAnswer('ok'),
  )
  const always = { name: 'X-Always', value: 'a', always: true }
  const gateway = await aGateway(t, {
    routes: [
      { path: '/bad', ports: [upstream.port], route: { stripPath: false } },
      { path: '/good', ports: [upstream.port] },
    ],
    settings: { addedHeaders: [{ name: 'X-Added', value: 'b c', always: false }, always] },
  })
  const seen = async (path: string) => {
    const { headers } = await exchangeRaw(t, gateway.port, get(path))
    return [headers['x-added'], headers['x-always']]
  }
  assert.deepEqual(await seen('/good'), ['b c', 'a'])
  assert.deepEqual(await seen('/bad'), [undefined, 'a'])
  assert.deepEqual(await seen('/none'), [undefined, 'a'])
})
