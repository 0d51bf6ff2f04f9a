/** What a node says of itself in /metrics: names and labels as dashboards for Kong expect them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeMetrics } from './node-metrics.ts'

test('nodeMetrics() has the names and labels of Kong, without the prefix', () => {
  const metrics = nodeMetrics({
    nodeId: 'n',
    counts: {
      accepted: 1,
      active: 1,
      handled: 1,
      reading: 0,
      requests: 7,
      waiting: 0,
      writing: 1,
      streamAccepted: 0,
      streamActive: 0,
    },
    reports: [],
    timers: { running: 0, pending: 3 },
    databaseReachable: true,
    controlPlaneConnected: null,
    certificateExpiry: null,
    dataPlanes: [],
  })
  assert.deepEqual(
    metrics.map(({ name, labels }) => `${name}{${labels.join()}}`),
    [
      'nginx_connections_total{node_id,subsystem,state}',
      'nginx_requests_total{node_id,subsystem}',
      'nginx_timers{state}',
      'node_info{node_id,version}',
      'memory_workers_lua_vms_bytes{node_id,pid,kong_subsystem}',
      'datastore_reachable{}',
    ],
  )
})
