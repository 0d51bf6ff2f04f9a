/** The metrics of a whole node: what its workers counted, added up, and what only the main process knows. */
import { KONG_VERSION } from '../base/version.ts'
import type { MetricDump } from '../sdk/metrics.ts'
import type { ConnectionCounts, WorkerReport } from './worker-messages.ts'

export interface NodeMetricsInput {
  readonly nodeId: string
  readonly counts: ConnectionCounts
  readonly reports: readonly WorkerReport[]
  readonly timers: { readonly running: number; readonly pending: number }
  readonly databaseReachable: boolean
  /** Null on a node that is no data plane. */
  readonly controlPlaneConnected: boolean | null
  /** Seconds since the epoch, of the data plane's certificate. */
  readonly certificateExpiry: number | null
  /** Only on a control plane. */
  readonly dataPlanes: readonly DataPlaneMetrics[]
}

export interface DataPlaneMetrics {
  readonly id: string
  readonly hostname: string
  readonly ip: string
  readonly version: string
  readonly last_seen: number
  readonly config_hash: string
  readonly sync_status: string
}

/** Names and labels are those of Kong's prometheus plugin, so that its dashboards work. */
export function nodeMetrics(input: NodeMetricsInput): MetricDump[] {
  const { nodeId, counts, reports } = input
  const { streamAccepted, streamActive } = counts
  const states = {
    accepted: counts.accepted - streamAccepted,
    active: counts.active - streamActive,
    handled: counts.handled - streamAccepted,
    reading: counts.reading,
    total: counts.requests,
    waiting: counts.waiting,
    writing: counts.writing,
  }
  const metrics: MetricDump[] = [
    gauge(
      'nginx_connections_total',
      'Client connections of the node by state.',
      ['node_id', 'subsystem', 'state'],
      [
        ...series(nodeId, 'http', states),
        ...(counts.streamAccepted === 0 ? [] : series(nodeId, 'stream', streamStates(counts))),
      ],
    ),
    gauge(
      'nginx_requests_total',
      'Requests that the node has received.',
      ['node_id', 'subsystem'],
      [[[nodeId, 'http'], counts.requests]],
    ),
    gauge(
      'nginx_timers',
      'Timers of the main process by state.',
      ['state'],
      Object.entries(input.timers).map(([state, value]) => [[state], value]),
    ),
    gauge('node_info', 'Always 1; the version is in the label.', ['node_id', 'version'], [[[nodeId, KONG_VERSION], 1]]),
    gauge(
      'memory_workers_lua_vms_bytes',
      'Heap in use per worker.',
      ['node_id', 'pid', 'kong_subsystem'],
      reports.map(report => [[nodeId, String(report.pid), 'http'], report.memory.heapUsed]),
    ),
  ]
  metrics.push(
    gauge('datastore_reachable', '1 while the database answers, else 0.', [], [[[], Number(input.databaseReachable)]]),
  )
  return [...metrics, ...clusterMetrics(input)]
}

function streamStates({ streamAccepted, streamActive }: ConnectionCounts): Readonly<Record<string, number>> {
  return { accepted: streamAccepted, active: streamActive, handled: streamAccepted, total: streamAccepted }
}

function series(
  nodeId: string,
  subsystem: string,
  states: Readonly<Record<string, number>>,
): (readonly [labels: readonly string[], value: number])[] {
  return Object.entries(states).map(([state, value]) => [[nodeId, subsystem, state], value])
}

function clusterMetrics({ controlPlaneConnected, certificateExpiry, dataPlanes }: NodeMetricsInput): MetricDump[] {
  const metrics: MetricDump[] = []
  if (controlPlaneConnected !== null) {
    metrics.push(
      gauge(
        'control_plane_connected',
        '1 while a control plane is connected, else 0.',
        [],
        [[[], Number(controlPlaneConnected)]],
      ),
    )
  }
  if (certificateExpiry !== null) {
    metrics.push(
      gauge(
        'data_plane_cluster_cert_expiry_timestamp',
        'When the certificate of this data plane ends, in epoch seconds.',
        [],
        [[[], certificateExpiry]],
      ),
    )
  }
  if (dataPlanes.length === 0) return metrics
  const labels = ['node_id', 'hostname', 'ip']
  const of = ({ id, hostname, ip }: DataPlaneMetrics) => [id, hostname, ip]
  metrics.push(
    gauge(
      'data_plane_last_seen',
      'When the data plane was last heard of, in epoch seconds.',
      labels,
      dataPlanes.map(dp => [of(dp), dp.last_seen]),
    ),
    gauge(
      'data_plane_config_hash',
      'Hash of the configuration that the data plane serves, as a number.',
      labels,
      dataPlanes.map(dp => [of(dp), Number(`0x${dp.config_hash}`)]),
    ),
    gauge(
      'data_plane_version_compatible',
      '1 when the data plane can be served by this control plane, else 0.',
      [...labels, 'version'],
      dataPlanes.map(dp => [[...of(dp), dp.version], Number(dp.sync_status === 'normal')]),
    ),
  )
  return metrics
}

function gauge(
  name: string,
  help: string,
  labels: readonly string[],
  series: readonly (readonly [labels: readonly string[], value: number])[],
): MetricDump {
  return { name, help, type: 'gauge', labels, series: series.map(([values, value]) => ({ labels: values, value })) }
}
