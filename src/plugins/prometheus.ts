/** Counts requests, latencies and bandwidth for Prometheus; the Status and Admin API serve them under `/metrics`. */
import { definePlugin, field, typedefs } from '../sdk/sdk.ts'
import type { LogPhase, MetricRegistry, Row } from '../sdk/sdk.ts'

const kongLatencyBuckets = [1, 2, 5, 7, 10, 15, 20, 30, 50, 75, 100, 200, 500, 750, 1000, 3000, 6000]
const upstreamLatencyBuckets = [25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000]
const flag = (description: string) => field.boolean({ default: false, description })

export default definePlugin({
  name: 'prometheus',
  priority: 13,
  protocols: typedefs.PROTOCOLS,
  protocols_default: typedefs.HTTP_PROTOCOLS,
  scopes: ['service', 'route', 'consumer'],
  docs: {
    summary: 'Expose metrics to Prometheus.',
    details:
      'Metrics of the node are always there; those of requests and of TCP and UDP sessions are counted where their flag ' +
      'is on, for those that matched a route. They are served under `/metrics` by the Status API and the Admin API. `ai_metrics` is accepted, ' +
      'and has nothing to count without AI plugins.',
    example: { status_code_metrics: true, latency_metrics: true, bandwidth_metrics: true },
  },
  config: {
    per_consumer: flag('Fill the `consumer` label of request and bandwidth counters.'),
    status_code_metrics: flag('Count requests by status.'),
    ai_metrics: flag('Count what AI plugins do.'),
    latency_metrics: flag('Measure latencies.'),
    bandwidth_metrics: flag('Count bytes.'),
    upstream_health_metrics: flag('Show the health of the targets of upstreams.'),
  },

  prepare(config, { metrics }) {
    const { requests, sessions, kong, upstream, total, duration, bandwidth } = instruments(metrics)

    return {
      log(exchange) {
        const { route, consumer } = exchange
        if (route === null) return
        const service = label(exchange.service, 'name', 'host')
        const routeLabel = label(route, 'name', 'id')
        const consumerLabel = config.per_consumer ? label(consumer, 'username') : ''
        if (config.bandwidth_metrics) {
          const { requestBytes, responseBytes } = exchange
          const add = (direction: string, bytes: number) =>
            bandwidth.add([service, routeLabel, direction, workspace, consumerLabel], bytes)
          if (requestBytes > 0) add('ingress', requestBytes)
          if (responseBytes > 0) add('egress', responseBytes)
        }
        if (config.status_code_metrics) {
          const { status, source } = exchange.response
          const by = source === 'service' ? 'service' : 'kong'
          requests.add([service, routeLabel, codeText(status), by, workspace, consumerLabel], 1)
        }
        if (config.latency_metrics) observe(exchange, [service, routeLabel, workspace])
      },

      streamLog(session) {
        const { route, receivedBytes, sentBytes, latencies } = session
        if (route === null) return
        const labels = [label(session.service, 'name', 'host'), label(route, 'name', 'id')] as const
        if (config.bandwidth_metrics) {
          if (receivedBytes > 0) bandwidth.add([...labels, 'ingress', workspace, ''], receivedBytes)
          if (sentBytes > 0) bandwidth.add([...labels, 'egress', workspace, ''], sentBytes)
        }
        if (config.status_code_metrics) {
          const by = session.source === 'service' ? 'service' : 'kong'
          sessions.add([...labels, codeText(session.status), by, workspace], 1)
        }
        if (!config.latency_metrics) return
        duration.observe([...labels, workspace], latencies.session)
        kong.observe([...labels, workspace], latencies.kong)
      },
    }

    function observe({ latencies }: LogPhase, labels: readonly string[]): void {
      if (latencies.request >= 0) total.observe(labels, latencies.request)
      if (latencies.proxy >= 0) upstream.observe(labels, latencies.proxy)
      if (latencies.kong >= 0) kong.observe(labels, latencies.kong)
    }
  },
})

const scope = ['service', 'route']

function instruments(metrics: MetricRegistry) {
  const latency = (name: string, help: string, buckets: readonly number[]) =>
    metrics.histogram(name, help, [...scope, 'workspace'], buckets)
  const counter = (name: string, help: string, labels: readonly string[]) =>
    metrics.counter(name, help, [...scope, ...labels])
  const status = ['code', 'source', 'workspace']
  return {
    requests: counter('http_requests_total', 'Requests by service, route, status and consumer.', [
      ...status,
      'consumer',
    ]),
    sessions: counter('stream_sessions_total', 'Stream sessions by service, route and status.', status),
    kong: latency('kong_latency_ms', 'Milliseconds spent in the gateway.', kongLatencyBuckets),
    upstream: latency('upstream_latency_ms', 'Milliseconds until the upstream answered.', upstreamLatencyBuckets),
    total: latency('request_latency_ms', 'Milliseconds from request to response.', upstreamLatencyBuckets),
    duration: latency('session_duration_ms', 'Milliseconds that stream sessions took.', upstreamLatencyBuckets),
    bandwidth: counter('bandwidth_bytes', 'Bytes received from and sent to clients.', [
      'direction',
      'workspace',
      'consumer',
    ]),
  }
}

/** The only workspace there is. */
const workspace = 'default'

/** The first of these members that is set, else ''. */
function label(row: Row | null, ...members: readonly string[]): string {
  if (row === null) return ''
  for (const member of members) {
    const value = row[member]
    if (value !== null && value !== undefined) return String(value)
  }
  return ''
}

const codeTexts = new Map<number, string>()

/** One text per status, so that counting makes no new ones. */
function codeText(status: number): string {
  let text = codeTexts.get(status)
  if (text === undefined) codeTexts.set(status, (text = String(status)))
  return text
}
