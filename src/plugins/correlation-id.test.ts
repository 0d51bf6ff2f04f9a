/** correlation-id: generators, ids that the client sent, and the echo. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock, FakeExchange, fakeTools, prepared } from '../../test/kit/plugin-exchange.ts'
import correlationId from './correlation-id.ts'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('correlation-id sends an id to the upstream and the log, and not to the client, when not told to', async () => {
  const handlers = prepared(correlationId, { generator: 'uuid' })
  const exchange = new FakeExchange()
  await exchange.access(handlers)
  exchange.headerFilter(handlers)
  const id = exchange.upstreamRequest.header('Kong-Request-ID')!
  assert.match(id, uuid)
  assert.equal(exchange.logFields['correlation_id'], id)
  assert.equal(exchange.response.header('Kong-Request-ID'), undefined)
})

test('correlation-id echoes the same id to the client when echo_downstream is on', async () => {
  const handlers = prepared(correlationId, { echo_downstream: true, header_name: 'X-Id' })
  const exchange = new FakeExchange({ responseHeaders: { 'x-id': 'of the upstream' } })
  await exchange.access(handlers)
  exchange.headerFilter(handlers)
  assert.equal(exchange.response.header('X-Id'), exchange.upstreamRequest.header('X-Id'))
})

test('correlation-id keeps the id of the client, and makes one when it is empty', async () => {
  const handlers = prepared(correlationId, { echo_downstream: true })
  const given = new FakeExchange({ headers: { 'kong-request-id': 'mine' } })
  await given.access(handlers)
  given.headerFilter(handlers)
  assert.equal(given.upstreamRequest.header('kong-request-id'), 'mine')
  assert.equal(given.logFields['correlation_id'], 'mine')
  assert.equal(given.response.header('kong-request-id'), 'mine')
  const empty = new FakeExchange({ headers: { 'kong-request-id': '' } })
  await empty.access(handlers)
  assert.match(empty.upstreamRequest.header('kong-request-id')!, /#\d+$/)
})

test('correlation-id counts from 1 over all instances of a worker when the generator is uuid#counter', async () => {
  const tools = fakeTools()
  const ids: string[] = []
  for (let i = 0; i < 3; i++) {
    const exchange = new FakeExchange()
    await exchange.access(prepared(correlationId, {}, tools))
    ids.push(exchange.upstreamRequest.header('Kong-Request-ID')!)
  }
  const [worker] = ids[0]!.split('#')
  assert.match(worker!, uuid)
  assert.deepEqual(ids, [`${worker}#1`, `${worker}#2`, `${worker}#3`])
  const other = new FakeExchange()
  await other.access(prepared(correlationId, {}, fakeTools()))
  assert.match(other.upstreamRequest.header('Kong-Request-ID')!, /#1$/)
})

test('correlation-id describes address, process, connection and time when the generator is tracker', async () => {
  const clock = new FakeClock(1_700_000_000_123)
  const exchange = new FakeExchange()
  await exchange.access(prepared(correlationId, { generator: 'tracker' }, fakeTools({ clock })))
  const id = `127.0.0.1-8000-${process.pid}-7-3-1700000000.123`
  assert.equal(exchange.upstreamRequest.header('Kong-Request-ID'), id)
})

test('correlation-id makes an id for the answer when the request never reached access', () => {
  const exchange = new FakeExchange()
  exchange.headerFilter(prepared(correlationId, { echo_downstream: true }))
  assert.match(exchange.response.header('Kong-Request-ID')!, /#1$/)
})
