/** `/clustering/status` and `/clustering/data-planes`: what the control plane knows of its data planes. */
import type { AdminOptions } from '../admin-options.ts'
import type { ClusterAdmin } from '../cluster-admin.ts'
import { collectionReply } from '../collection.ts'
import type { AdminRequest, Endpoint, Handler } from '../endpoint.ts'
import { clusterPage, clusterPageOptions } from '../paging.ts'
import { json, message, type Reply } from '../reply.ts'

const otherRole = message(
  400,
  'this endpoint is only available when Kong is configured to run as Control Plane for the cluster',
)

/** Only on a control plane; elsewhere the path exists but says so. */
export function onControlPlane(
  { cluster }: AdminOptions,
  handler: (cluster: ClusterAdmin, request: AdminRequest) => Promise<Reply>,
): Handler {
  return request => (cluster === null ? otherRole : handler(cluster, request))
}

export function clusteringEndpoints(options: AdminOptions): Endpoint[] {
  return [
    { path: '/clustering/status', methods: { GET: onControlPlane(options, status) } },
    { path: '/clustering/data-planes', methods: { GET: onControlPlane(options, dataPlanes) } },
  ]
}

async function dataPlanes(cluster: ClusterAdmin, { query, path }: AdminRequest): Promise<Reply> {
  const page = await cluster.dataPlanes(clusterPageOptions(query))
  return collectionReply(clusterPage(page), path, [['size', query.first('size')]])
}

const statusPageSize = 1000

async function status(cluster: ClusterAdmin): Promise<Reply> {
  const body: Record<string, unknown> = {}
  let after: string | null = null
  do {
    const page: Awaited<ReturnType<ClusterAdmin['dataPlanes']>> = await cluster.dataPlanes({
      size: statusPageSize,
      after,
    })
    for (const { id, config_hash, hostname, ip, last_seen } of page.rows)
      body[id] = { config_hash, hostname, ip, last_seen }
    after = page.next
  } while (after !== null)
  return json(200, body, { Deprecation: 'true' })
}
