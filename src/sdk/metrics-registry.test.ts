/** Metrics of a worker, and their text when those of several workers are added up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderMetrics } from './exposition.ts'
import { createMetricRegistry, seriesCountMax } from './metrics-registry.ts'

test('renderMetrics() adds up the counters and histograms of several workers', () => {
  const dumps = [1, 2].map(factor => {
    const registry = createMetricRegistry()
    registry.counter('requests_total', 'Requests.', ['a', 'b']).add(['x', 'y'], factor)
    registry.counter('requests_total', 'Requests.', ['a', 'b']).add(['x', 'z'], 10)
    const latency = registry.histogram('latency_ms', 'Latency.', ['a'], [5, 10])
    for (const value of [5, 6, 11]) latency.observe(['x'], value * factor)
    registry.gauge('connections', 'Connections.', []).set([], 3)
    return structuredClone(registry.dump())
  })
  const extra = [
    {
      name: 'up',
      help: 'Up \\ \n.',
      type: 'gauge' as const,
      labels: ['n'],
      series: [{ labels: ['a"\\\nb'], value: 1 }],
    },
  ]
  assert.equal(
    renderMetrics(dumps, extra),
    [
      '# HELP kong_connections Connections.',
      '# TYPE kong_connections gauge',
      'kong_connections 6',
      '# HELP kong_latency_ms Latency.',
      '# TYPE kong_latency_ms histogram',
      'kong_latency_ms_bucket{a="x",le="5"} 1',
      'kong_latency_ms_bucket{a="x",le="10"} 3',
      'kong_latency_ms_bucket{a="x",le="+Inf"} 6',
      'kong_latency_ms_count{a="x"} 6',
      'kong_latency_ms_sum{a="x"} 66',
      '# HELP kong_nginx_metric_errors_total Number of samples that were left out.',
      '# TYPE kong_nginx_metric_errors_total counter',
      'kong_nginx_metric_errors_total 0',
      '# HELP kong_requests_total Requests.',
      '# TYPE kong_requests_total counter',
      'kong_requests_total{a="x",b="y"} 3',
      'kong_requests_total{a="x",b="z"} 20',
      '# HELP kong_up Up \\\\ \\n.',
      '# TYPE kong_up gauge',
      'kong_up{n="a\\"\\\\\\nb"} 1',
      '',
    ].join('\n'),
  )
})

test('counter() may be given the same array again and again', () => {
  const registry = createMetricRegistry()
  const labels = ['x']
  const counter = registry.counter('c', '', ['a'])
  counter.add(labels, 1)
  labels[0] = 'y'
  counter.add(labels, 2)
  assert.deepEqual(registry.dump()[1]!.series, [
    { labels: ['x'], value: 1 },
    { labels: ['y'], value: 2 },
  ])
})

test('counter() refuses another type or other labels for a known name', () => {
  const registry = createMetricRegistry()
  registry.counter('c', '', ['a'])
  assert.throws(() => registry.gauge('c', '', ['a']))
  assert.throws(() => registry.counter('c', '', ['b']))
})

test('add() leaves samples out, and counts that, when labels do not fit or there are too many series', () => {
  const registry = createMetricRegistry()
  const counter = registry.counter('c', '', ['a'])
  for (let i = 0; i < seriesCountMax + 3; i++) counter.add([`k${i}`], 1)
  counter.add([], 1)
  const [errors, series] = registry.dump()
  assert.equal(errors!.series[0]!.value, 4)
  assert.equal(series!.series.length, seriesCountMax)
})
