/** `/upstreams/{upstream}/health` and setting the health of a target by hand. */
import type { Row } from '../../entities/config.ts'
import type { AdminOptions, TargetHealth, UpstreamHealth } from '../admin-options.ts'
import { collectionReply } from '../collection.ts'
import type { AdminRequest, Endpoint } from '../endpoint.ts'
import { json, message, noContent, notFound, type Reply } from '../reply.ts'
import { findTarget, findUpstream, pageNewestFirst, type TargetPage } from './targets.ts'

const target = '/upstreams/{upstreams}/targets/{targets}'

export function targetHealthEndpoints(options: AdminOptions): Endpoint[] {
  const overview: Endpoint = {
    path: '/upstreams/{upstreams}/health',
    methods: { GET: request => show(options, request) },
  }
  if (options.upstreamHealth === null) return [overview]
  const setters = (['healthy', 'unhealthy'] as const).flatMap(word =>
    [target, `${target}/{address}`].map(path => ({
      path: `${path}/${word}`,
      methods: { PUT: (request: AdminRequest) => setHealth(options, request, word === 'healthy') },
    })),
  )
  return [overview, ...setters]
}

async function show(options: AdminOptions, request: AdminRequest): Promise<Reply> {
  const { node, upstreamHealth: health } = options
  const upstream = await findUpstream(options, request)
  if (upstream === null) return notFound
  const page = await pageNewestFirst(options, upstream, request)
  return healthReply({ nodeId: node.id, health, upstream, page, request })
}

interface HealthQuestion {
  readonly nodeId: string
  readonly health: UpstreamHealth | null
  readonly upstream: Row
  readonly page: TargetPage
  readonly request: AdminRequest
}

export async function healthReply({ nodeId, health, upstream, page, request }: HealthQuestion): Promise<Reply> {
  if (request.query.first('balancer_health') === '1') {
    const data = health === null ? unbalancedUpstream(upstream) : await health.balancer(upstream)
    return json(200, { data, next: null, node_id: nodeId })
  }
  const data: Row[] = []
  for (const row of page.data) {
    const seen = health === null ? unbalancedTarget(row) : await health.target(upstream, row)
    data.push({ ...row, ...seen })
  }
  return collectionReply({ data, offset: page.offset }, request.path, [], { node_id: nodeId })
}

async function setHealth(options: AdminOptions, request: AdminRequest, healthy: boolean): Promise<Reply> {
  const found = await findTarget(options, request)
  if (found === null || options.upstreamHealth === null) return notFound
  const refusal = await options.upstreamHealth.set({ ...found, address: request.params['address'] ?? null, healthy })
  return refusal === null ? noContent : message(400, refusal)
}

/** What can be said of a target where nobody balances, and no data plane has told anything: its own configuration. */
export function unbalancedTarget(row: Row): TargetHealth {
  const weight = row['weight'] as number
  const text = row['target'] as string
  const colon = text.lastIndexOf(':')
  const host = text.slice(0, colon)
  const data = { host, port: Number(text.slice(colon + 1)), nodeWeight: weight, addresses: [] }
  return { health: 'HEALTHCHECKS_OFF', data: { ...data, weight: { total: 0, available: 0, unavailable: 0 } } }
}

export function unbalancedUpstream(upstream: Row) {
  const details = { healthy: true, weight: { total: 0, unavailable: 0, available: 0 }, hosts: [] }
  return { health: 'HEALTHCHECKS_OFF', balancer_health: 'HEALTHY', id: upstream['id'], details }
}
