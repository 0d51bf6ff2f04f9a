/** rate-limiting: what counts together, what clients are told, what happens at and beyond the limit. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  configOf,
  FakeClock,
  FakeExchange,
  fakeTools,
  prepared,
  type FakeExchangeOptions,
} from '../../test/kit/plugin-exchange.ts'
import type { CounterWindow } from '../sdk/counters.ts'
import type { PhaseHandlers } from '../sdk/sdk.ts'
import rateLimiting from './rate-limiting.ts'

const consumer = { id: 'consumer-1', username: 'alice' }
const credential = { id: 'credential-1' }

/** Statuses of this many requests one after the other. */
async function run(handlers: PhaseHandlers, count: number, request: FakeExchangeOptions = {}): Promise<number[]> {
  const statuses: number[] = []
  for (let i = 0; i < count; i++) statuses.push((await new FakeExchange(request).access(handlers))?.status ?? 200)
  return statuses
}

test('rate-limiting lets exactly the limit through, then refuses until the window ends', async () => {
  const clock = new FakeClock(Date.UTC(2026, 0, 15, 12, 30, 15, 250))
  const handlers = prepared(rateLimiting, { minute: 3 }, fakeTools({ clock }))
  assert.deepEqual(await run(handlers, 5), [200, 200, 200, 429, 429])
  await clock.advance(44_749)
  assert.deepEqual(await run(handlers, 1), [429])
  await clock.advance(1)
  assert.deepEqual(await run(handlers, 4), [200, 200, 200, 429])
})

const at = Date.UTC(2026, 0, 31, 12, 30, 15, 250)
const windows: [period: string, reset: number, endsAfterMs: number][] = [
  ['second', 1, 750],
  ['minute', 45, 44_750],
  ['hour', 1785, 1_784_750],
  ['day', 41_385, 41_384_750],
  // The nominal month has 30 days, and 30.5 of this one have passed.
  ['month', 1, 41_384_750],
  ['year', 28_898_985, 28_898_984_750 + 0],
]
for (const [period, reset, endsAfterMs] of windows) {
  test(`rate-limiting tells limit, remaining and reset when the period is a ${period}`, async () => {
    const clock = new FakeClock(at)
    const handlers = prepared(rateLimiting, { [period]: 2 }, fakeTools({ clock }))
    const title = period[0]!.toUpperCase() + period.slice(1)
    const exchange = new FakeExchange()
    assert.equal(await exchange.access(handlers), undefined)
    assert.deepEqual(exchange.response.fields, [
      [`X-RateLimit-Limit-${title}`, '2'],
      [`X-RateLimit-Remaining-${title}`, '1'],
      ['RateLimit-Limit', '2'],
      ['RateLimit-Remaining', '1'],
      ['RateLimit-Reset', String(reset)],
    ])
    assert.deepEqual(await run(handlers, 2), [200, 429])
    await clock.advance(endsAfterMs - 1)
    assert.deepEqual(await run(handlers, 1), [429])
    await clock.advance(1)
    assert.deepEqual(await run(handlers, 1), [200])
  })
}

test('rate-limiting answers 429 with Retry-After and tells every period when one is exhausted', async () => {
  const handlers = prepared(rateLimiting, { second: 3, minute: 3, hour: 100 })
  await run(handlers, 3)
  const exchange = new FakeExchange()
  const reply = await exchange.access(handlers)
  assert.deepEqual(reply, { status: 429, body: { message: 'API rate limit exceeded' }, negotiate: true })
  assert.deepEqual(Object.fromEntries(exchange.response.fields), {
    'X-RateLimit-Limit-Second': '3',
    'X-RateLimit-Remaining-Second': '0',
    'X-RateLimit-Limit-Minute': '3',
    'X-RateLimit-Remaining-Minute': '0',
    'X-RateLimit-Limit-Hour': '100',
    'X-RateLimit-Remaining-Hour': '97',
    'RateLimit-Limit': '3',
    'RateLimit-Remaining': '0',
    'RateLimit-Reset': '45',
    'Retry-After': '45',
  })
})

test('rate-limiting does not count refused requests', async () => {
  const clock = new FakeClock()
  const handlers = prepared(rateLimiting, { second: 1, minute: 3 }, fakeTools({ clock }))
  assert.deepEqual(await run(handlers, 5), [200, 429, 429, 429, 429])
  await clock.advance(1000)
  assert.deepEqual(await run(handlers, 2), [200, 429])
})

test('rate-limiting lets a request pass while any fraction of the limit is left', async () => {
  assert.deepEqual(await run(prepared(rateLimiting, { minute: 1.5 }), 3), [200, 200, 429])
})

test('rate-limiting sends no headers when hide_client_headers is on', async () => {
  const handlers = prepared(rateLimiting, { minute: 1, hide_client_headers: true })
  for (let i = 0; i < 2; i++) {
    const exchange = new FakeExchange()
    await exchange.access(handlers)
    assert.deepEqual(exchange.response.fields, [])
  }
})

test('rate-limiting answers error_code and error_message when they are set', async () => {
  const handlers = prepared(rateLimiting, { minute: 1, error_code: 503, error_message: 'slow down' })
  await run(handlers, 1)
  const reply = await new FakeExchange().access(handlers)
  assert.deepEqual(reply, { status: 503, body: { message: 'slow down' }, negotiate: true })
})

