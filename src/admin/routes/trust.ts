/** `/clustering/tokens` and `/clustering/nodes`: who may join the cluster, and who no longer may. */
import type { AdminOptions } from '../admin-options.ts'
import {
  type ClusterAdmin,
  type ClusterNode,
  type JoinTokenRequest,
  NOT_ENROLLING,
} from '../../entities/cluster-view.ts'
import { collectionReply } from '../collection.ts'
import type { AdminRequest, Endpoint } from '../endpoint.ts'
import { schemaViolation } from '../../store/violations.ts'
import { integer } from '../numbers.ts'
import { clusterPage, clusterPageOptions } from '../paging.ts'
import { json, message, noContent, notFound, type Reply } from '../reply.ts'
import { onControlPlane } from './clustering.ts'

const ttlSecondsDefault = 24 * 3600
const ttlSecondsMin = 60
const ttlSecondsMax = 365 * 24 * 3600
const usesMax = 1_000_000
const nameLengthMax = 256

export function trustEndpoints(options: AdminOptions): Endpoint[] {
  const post = (change: Change) => onControlPlane(options, whereEnrolling(change))
  return [
    {
      path: '/clustering/tokens',
      methods: { GET: onControlPlane(options, listTokens), POST: post(createToken) },
    },
    { path: '/clustering/tokens/{token}', methods: { DELETE: onControlPlane(options, deleteToken) } },
    { path: '/clustering/nodes', methods: { GET: onControlPlane(options, listNodes) } },
    {
      path: '/clustering/nodes/{node}/approve',
      methods: { POST: post(async (cluster, { params }) => nodeReply(await cluster.approve(params['node']!))) },
    },
    {
      path: '/clustering/nodes/{node}/revoke',
      methods: { POST: post(async (cluster, { params }) => nodeReply(await cluster.revoke(params['node']!))) },
    },
  ]
}

type Change = (cluster: ClusterAdmin, request: AdminRequest) => Promise<Reply>

function whereEnrolling(change: Change): Change {
  return async (cluster, request) => {
    try {
      return await change(cluster, request)
    } catch (error) {
      if (error instanceof Error && error.name === NOT_ENROLLING) return message(400, error.message)
      throw error
    }
  }
}

async function listTokens(cluster: ClusterAdmin, { query, path }: AdminRequest): Promise<Reply> {
  const page = await cluster.tokens(clusterPageOptions(query))
  return collectionReply(clusterPage(page), path, [['size', query.first('size')]])
}

async function listNodes(cluster: ClusterAdmin, { query, path }: AdminRequest): Promise<Reply> {
  const page = await cluster.nodes(clusterPageOptions(query))
  return collectionReply(clusterPage(page), path, [['size', query.first('size')]])
}

async function createToken(cluster: ClusterAdmin, { body }: AdminRequest): Promise<Reply> {
  const input = body.kind === 'json' ? body.value : body.kind === 'form' ? Object.fromEntries(body.pairs) : {}
  return json(201, await cluster.createToken(tokenRequest(input)))
}

async function deleteToken(cluster: ClusterAdmin, { params }: AdminRequest): Promise<Reply> {
  return (await cluster.deleteToken(params['token']!)) ? noContent : notFound
}

const nodeReply = (node: ClusterNode | null): Reply => (node === null ? notFound : json(200, node))

function tokenRequest(input: Record<string, unknown>): JoinTokenRequest {
  const errors: Record<string, string> = {}
  for (const name of Object.keys(input)) {
    if (!['name', 'ttl', 'uses'].includes(name)) errors[name] = 'unknown field'
  }
  const name = input['name'] ?? null
  if (name !== null && (typeof name !== 'string' || name.length > nameLengthMax)) errors['name'] = 'expected a string'
  const ttl = integer(input['ttl'] ?? ttlSecondsDefault, ttlSecondsMin, ttlSecondsMax)
  if (typeof ttl === 'string') errors['ttl'] = ttl
  const uses = input['uses'] == null ? null : integer(input['uses'], 1, usesMax)
  if (typeof uses === 'string') errors['uses'] = uses
  if (Object.keys(errors).length > 0) throw schemaViolation(errors)
  return { name: name as string | null, ttl: ttl as number, uses: uses as number | null }
}
