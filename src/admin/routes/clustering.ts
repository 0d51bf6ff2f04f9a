/** `/clustering/status` and `/clustering/data-planes`: what the control plane knows of its data planes. */
import type { AdminOptions } from '../admin-options.ts'
import type { ClusterAdmin } from '../../entities/cluster-view.ts'
import { collectionReply } from '../collection.ts'
import type { AdminRequest, Endpoint, Handler } from '../endpoint.ts'
import { clusterPage, clusterPageOptions } from '../paging.ts'
import { json, message, notFound, type Reply } from '../reply.ts'

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
    {
      path: '/clustering/data-planes/{id}/health',
      methods: { GET: onControlPlane(options, (cluster, request) => dataPlaneHealth(options, cluster, request)) },
    },
  ]
}

async function dataPlanes(cluster: ClusterAdmin, { query, path }: AdminRequest): Promise<Reply> {
  const page = await cluster.dataPlanes(clusterPageOptions(query))
  return collectionReply(clusterPage(page), path, [['size', query.first('size')]])
}

/** Ours: Kong's control planes do not know. Pages of upstreams, in order of id. */
async function dataPlaneHealth(
  { repository }: AdminOptions,
  cluster: ClusterAdmin,
  { params, query, path }: AdminRequest,
): Promise<Reply> {
  const id = params['id']!
  const seen = await cluster.dataPlaneHealth(id)
  if (seen === null) return notFound
  const { size, after } = clusterPageOptions(query)
  const all = [...seen.upstreams].sort((a, b) => (a.id < b.id ? -1 : 1))
  const rest = all.filter(upstream => after === null || upstream.id > after)
  const data: object[] = []
  for (const { id: upstream, hidden, addresses } of rest.slice(0, size)) {
    const name = (await repository.find('upstreams', upstream))?.['name'] ?? null
    const shown = addresses.map(({ healthy, ...address }) => ({
      ...address,
      health: healthy ? 'HEALTHY' : 'UNHEALTHY',
    }))
    data.push({ upstream: { id: upstream, name }, addresses: shown, healthy_not_shown: hidden })
  }
  const next = rest.length > size ? rest[size - 1]!.id : null
  const members = { node_id: id, connected: seen.isConnected, truncated: seen.isCut }
  return collectionReply(clusterPage({ rows: data, next }), path, [['size', query.first('size')]], members)
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
