import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { aGateway } from '../../test/kit/proxy-gateway.ts'
import { aRawUpstream, exchangeRaw, okAnswer } from '../../test/kit/raw-http.ts'

type Entry = Record<string, any>

/** Names of `kong.log.serialize()` of Kong 3.9 (kong/pdk/log.lua) for an HTTP request with all that there can be. */
const KEYS = [
  'authenticated_entity',
  'client_ip',
  'consumer',
  'latencies',
  'request',
  'response',
  'route',
  'service',
  'source',
  'started_at',
  'tries',
  'upstream_status',
  'upstream_uri',
]

test('a log entry has the fields of kong.log.serialize', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok', 'X-Up: 1\r\n'))
  const entries: Entry[] = []
  const plugin = {
    access(exchange: any) {
      exchange.authenticate({ id: 'c-id', username: 'bob', custom_id: null }, { id: 'k-id', consumer: { id: 'c-id' } })
      return undefined
    },
    log(exchange: any) {
      exchange.setLogField('mine.nested', 1)
      exchange.setLogField('request.extra', 'x')
      entries.push(exchange.serialize())
    },
  }
  const gateway = await aGateway(t, { routes: [{ path: '/p', ports: [upstream.port], plugins: [plugin] }] })
  await exchangeRaw(
    t,
    gateway.port,
    'GET /p/x?a=1&a=2&b HTTP/1.1\r\nHost: h.test:99\r\nAuthorization: Basic YTpi\r\n\r\n',
  )
  const entry = entries[0]!
  assert.deepEqual(Object.keys(entry).sort(), [...KEYS, 'mine'].sort())
  const { request } = entry
  assert.deepEqual(Object.keys(request).sort(), [
    'extra',
    'headers',
    'id',
    'method',
    'querystring',
    'size',
    'uri',
    'url',
  ])
  assert.equal(request.url, `http://h.test:${gateway.port}/p/x?a=1&a=2&b`)
  assert.deepEqual({ ...request.querystring }, { a: ['1', '2'], b: true })
  assert.equal(request.headers.authorization, 'REDACTED')
  assert.deepEqual(entry['mine'], { nested: 1 })
  assert.deepEqual(Object.keys(entry['response']).sort(), ['headers', 'size', 'status'])
  assert.deepEqual(Object.keys(entry['latencies']).sort(), ['kong', 'proxy', 'receive', 'request'])
  assert.deepEqual(Object.keys(entry['tries'][0]).sort(), [
    'balancer_latency',
    'balancer_latency_ns',
    'balancer_start',
    'balancer_start_ns',
    'ip',
    'port',
  ])
  assert.deepEqual(entry['authenticated_entity'], { id: 'k-id', consumer_id: 'c-id' })
  assert.deepEqual(entry['consumer'], { id: 'c-id', username: 'bob' })
  assert.deepEqual(
    [entry['upstream_uri'], entry['upstream_status'], entry['source']],
    ['/x?a=1&a=2&b', '200', 'upstream'],
  )
})

test('the log entry of a failed try names its state and code', async t => {
  const closed = createServer()
  await new Promise<void>(resolve => closed.listen(0, '127.0.0.1', resolve))
  const { port } = closed.address() as { port: number }
  await new Promise(resolve => closed.close(resolve))
  const upstream = await aRawUpstream(t, () => okAnswer('ok'))
  const entries: Entry[] = []
  const plugin = { log: (exchange: any) => void entries.push(exchange.serialize()) }
  const gateway = await aGateway(t, { routes: [{ ports: [port, upstream.port], plugins: [plugin] }] })
  await exchangeRaw(t, gateway.port, 'GET /? HTTP/1.1\r\nHost: a\r\n\r\n')
  const [entry] = entries
  assert.equal(entry!['upstream_status'], '502, 200')
  assert.equal(entry!['upstream_uri'], '/?')
  assert.deepEqual(
    entry!['tries'].map(({ port, state, code }: Entry) => [port, state, code]),
    [
      [port, 'failed', 502],
      [upstream.port, undefined, undefined],
    ],
  )
})

test('the log entry of a request without route says so by what it lacks', async t => {
  const entries: Entry[] = []
  const gateway = await aGateway(t, { globals: [{ log: (exchange: any) => void entries.push(exchange.serialize()) }] })
  await exchangeRaw(t, gateway.port, 'GET /none HTTP/1.1\r\nHost: a\r\n\r\n')
  const [entry] = entries
  for (const name of ['route', 'service', 'consumer', 'tries']) assert.equal(entry![name], undefined, name)
  assert.deepEqual([entry!['upstream_uri'], entry!['upstream_status'], entry!['source']], ['', '', 'kong'])
  assert.equal(entry!['latencies'].proxy, -1)
})
