/** cors: which origins are allowed, what preflights and other responses carry. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeExchange, prepared, type FakeExchangeOptions } from '../../test/kit/plugin-exchange.ts'
import { originError } from '../sdk/origin-matcher.ts'
import cors from './cors.ts'

const all = 'GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT'
const preflight = (origin: string, headers: Record<string, string> = {}): FakeExchangeOptions => ({
  method: 'OPTIONS',
  headers: { origin, 'access-control-request-method': 'GET', ...headers },
})

/** Both phases, as in a gateway; the headers of the answer by lower-case name. */
async function run(config: object, request: FakeExchangeOptions) {
  const handlers = prepared(cors, config)
  const exchange = new FakeExchange(request)
  const reply = await exchange.access(handlers)
  exchange.headerFilter(handlers)
  return { reply, headers: exchange.response.headers() }
}

const origins: [config: object, origin: string | null, allowed: string | undefined, varies: boolean][] = [
  [{}, 'http://a.test', '*', false],
  [{}, null, '*', false],
  [{ origins: ['*'] }, 'http://a.test', '*', false],
  [{ origins: ['http://a.test'] }, 'http://a.test', 'http://a.test', true],
  [{ origins: ['http://a.test'] }, 'http://evil.test', 'http://a.test', true],
  [{ origins: ['http://a.test'] }, null, 'http://a.test', true],
  [{ origins: ['http://a.test', 'http://b.test'] }, 'http://b.test', 'http://b.test', true],
  [{ origins: ['http://a.test', 'http://b.test'] }, 'http://b.test:80', 'http://b.test', true],
  [{ origins: ['http://a.test', 'https://b.test:443'] }, 'https://b.test', 'https://b.test', true],
  [{ origins: ['http://a.test', 'http://b.test'] }, 'http://b.test:81', undefined, true],
  [{ origins: ['http://a.test', 'http://b.test'] }, 'https://b.test', undefined, true],
  [{ origins: ['http://a.test', 'http://b.test'] }, null, undefined, true],
  [{ origins: ['http://a.test', '*'] }, 'http://b.test', '*', true],
  [{ origins: ['.*\\.test'] }, 'http://b.test', 'http://b.test', true],
  [{ origins: ['.*\\.test'] }, 'http://b.test.evil', undefined, true],
  [{ origins: ['^b[.]test$'] }, 'https://b.test:8443', 'https://b.test:8443', true],
  [{ origins: ['https?://(a|b)\\.test'] }, 'http://b.test', 'http://b.test', true],
  [{ origins: ['https?://(a|b)\\.test'] }, 'xhttp://b.test', undefined, true],
  [{ origins: ['a.test', 'null'] }, 'null', 'null', true],
]
for (const [config, origin, allowed, varies] of origins) {
  const name = `cors allows ${allowed} when ${origin} meets ${JSON.stringify(config)}`
  test(name, async () => {
    const { reply, headers } = await run(config, { headers: origin === null ? {} : { origin } })
    assert.equal(reply, undefined)
    assert.equal(headers['access-control-allow-origin'], allowed)
    assert.equal(headers['vary'], varies ? 'Origin' : undefined)
    assert.equal(headers['access-control-allow-methods'], undefined)
  })
}

test('cors answers a preflight when it is one', async () => {
  const { reply, headers } = await run({}, preflight('http://a.test', { 'access-control-request-headers': 'x-a, x-b' }))
  assert.deepEqual(reply, { status: 200 })
  assert.deepEqual(headers, {
    'access-control-allow-origin': '*',
    'access-control-allow-headers': 'x-a, x-b',
    'access-control-allow-methods': all,
  })
})

