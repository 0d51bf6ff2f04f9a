/** prometheus: which flag counts what, under which labels. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeExchange, fakeTools, prepared, type FakeExchangeOptions } from '../../test/kit/plugin-exchange.ts'
import { renderMetrics } from '../sdk/exposition.ts'
import prometheus from './prometheus.ts'

const matched = {
  route: { id: 'route-id', name: 'r1' },
  service: { id: 's', name: 's1', host: 'h.test' },
  consumer: { id: 'c', username: 'alice' },
}

function run(config: object, ...requests: FakeExchangeOptions[]): string[] {
  const tools = fakeTools()
  const handlers = prepared(prometheus, config, tools)
  for (const request of requests) new FakeExchange({ ...matched, ...request }).log(handlers)
  const lines = renderMetrics([tools.metrics.dump()]).split('\n')
  return lines.filter(line => line !== '' && !line.startsWith('#') && !line.includes('metric_errors'))
}

test('prometheus counts nothing when no flag is on', () => {
  assert.deepEqual(run({}, {}), [])
})

test('prometheus counts requests by status and source when status_code_metrics is on', () => {
  assert.deepEqual(
    run({ status_code_metrics: true }, {}, {}, { status: 429, source: 'exit' }, { status: 502, source: 'error' }),
    [
      'kong_http_requests_total{service="s1",route="r1",code="200",source="service",workspace="default",consumer=""} 2',
      'kong_http_requests_total{service="s1",route="r1",code="429",source="kong",workspace="default",consumer=""} 1',
      'kong_http_requests_total{service="s1",route="r1",code="502",source="kong",workspace="default",consumer=""} 1',
    ],
  )
})

test('prometheus names the consumer when per_consumer is on', () => {
  const [line] = run({ status_code_metrics: true, per_consumer: true }, {})
  assert.match(line!, /consumer="alice"} 1$/)
  const [anonymous] = run({ status_code_metrics: true, per_consumer: true }, { consumer: null })
  assert.match(anonymous!, /consumer=""} 1$/)
})

test('prometheus names services by host and routes by id when they have no name', () => {
  const nameless = { route: { id: 'route-id', name: null }, service: { id: 's', name: null, host: 'h.test' } }
  assert.match(run({ status_code_metrics: true }, nameless)[0]!, /service="h\.test",route="route-id"/)
  assert.match(run({ status_code_metrics: true }, { service: null })[0]!, /service="",route="r1"/)
})

test('prometheus ignores requests that matched no route', () => {
  assert.deepEqual(
    run({ status_code_metrics: true, latency_metrics: true, bandwidth_metrics: true }, { route: null }),
    [],
  )
})

test('prometheus counts bytes in both directions when bandwidth_metrics is on', () => {
  assert.deepEqual(run({ bandwidth_metrics: true }, {}, {}), [
    'kong_bandwidth_bytes{service="s1",route="r1",direction="egress",workspace="default",consumer=""} 400',
    'kong_bandwidth_bytes{service="s1",route="r1",direction="ingress",workspace="default",consumer=""} 200',
  ])
})

test('prometheus measures latencies when latency_metrics is on, and no upstream when there was none', () => {
  const lines = run(
    { latency_metrics: true },
    { latencies: { kong: 3, proxy: 60, request: 63 } },
    { latencies: { kong: 8000, proxy: -1, request: 8000 } },
  )
  const of = (name: string) => lines.filter(line => line.startsWith(`kong_${name}`))
  const labels = 'service="s1",route="r1",workspace="default"'
  assert.deepEqual(of('kong_latency_ms').slice(0, 4), [
    `kong_kong_latency_ms_bucket{${labels},le="1"} 0`,
    `kong_kong_latency_ms_bucket{${labels},le="2"} 0`,
    `kong_kong_latency_ms_bucket{${labels},le="5"} 1`,
    `kong_kong_latency_ms_bucket{${labels},le="7"} 1`,
  ])
  assert.deepEqual(of('kong_latency_ms').slice(-4), [
    `kong_kong_latency_ms_bucket{${labels},le="6000"} 1`,
    `kong_kong_latency_ms_bucket{${labels},le="+Inf"} 2`,
    `kong_kong_latency_ms_count{${labels}} 2`,
    `kong_kong_latency_ms_sum{${labels}} 8003`,
  ])
  assert.ok(of('upstream_latency_ms').includes(`kong_upstream_latency_ms_count{${labels}} 1`))
  assert.ok(of('request_latency_ms').includes(`kong_request_latency_ms_bucket{${labels},le="80"} 1`))
})
