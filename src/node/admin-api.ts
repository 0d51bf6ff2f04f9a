/** The Admin API of a node: a module of its own, since a data plane should not have to load what only this needs. */
import { type AdminServer, createAdminServer } from '../admin/server.ts'
import { settingsDocument } from '../settings/document.ts'
import { responseHeaders } from '../settings/header-tokens.ts'
import type { NodeContext } from './node-context.ts'
import { accessLogOf, apiCertificates, createMetrics, createNodeStats, type NodeView } from './node-view.ts'
import type { AdminParts } from './node-apis.ts'

export function createAdmin(
  context: NodeContext,
  { control, databaseLess, logLevel, upstreamHealth }: AdminParts,
  view: NodeView,
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
    logLevel,
    managerUrls: settings.admin_gui_url,
    sendServerHeader: headers.server,
    sendLatencyHeader: headers.adminLatency,
    databaseLess,
    cluster: view.cluster,
    upstreamHealth,
    metrics: createMetrics(context, view),
  })
}
