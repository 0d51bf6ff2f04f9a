/** The Admin API of a node: a module of its own, since a data plane should not have to load what only this needs. */
import type { DatabaseLess, LogLevelControl } from '../admin/admin-options.ts'
import { type AdminServer, createAdminServer } from '../admin/server.ts'
import { LOG_LEVELS, type LogLevel } from '../base/logger.ts'
import { settingsDocument } from '../settings/document.ts'
import { responseHeaders } from '../settings/header-tokens.ts'
import type { ControlHalf } from './control-half.ts'
import type { NodeContext } from './node-context.ts'
import { accessLogOf, apiCertificates, createMetrics, createNodeStats, type NodeView } from './node-view.ts'
import type { ProxyHalf } from './proxy-half.ts'
import { createUpstreamHealth } from './target-health.ts'

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
    accessLog: accessLogOf(context, settings.admin_access_log),
    tls: apiCertificates(settings, 'admin'),
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
    upstreamHealth: view.proxy === null ? null : createUpstreamHealth(view.proxy.health),
    metrics: createMetrics(context, view),
  })
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
