/** http-log: what is sent, how often, and what the configuration may say. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configOf, FakeClock, FakeExchange, fakeTools, prepared, settle } from '../../test/kit/plugin-exchange.ts'
import type { HttpSend } from '../sdk/http-sender.ts'
import httpLog from './http-log.ts'

function setUp(config: object, statuses: (number | Error)[] = []) {
  const sent: HttpSend[] = []
  const clock = new FakeClock()
  const send = async (request: HttpSend) => {
    sent.push(request)
    const status = statuses.shift() ?? 200
    if (status instanceof Error) throw status
    return { status, body: 'answer' }
  }
  const tools = fakeTools({ clock, send })
  const given = { http_endpoint: 'http://log.test:8000/in', ...config }
  const handlers = prepared(httpLog, given, tools)
  const log = (method = 'GET') => new FakeExchange({ method }).log(handlers)
  return { sent, clock, tools, handlers, log, given }
}

test('http-log sends one object per request when batches have one entry', async () => {
  const { sent, log } = setUp({})
  log('GET')
  log('PUT')
  await settle()
  const bodies = ['GET', 'PUT'].map(method => JSON.stringify({ request: { method }, response: { status: 200 } }))
  assert.deepEqual(
    sent.map(({ body }) => body),
    bodies,
  )
  assert.equal(sent[0]!.url.href, 'http://log.test:8000/in')
  assert.equal(sent[0]!.method, 'POST')
  assert.equal(sent[0]!.timeoutMs, 10_000)
  assert.equal(sent[0]!.keepaliveMs, 60_000)
  assert.deepEqual(sent[0]!.headers, {
    'Content-Type': 'application/json',
    'Content-Length': String(bodies[0]!.length),
  })
})

test('http-log sends a list when batches may have several entries, after the coalescing delay', async () => {
  const { sent, log, clock } = setUp({ queue: { max_batch_size: 3, max_coalescing_delay: 2 } })
  for (let i = 0; i < 4; i++) log()
  await settle()
  assert.deepEqual(
    sent.map(({ body }) => JSON.parse(String(body)).length),
    [3],
  )
  await clock.advance(1999)
  assert.equal(sent.length, 1)
  await clock.advance(1)
  assert.equal(sent[1]!.body, '[{"request":{"method":"GET"},"response":{"status":200}}]')
})

test('http-log takes settings, headers, user information and drops the query of the endpoint', async () => {
  const { sent, log } = setUp({
    http_endpoint: 'https://me:p%40ss@log.test/in?token=1#x',
    method: 'PUT',
    content_type: 'application/json; charset=utf-8',
    timeout: 5,
    keepalive: 6,
    headers: { 'X-A': '1' },
  })
  log()
  await settle()
  const { url, method, timeoutMs, keepaliveMs, headers, verifyTls } = sent[0]!
  assert.deepEqual([url.href, method, timeoutMs, keepaliveMs, verifyTls], ['https://log.test/in', 'PUT', 5, 6, false])
  assert.equal(headers['Authorization'], `Basic ${Buffer.from('me:p@ss').toString('base64')}`)
  assert.equal(headers['X-A'], '1')
  assert.equal(headers['Content-Type'], 'application/json; charset=utf-8')
})

test('http-log tries again when the answer is not below 300 or there is none', async () => {
  const { sent, log, clock, tools } = setUp({ queue: { initial_retry_delay: 1 } }, [301, new Error('refused'), 204])
  log()
  await settle()
  assert.match(tools.logged.join(), /request to log\.test:8000 returned status code 301 and body answer/)
  await clock.advance(1000)
  await clock.advance(2000)
  assert.equal(sent.length, 3)
})

test('http-log instances share a queue when they are configured alike, and not otherwise', async () => {
  const { sent, log, tools, given } = setUp({ queue: { max_batch_size: 2, max_coalescing_delay: 60 } })
  log()
  new FakeExchange().log(prepared(httpLog, { ...given, headers: { a: '1' } }, tools))
  await settle()
  assert.equal(sent.length, 0)
  new FakeExchange().log(prepared(httpLog, given, tools))
  await settle()
  assert.equal(sent.length, 1)
})

test('http-log writes no password to the log', async () => {
  const { log, tools } = setUp({ http_endpoint: 'http://me:secret@log.test/' }, [500])
  log()
  await settle()
  assert.ok(tools.logged.length > 0)
  assert.doesNotMatch(tools.logged.join(), /secret/)
})

test('http-log honours the old queue fields when they differ from their old defaults', async () => {
  const { sent, log, clock } = setUp({ queue_size: 2, flush_timeout: 5 })
  log()
  await clock.advance(4999)
  assert.equal(sent.length, 0)
  await clock.advance(1)
  assert.equal(sent.length, 1)
  const old = setUp({ queue_size: 1, flush_timeout: 2, retry_count: 10 })
  old.log()
  await settle()
  assert.equal(old.sent.length, 1)
})

test('http-log sets and removes members when custom_fields_by_lua is set', () => {
  const { handlers } = setUp({
    custom_fields_by_lua: {
      a: 'return "text"',
      b: "return kong.request.get_header('x-a')",
      c: 'return nil',
      d: 'return 5;',
      e: ' return true ',
    },
  })
  const exchange = new FakeExchange({ headers: { 'x-a': '1' } })
  exchange.log(handlers)
  assert.deepEqual(exchange.logFields, { a: 'text', b: '1', c: undefined, d: 5, e: true })
})

const endpoint = { http_endpoint: 'http://log.test/' }
const rules: [config: object, message: RegExp | null][] = [
  [endpoint, null],
  [{ ...endpoint, headers: { authorization: 'x' } }, null],
  [{ http_endpoint: 'http://a:b@log.test/', headers: { other: 'x' } }, null],
  [{ http_endpoint: 'http://a:b@log.test/', headers: { AUTHORIZATION: 'x' } }, /^specifying both an 'Authorization'/],
  [{ ...endpoint, custom_fields_by_lua: { a: 'return os.time()' } }, /^custom_fields_by_lua\.a: only a literal/],
  [{ ...endpoint, custom_fields_by_lua: { a: 'local x = 1' } }, /^custom_fields_by_lua\.a: only a literal/],
]
for (const [config, message] of rules) {
  test(`config_validator() says ${message} when given ${JSON.stringify(config)}`, () => {
    const error = httpLog.config_validator!(configOf(httpLog, config))
    if (message === null) assert.equal(error, null)
    else assert.match(error!, message)
  })
}
