/** The Admin API of a node: a module of its own, since a data plane should not have to load what only this needs. */
import { type AccessOptions, createAccess } from '../admin/access.ts'
import { createAdminTokens } from '../admin/admin-tokens.ts'
import { type AuditLog, createAuditLog } from '../admin/audit-log.ts'
import { type AdminServer, createAdminServer } from '../admin/server.ts'
import type { Settings } from '../settings/definition.ts'
import { settingsDocument } from '../settings/document.ts'
import { responseHeaders } from '../settings/header-tokens.ts'
import type { ControlHalf } from './control-half.ts'
import type { NodeContext } from './node-context.ts'
import {
  accessLogOf,
  apiCertificates,
  createMetrics,
  createNodeStats,
  type NodeView,
  proxyHeaderTrust,
} from './node-view.ts'
import type { AdminParts } from './node-apis.ts'

export function createAdmin(
  context: NodeContext,
  { control, databaseLess, logLevel, upstreamHealth }: AdminParts,
  view: NodeView,
): AdminServer {
  const { settings, loaded, log, clock, random, catalog } = context
  const headers = responseHeaders(settings.headers)
  const tokens = createAdminTokens({ records: control.store.records, clock, random })
  const audit = settings.admin_audit_log ? createNodeAuditLog(context, control) : null
  control.observer.begin = audit === null ? null : audit.begin
  return createAdminServer({
    listen: settings.admin_listen,
    clientRevocationLists: settings.admin_client_crl,
    clientAuthorities: settings.admin_auth ? settings.admin_client_ca : [],
    trustsPeer: proxyHeaderTrust(settings),
    access: createAccess({ ...accessOf(settings), tokens, clock }),
    tokens,
    audit,
    bodyBytesMax: settings.nginx_admin_client_max_body_size,
    accessLog: accessLogOf(context, settings.admin_access_log),
    tls: apiCertificates(settings, 'admin'),
    repository: control.repository,
    store: control.store,
    catalog,
    node: { id: context.nodeId, hostname: context.hostname, runtimeVersion: `Node ${process.version}` },
    stats: createNodeStats(view, context),
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

function createNodeAuditLog({ catalog, clock, random, log, settings }: NodeContext, { store }: ControlHalf): AuditLog {
  return createAuditLog({
    records: store.records,
    catalog,
    clock,
    random,
    logger: log,
    retentionDays: settings.admin_audit_log_days,
    entriesMax: settings.admin_audit_log_entries,
  })
}

function accessOf(settings: Settings): Pick<AccessOptions, 'auth' | 'rateLimit'> {
  const { admin_auth, admin_token, admin_client_ca, admin_read_only_clients, admin_rate_limit } = settings
  const acceptsCertificates = admin_client_ca.length > 0
  const auth = { token: admin_token, acceptsCertificates, readOnlyClients: admin_read_only_clients }
  return { auth: admin_auth ? auth : null, rateLimit: admin_rate_limit }
}
