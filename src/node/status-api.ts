/** The Status API of a node. */
import { createStatusReads } from '../admin/status-reads.ts'
import type { HttpListener } from '../base/http-listener.ts'
import { createStatusServer } from '../status/status-server.ts'
import type { NodeContext } from './node-context.ts'
import {
  accessLogOf,
  apiCertificates,
  createMetrics,
  createNodeStats,
  type NodeView,
  proxyHeaderTrust,
} from './node-view.ts'
import { createUpstreamHealth } from './target-health.ts'

export function createStatus(context: NodeContext, view: NodeView): HttpListener {
  const { settings, clock, log } = context
  let isDraining = false
  const read = createStatusReads({
    nodeId: context.nodeId,
    logger: log,
    stats: createNodeStats(view, context),
    configurationHash: view.configurationHash,
    databaseReachable: async () => (view.control === null ? false : view.control.store.ping()),
    metrics: createMetrics(context, view),
    upstreams: upstreamsOf(view),
  })
  return createStatusServer({
    listen: settings.status_listen,
    accessLog: accessLogOf(context, settings.status_access_log),
    tls: apiCertificates(settings, 'status'),
    trustsPeer: proxyHeaderTrust(settings),
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

/** Only where the node has no database: elsewhere the Admin API shows upstreams. */
function upstreamsOf({ proxy, entities }: NodeView): Parameters<typeof createStatusReads>[0]['upstreams'] {
  return proxy === null || entities === null ? null : { entities, health: createUpstreamHealth(proxy.health) }
}
