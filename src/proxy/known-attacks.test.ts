/** Attacks that have worked on other proxies, by the names they are known by. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/random.ts'
import { aGateway } from '../../test/kit/proxy-gateway.ts'
import { aClient, aRawUpstream, exchangeRaw, okAnswer } from '../../test/kit/raw-http.ts'
import type { PhaseHandlers } from '../sdk/sdk.ts'
import { escapePath, isValidPath, normalizePath } from './http/normal-path.ts'

const alice: PhaseHandlers = {
  access(exchange) {
    exchange.authenticate({ id: 'c', username: 'alice' }, { id: 'k' })
    return undefined
  },
}
const lineOf = (request: string, name: string) => new RegExp(`\r\n${name}: ([^\r]*)\r\n`, 'i').exec(request)?.[1]

test('CVE-2023-25725: an empty header name hides nothing behind it', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok'))
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
  for (const name of [': x', ':', ' : x', '\t: x']) {
    const text = `POST / HTTP/1.1\r\nHost: a\r\n${name}\r\nContent-Length: 37\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n`
    const got = await exchangeRaw(t, gateway.port, text)
    assert.deepEqual([got.status, got.headers['connection']], [400, 'close'], JSON.stringify(name))
  }
  assert.deepEqual(upstream.requests, [])
})

test('CVE-2024-45410: Connection cannot take away what the gateway or its plugins say about the client', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok'))
  const names = [
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'X-Forwarded-Port',
    'X-Forwarded-Path',
    'X-Real-IP',
    'X-Kong-Request-Id',
    'Via',
    'Host',
    'X-Consumer-Username',
    'X-Consumer-ID',
  ]
  for (const trustedIps of [[], ['127.0.0.1']]) {
    const gateway = await aGateway(t, {
      routes: [
        {
          ports: [upstream.port],
          plugins: [alice],
        },
      ],
      settings: { trustedIps },
    })
    await exchangeRaw(
      t,
      gateway.port,
      `GET /p HTTP/1.1\r\nHost: front\r\nX-Consumer-Username: root\r\nConnection: close, ${names.join(', ')}\r\n\r\n`,
    )
    const request = upstream.requests.at(-1)!
    for (const name of names) assert.notEqual(lineOf(request, name), undefined, `${name} is there`)
    assert.equal(lineOf(request, 'X-Forwarded-Host'), 'front')
    assert.equal(lineOf(request, 'X-Forwarded-For'), '127.0.0.1')
    assert.equal(lineOf(request, 'X-Consumer-Username'), 'alice')
  }
})

test('CVE-2021-27306: no spelling of a path gets around the route that protects it', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok'))
  const gateway = await aGateway(t, {
    routes: [
      {
        path: '/admin',
        ports: [upstream.port],
        plugins: [{ access: () => ({ status: 401 }) }],
        route: { stripPath: false },
      },
      { path: '/', ports: [upstream.port], route: { stripPath: false } },
    ],
  })
  const spellings = [
    '/admin',
    '//admin',
    '///admin',
    '/./admin',
    '/%2e/admin',
    '/x/../admin',
    '/x/%2e%2e/admin',
    '/x/.%2E/admin',
    '/%61dmin',
    '/%61%64%6d%69%6e/x',
    '/x/./../admin',
    '/x//../admin',
    '/x/y/../../admin/z',
    '/admin/../admin',
  ]
  for (const path of spellings) {
    const got = await exchangeRaw(t, gateway.port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    assert.equal(got.status, 401, path)
  }
  assert.deepEqual(upstream.requests, [])
})

test('the path that is sent is the one that was matched, whatever the client wrote', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok'))
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port], route: { stripPath: false } }] })
  const client = await aClient(t, gateway.port)
  const seed = 20261128
  const random = seededRandom(seed)
  const parts = [
    '/',
    '//',
    '.',
    '..',
    '%2e',
    '%2E',
    '%2f',
    '%2F',
    '%5c',
    '\\',
    'a',
    '%61',
    '%25',
    '%20',
    ';',
    ':',
    '%3b',
    '\xe4',
    '%e4',
  ]
  for (let i = 0; i < 300; i++) {
    const length = 1 + Math.floor(random.next() * 8)
    const path = `/${Array.from({ length }, () => parts[Math.floor(random.next() * parts.length)]).join('')}`
    if (!isValidPath(path)) continue
    const got = await client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).answer()
    assert.equal(got.status, 200, `seed ${seed}: ${path}`)
    const sent = /^GET (\S*) /.exec(upstream.requests.at(-1)!)![1]!
    const matched = normalizePath(path)
    assert.equal(sent, escapePath(matched), `seed ${seed}: ${path}`)
    // Whoever normalises it again, as the next gateway does, finds the same.
    assert.equal(normalizePath(sent), matched, `seed ${seed}: ${path}`)
    assert.equal(escapePath(normalizePath(sent)), sent, `seed ${seed}: ${path}`)
  }
})

test('no upgrade but WebSocket reaches an upstream (h2c smuggling)', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok'))
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
  for (const protocol of ['h2c', 'h2', 'TLS/1.2', 'websocket, h2c', 'h2c, websocket']) {
    const client = await aClient(t, gateway.port)
    client.send(
      `GET / HTTP/1.1\r\nHost: a\r\nUpgrade: ${protocol}\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n`,
    )
    assert.equal((await client.answer()).status, 200)
    assert.doesNotMatch(upstream.requests.at(-1)!, /\r\n(?:upgrade|http2-settings):/i, protocol)
    assert.equal(lineOf(upstream.requests.at(-1)!, 'Connection'), 'keep-alive')
  }
})

test('a switch of protocols that nobody asked for is an error, and opens no tunnel', async t => {
  const upstream = await aRawUpstream(
    t,
    () => 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n',
  )
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port], service: { retries: 0 } }] })
  const got = await exchangeRaw(
    t,
    gateway.port,
    'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n',
  )
  assert.equal(got.status, 502)
})

test('a target that names a host says where the request goes, and Host cannot differ from it upstream', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok'))
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port], route: { preserveHost: true } }] })
  await exchangeRaw(t, gateway.port, 'GET http://real.test/x HTTP/1.1\r\nHost: other.test\r\n\r\n')
  assert.match(upstream.requests[0]!, /^GET \/x HTTP\/1\.1\r\nHost: real\.test\r\n/)
  assert.doesNotMatch(upstream.requests[0]!, /other\.test/)
})

for (const method of ['CONNECT a:80', 'TRACE /']) {
  test(`${method} opens no tunnel and echoes nothing`, async t => {
    const upstream = await aRawUpstream(t, () => okAnswer('ok'))
    const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
    assert.equal((await exchangeRaw(t, gateway.port, `${method} HTTP/1.1\r\nHost: a:80\r\n\r\n`)).status, 405)
    assert.deepEqual(upstream.requests, [])
  })
}