test('cors answers a preflight with everything that is configured', async () => {
  const config = {
    origins: ['http://a.test', 'http://b.test'],
    headers: ['X-A', 'X-B'],
    exposed_headers: ['X-E'],
    methods: ['GET', 'POST'],
    max_age: 60,
    credentials: true,
    private_network: true,
  }
  const { headers } = await run(
    config,
    preflight('http://b.test', { 'access-control-request-private-network': 'true' }),
  )
  assert.deepEqual(headers, {
    vary: 'Origin',
    'access-control-allow-origin': 'http://b.test',
    'access-control-allow-credentials': 'true',
    'access-control-allow-headers': 'X-A,X-B',
    'access-control-allow-methods': 'GET,POST',
    'access-control-max-age': '60',
    'access-control-allow-private-network': 'true',
  })
})

test('cors does not allow a private network when that is off or not asked for', async () => {
  const asked = { 'access-control-request-private-network': 'true' }
  const name = 'access-control-allow-private-network'
  assert.equal((await run({}, preflight('http://a.test', asked))).headers[name], undefined)
  assert.equal((await run({ private_network: true }, preflight('http://a.test'))).headers[name], undefined)
})

const notPreflights: FakeExchangeOptions[] = [
  { method: 'GET', headers: { origin: 'http://a.test', 'access-control-request-method': 'GET' } },
  { method: 'OPTIONS', headers: { 'access-control-request-method': 'GET' } },
  { method: 'OPTIONS', headers: { origin: '', 'access-control-request-method': 'GET' } },
  { method: 'OPTIONS', headers: { origin: 'http://a.test' } },
]
for (const request of notPreflights) {
  test(`cors proxies when the request is no preflight: ${JSON.stringify(request)}`, async () => {
    const { reply, headers } = await run({}, request)
    assert.equal(reply, undefined)
    assert.equal(headers['access-control-allow-origin'], '*')
  })
}

test('cors leaves preflight and its answer alone when preflight_continue is on', async () => {
  const { reply, headers } = await run({ preflight_continue: true }, preflight('http://a.test'))
  assert.equal(reply, undefined)
  assert.deepEqual(headers, {})
})

test('cors names the origin instead of * when credentials are allowed', async () => {
  const { headers } = await run({ credentials: true }, { headers: { origin: 'http://a.test' } })
  assert.deepEqual(headers, {
    'access-control-allow-origin': 'http://a.test',
    'access-control-allow-credentials': 'true',
    vary: 'Origin',
  })
  const { headers: without } = await run({ credentials: true }, {})
  assert.deepEqual(without, { 'access-control-allow-origin': '*' })
})

test('cors exposes headers and keeps the Vary of the upstream', async () => {
  const request = { headers: { origin: 'http://a.test' }, responseHeaders: { vary: 'Accept' } }
  const { headers } = await run({ origins: ['http://a.test'], exposed_headers: ['X-A', 'X-B'] }, request)
  assert.equal(headers['access-control-expose-headers'], 'X-A,X-B')
  assert.deepEqual(headers['vary'], ['Accept', 'Origin'])
})

test('cors removes the upstream’s permission when the origin is not allowed', async () => {
  const responseHeaders = { 'access-control-allow-origin': '*' }
  const request = { headers: { origin: 'http://evil.test' }, responseHeaders }
  const { headers } = await run({ origins: ['http://a.test', 'http://b.test'] }, request)
  assert.equal(headers['access-control-allow-origin'], undefined)
})

test('cors takes expressions with look-around, and no origin makes one take long', async () => {
  const origins = ['^https://(?!admin\\.)[a-z]+\\.test$', '^http://(x+x+)+y$']
  const allowed = async (origin: string) =>
    (await run({ origins }, { headers: { origin } })).headers['access-control-allow-origin']
  assert.equal(await allowed('https://www.test'), 'https://www.test')
  assert.equal(await allowed('https://admin.test'), undefined)
  assert.equal(await allowed(`http://${'x'.repeat(200)}`), undefined)
})

test('originError() refuses what is no regular expression', () => {
  assert.equal(originError('*'), null)
  assert.equal(originError('https?://a'), null)
  assert.equal(originError('(a'), "'(a' is not a valid regex")
})
