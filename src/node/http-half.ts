/** The HTTP APIs of a node, Admin and Status, made from what its role has. */
import { createAdminServer, type AdminServer } from '../admin/server.ts'
import type { DatabaseLess, LogLevelControl, NodeStats } from '../admin/admin-options.ts'
import type { ClusterAdmin } from '../admin/cluster-admin.ts'
import { createStatusReads } from '../admin/status-reads.ts'
import type { HttpListener } from '../base/http-listener.ts'
import type { ListenAddress } from '../base/listen-address.ts'
import type { EntityReader } from '../entities/entity-reader.ts'
import { LOG_LEVELS, type LogLevel } from '../base/logger.ts'
import { renderMetrics } from '../sdk/exposition.ts'
import { settingsDocument } from '../settings/document.ts'
import { responseHeaders } from '../settings/header-tokens.ts'
import { createStatusServer } from '../status/status-server.ts'
import type { ControlHalf } from './control-half.ts'
import type { NodeContext } from './node-context.ts'
import { type DataPlaneMetrics, nodeMetrics } from './node-metrics.ts'
import type { ProxyHalf } from './proxy-half.ts'
import { listenerCertificates } from './proxy-settings-from.ts'
import { upstreamHealth } from './upstream-health.ts'

/** The node as its APIs see it. */
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

export function createNodeStats({ proxy }: NodeView): NodeStats {
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
      return { workers: proxy === null ? [own] : workers, shared: {} }
    },
    pids: () => ({ master: process.pid, workers: proxy?.supervisor.pids ?? [process.pid] }),
    timers: () => ({ running: 0, pending: process.getActiveResourcesInfo().filter(name => name === 'Timeout').length }),
  }
}

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
      // Where there is no database, Kong's stand-in for one always answers.
      databaseReachable: control === null || (await control.store.ping()),
      controlPlaneConnected: view.controlPlaneConnected?.() ?? null,
      certificateExpiry: view.certificateExpiry?.() ?? null,
      dataPlanes,
    })
    return renderMetrics(proxy?.metrics() ?? [], own)
  }
}

const NO_COUNTS = { accepted: 0, active: 0, handled: 0, requests: 0, reading: 0, writing: 0, waiting: 0 }

export function createAdmin(
  context: NodeContext,
  control: ControlHalf,
  view: NodeView,
  databaseLess: DatabaseLess | null,
): AdminServer {
  const { settings, loaded, log, clock, random, catalog } = context
  const headers = responseHeaders(settings.headers)
  return createAdminServer({
    listen: settings.admin_listen,
    tls: tlsFor(settings.admin_listen, () => listenerCertificates(settings, 'admin')),
    repository: control.repository,
    store: control.store,
    catalog,
    node: { id: context.nodeId, hostname: context.hostname, runtimeVersion: `Node ${process.version}` },
    stats: createNodeStats(view),
    settings: () => settingsDocument(loaded),
    clock,
    random,
    logger: log,
    logLevel: createLogLevelControl(context, view.proxy),
    managerUrls: settings.admin_gui_url,
    sendServerHeader: headers.server,
    sendLatencyHeader: headers.adminLatency,
    databaseLess,
    cluster: view.cluster,
    upstreamHealth: view.proxy === null ? null : upstreamHealth,
    metrics: createMetrics(context, view),
  })
}

export function createStatus(context: NodeContext, view: NodeView): HttpListener {
  const { settings, clock, log } = context
  let isDraining = false
  const read = createStatusReads({
    nodeId: context.nodeId,
    logger: log,
    stats: createNodeStats(view),
    configurationHash: view.configurationHash,
    databaseReachable: async () => (view.control === null ? false : view.control.store.ping()),
    metrics: createMetrics(context, view),
    upstreams: view.entities === null ? null : { entities: view.entities, health: upstreamHealth },
  })
  return createStatusServer({
    listen: settings.status_listen,
    tls: tlsFor(settings.status_listen, () => listenerCertificates(settings, 'status')),
    clock,
    logger: log,
    notReady: view.notReady,
    drain: () => {
      isDraining = true
    },
    isDraining: () => isDraining,
    read,
  })
}

function tlsFor<T>(listen: readonly ListenAddress[], certificates: () => T): T | null {
  return listen.some(address => address.ssl) ? certificates() : null
}

/** A changed level holds for a while and then falls back, so that nobody leaves a node at `debug`. */
function createLogLevelControl({ log, clock }: NodeContext, proxy: ProxyHalf | null): LogLevelControl {
  const configured = log.level()
  let fallback = { cancel() {} }
  const set = (level: LogLevel) => {
    log.setLevel(level)
    proxy?.supervisor.setLogLevel(level)
  }
  return {
    level: () => log.level(),
    async change({ level, timeoutMs }) {
      if (!LOG_LEVELS.includes(level)) return
      fallback.cancel()
      set(level)
      if (timeoutMs > 0) fallback = clock.after(timeoutMs, () => set(configured))
    },
  }
}
