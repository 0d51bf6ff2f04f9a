/** `/admin-tokens`: who may use the Admin API. */
import type { AdminOptions } from '../admin-options.ts'
import { type AdminTokens, ROLES, type Role } from '../admin-tokens.ts'
import { collectionReply } from '../collection.ts'
import type { AdminRequest, Endpoint } from '../endpoint.ts'
import { integer } from '../numbers.ts'
import { clusterPage, clusterPageOptions } from '../paging.ts'
import { json, noContent, notFound, type Reply } from '../reply.ts'
import { schemaViolation } from '../../store/violations.ts'

const NAME_LENGTH_MAX = 128
const TTL_SECONDS_MIN = 60
const TTL_SECONDS_MAX = 10 * 365 * 86_400

export function adminTokenEndpoints({ tokens }: AdminOptions): Endpoint[] {
  return [
    {
      path: '/admin-tokens',
      methods: { GET: request => list(tokens, request), POST: request => create(tokens, request) },
    },
    {
      path: '/admin-tokens/{token}',
      methods: {
        DELETE: async ({ params }) => ((await tokens.delete(params['token']!)) === null ? notFound : noContent),
      },
    },
  ]
}

async function list(tokens: AdminTokens, { query, path }: AdminRequest): Promise<Reply> {
  const { size, after } = clusterPageOptions(query)
  const rows = await tokens.list({ size: size + 1, after })
  const next = rows.length > size ? rows[size - 1]!.id : null
  return collectionReply(clusterPage({ rows: rows.slice(0, size), next }), path, [['size', query.first('size')]])
}

async function create(tokens: AdminTokens, { body }: AdminRequest): Promise<Reply> {
  const input = body.kind === 'json' ? body.value : body.kind === 'form' ? Object.fromEntries(body.pairs) : {}
  const errors: Record<string, string> = {}
  for (const name of Object.keys(input)) if (!['name', 'role', 'ttl'].includes(name)) errors[name] = 'unknown field'
  const { name, role = 'read-only', ttl = null } = input
  if (typeof name !== 'string' || name === '') errors['name'] = 'required field missing'
  else if (name.length > NAME_LENGTH_MAX) errors['name'] = `length must be at most ${NAME_LENGTH_MAX}`
  if (!ROLES.includes(role as Role)) errors['role'] = `expected one of: ${ROLES.join(', ')}`
  const seconds = ttl === null ? null : integer(ttl, TTL_SECONDS_MIN, TTL_SECONDS_MAX)
  if (typeof seconds === 'string') errors['ttl'] = seconds
  if (Object.keys(errors).length > 0) throw schemaViolation(errors)
  return json(201, await tokens.create({ name: name as string, role: role as Role, ttl: seconds as number | null }))
}
