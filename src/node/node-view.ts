/** The node as its HTTP APIs, Admin and Status, see it. */
import { getHeapStatistics } from 'node:v8'
import type { CountedClock } from '../base/counted-clock.ts'
import { logFileOf } from '../base/log-files.ts'
import type { MemoryStats, NodeStats } from '../admin/admin-options.ts'
import type { ClusterAdmin } from '../entities/cluster-view.ts'
import type { EntityReader } from '../entities/entity-reader.ts'
import { renderMetrics } from '../sdk/exposition.ts'
import type { Settings } from '../settings/definition.ts'
import type { ControlHalf } from './control-half.ts'
import type { NodeContext } from './node-context.ts'
import { createTrustedPeers } from '../proxy/listener/trusted-peers.ts'
import { type DataPlaneMetrics, nodeMetrics } from './node-metrics.ts'
import type { ProxyHalf } from './proxy-half.ts'
import { targetHealthMetrics } from './target-health.ts'
import { listenerCertificates } from './proxy-settings-from.ts'

export interface NodeView {
  readonly proxy: ProxyHalf | null
  readonly control: ControlHalf | null
  readonly cluster: ClusterAdmin | null
  /** Where there is no database: what the Status API shows of upstreams. */
  readonly entities: EntityReader | null
  /** Of a node without a database. */
  readonly configurationHash: (() => string) | null
  readonly controlPlaneConnected: (() => boolean) | null
  /** Seconds since the epoch. */
  readonly certificateExpiry: (() => number | null) | null
  /** Null when the node may take traffic, else why not. */
  readonly notReady: () => Promise<string | null>
}

/** Data planes shown in one scrape; more than these a control plane does not serve. */
const DATA_PLANES_MAX = 1000

/** Whose PROXY headers count on the node's own listeners: the same peers as on the proxy's. */
export function proxyHeaderTrust(settings: Settings): (address: string) => boolean {
  if (settings.real_ip_header !== 'proxy_protocol') return () => false
  const { trusted_ips, real_ip_header, real_ip_recursive } = settings
  const peers = { trustedIps: trusted_ips, realIpHeader: real_ip_header, realIpRecursive: real_ip_recursive }
  return createTrustedPeers(peers).isTrusted
}

export function createNodeStats(
  { proxy }: NodeView,
  { settings, clock }: { settings: Pick<Settings, 'new_dns_client'>; clock: CountedClock },
): NodeStats {
  return {
    async connections() {
      await proxy?.collect()
      const counts = proxy?.counts()
      return {
        connections_accepted: counts?.accepted ?? 0,
        connections_active: counts?.active ?? 0,
        connections_handled: counts?.handled ?? 0,
        connections_reading: counts?.reading ?? 0,
        connections_waiting: counts?.waiting ?? 0,
        connections_writing: counts?.writing ?? 0,
        total_requests: counts?.requests ?? 0,
      }
    },
    async memory() {
      const own = { pid: process.pid, heapBytes: process.memoryUsage().heapUsed }
      const reports = (await proxy?.collect()) ?? []
      const workers = reports.map(report => ({ pid: report.pid, heapBytes: report.memory.heapUsed }))
      return { workers: proxy === null ? [own] : workers, shared: sharedMemory(own.heapBytes) }
    },
    pids: () => ({ master: process.pid, workers: proxy?.supervisor.pids ?? [process.pid] }),
    timers: timerCounts,
    timerReport: () => clock.report(),
    async dns() {
      if (!settings.new_dns_client) return null
      return { workerCount: proxy?.supervisor.workerCount ?? 1, stats: (await proxy?.dnsStats()) ?? {} }
    },
  }
}

/**
 * Kong's names, which dashboards ask for: what workers share (counters, health, the configuration) is in the heap of the
 * main process, and nothing is cached between store and proxy.
 */
function sharedMemory(heapBytes: number): MemoryStats['shared'] {
  return {
    kong: { usedBytes: heapBytes, capacityBytes: getHeapStatistics().heap_size_limit },
    kong_db_cache: { usedBytes: 0, capacityBytes: 0 },
  }
}

/** None of ours runs while this is asked. */
const timerCounts = () => ({
  running: 0,
  pending: process.getActiveResourcesInfo().filter(name => name === 'Timeout').length,
})

/** The text of `/metrics`, or null while the prometheus plugin is not enabled. */
export function createMetrics(context: NodeContext, view: NodeView): (() => Promise<string>) | null {
  if (!context.catalog.plugins.has('prometheus')) return null
  return async () => {
    const { proxy, control, cluster } = view
    await proxy?.collect()
    const dataPlanes: readonly DataPlaneMetrics[] =
      cluster === null ? [] : (await cluster.dataPlanes({ size: DATA_PLANES_MAX, after: null })).rows
    const own = nodeMetrics({
      nodeId: context.nodeId,
      counts: proxy?.counts() ?? NO_COUNTS,
      reports: proxy?.reports ?? [],
      timers: timerCounts(),
      // Where there is no database, Kong's stand-in for one always answers.
      databaseReachable: control === null || (await control.store.ping()),
      controlPlaneConnected: view.controlPlaneConnected?.() ?? null,
      certificateExpiry: view.certificateExpiry?.() ?? null,
      dataPlanes,
    })
    const health = proxy === null ? [] : await targetHealthMetrics(proxy.health, proxy.copy)
    return renderMetrics(proxy?.metrics() ?? [], [...own, ...health])
  }
}

const NO_COUNTS = {
  accepted: 0,
  active: 0,
  handled: 0,
  requests: 0,
  reading: 0,
  writing: 0,
  waiting: 0,
  streamAccepted: 0,
  streamActive: 0,
}

/** Null when the API has no TLS listener. */
export function apiCertificates(settings: Settings, api: 'admin' | 'status') {
  return settings[`${api}_listen`].some(address => address.ssl) ? listenerCertificates(settings, api) : null
}

/** Where an access log setting writes, or null for `off`. */
export function accessLogOf(context: NodeContext, setting: string): ((line: string) => void) | null {
  const file = logFileOf(setting)
  return file === null ? null : context.logTo(file)
}