const zero = '00000000-0000-0000-0000-000000000000'
const identifiers: [config: object, request: FakeExchangeOptions, identifier: string][] = [
  [{}, { consumer, credential }, 'consumer-1'],
  [{}, { credential }, 'credential-1'],
  [{}, {}, '192.0.2.1'],
  [{ limit_by: 'credential' }, { consumer, credential }, 'credential-1'],
  [{ limit_by: 'credential' }, { consumer }, '192.0.2.1'],
  [{ limit_by: 'ip' }, { consumer, clientIp: '198.51.100.7' }, '198.51.100.7'],
  [{ limit_by: 'service' }, { service: { id: 'service-1' } }, 'service-1'],
  [{ limit_by: 'service' }, {}, '192.0.2.1'],
  [{ limit_by: 'header', header_name: 'X-Team' }, { headers: { 'x-team': 'red' } }, 'red'],
  [{ limit_by: 'header', header_name: 'X-Team' }, {}, '192.0.2.1'],
  [{ limit_by: 'path', path: '/a' }, { path: '/a' }, '/a'],
  [{ limit_by: 'path', path: '/a' }, { path: '/b' }, '192.0.2.1'],
]
for (const [config, request, identifier] of identifiers) {
  test(`rate-limiting counts for ${identifier} when ${JSON.stringify(config)} meets ${JSON.stringify(request)}`, async () => {
    let seen: readonly CounterWindow[] = []
    const counters = {
      take(taken: readonly CounterWindow[]) {
        seen = taken
        return { taken: true, usages: [0, 0] }
      },
    }
    const tools = fakeTools({ counters, clock: new FakeClock(at) })
    await new FakeExchange(request).access(prepared(rateLimiting, { minute: 1, hour: 2, ...config }, tools))
    assert.deepEqual(
      seen.map(({ key, limit, endsAt }) => ({ key, limit, endsAt })),
      [
        {
          key: `ratelimit:${zero}:${zero}:${identifier}:${Date.UTC(2026, 0, 31, 12, 30)}:minute`,
          limit: 1,
          endsAt: Date.UTC(2026, 0, 31, 12, 31),
        },
        {
          key: `ratelimit:${zero}:${zero}:${identifier}:${Date.UTC(2026, 0, 31, 12)}:hour`,
          limit: 2,
          endsAt: Date.UTC(2026, 0, 31, 13),
        },
      ],
    )
  })
}

test('rate-limiting counts apart when instances are attached to different routes', async () => {
  const tools = fakeTools()
  const on = (route_id: string) =>
    prepared(rateLimiting, { minute: 1 }, { ...tools, scope: { ...tools.scope, route_id } })
  assert.deepEqual(await run(on('a'), 2), [200, 429])
  assert.deepEqual(await run(on('b'), 2), [200, 429])
})

test('rate-limiting lets requests pass without headers when counters fail and fault_tolerant is on', async () => {
  const tools = fakeTools({ counters: { take: () => Promise.reject(new Error('gone')) } })
  const exchange = new FakeExchange()
  assert.equal(await exchange.access(prepared(rateLimiting, { minute: 1 }, tools)), undefined)
  assert.deepEqual(exchange.response.fields, [])
  assert.match(tools.logged[0]!, /failed to get usage: gone/)
})

test('rate-limiting answers 500 when counters fail and fault_tolerant is off', async () => {
  const tools = fakeTools({ counters: { take: () => Promise.reject(new Error('gone')) } })
  const reply = await new FakeExchange().access(prepared(rateLimiting, { minute: 1, fault_tolerant: false }, tools))
  assert.deepEqual(reply, { status: 500, body: { message: 'An unexpected error occurred' }, negotiate: true })
})

test('rate-limiting is synchronous when the counters are', () => {
  const handlers = prepared(rateLimiting, { minute: 1 })
  assert.equal(handlers.access!(new FakeExchange() as never), undefined)
  assert.equal((handlers.access!(new FakeExchange() as never) as { status: number }).status, 429)
})

const rules: [config: object, message: string | null][] = [
  [{ minute: 5 }, null],
  [{ second: 5, minute: 5, year: 6 }, null],
  [{ minute: 10, hour: 5 }, 'The limit for hour(5.0) cannot be lower than the limit for minute(10.0)'],
  [{ second: 2, minute: 1 }, 'The limit for minute(1.0) cannot be lower than the limit for second(2.0)'],
  [{ second: 2, day: 3, year: 1 }, 'The limit for year(1.0) cannot be lower than the limit for second(2.0)'],
  [{ minute: 1, sync_rate: 1 }, 'sync_rate can only be used with the redis policy'],
  [{ minute: 1, sync_rate: 0.01, policy: 'redis' }, 'sync_rate must be greater than 0.02, or -1 to disable'],
  [{ minute: 1, sync_rate: 0.02, policy: 'redis' }, null],
]
for (const [config, message] of rules) {
  test(`config_validator() says ${message} when given ${JSON.stringify(config)}`, () => {
    assert.equal(rateLimiting.config_validator?.(configOf(rateLimiting, config)), message)
  })
}
