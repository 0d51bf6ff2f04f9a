/** `/upstreams/{upstream}/targets...`: targets are reached through their upstream only, by id or by `host:port`. */
import type { Row } from '../../entities/config.ts'
import { normalizeTarget, targetError } from '../../entities/targets.ts'
import { parseSize } from '../../store/page-arguments.ts'
import { invalidOffset, schemaViolation } from '../../store/violations.ts'
import type { AdminOptions } from '../admin-options.ts'
import { type CollectionPage, collectionReply, pageOption } from '../collection.ts'
import type { RequestArguments } from '../arguments.ts'
import type { AdminRequest, Endpoint } from '../endpoint.ts'
import { entityInput } from '../entity-input.ts'
import { json, noContent, notFound, type Reply } from '../reply.ts'
import { isUuid } from '../../store/row-key.ts'

const collection = '/upstreams/{upstreams}/targets'

export function targetEndpoints(options: AdminOptions): Endpoint[] {
  const { repository, catalog } = options

  async function create(request: AdminRequest): Promise<Reply> {
    const upstream = await findUpstream(options, request)
    if (upstream === null) return notFound
    const input = entityInput(request.body, { catalog, definition: catalog.get('targets') })
    // Before all other rules, and unlike in a file, without the value: so Kong's targets are checked on their way in.
    if (isBadTarget(input['target'])) {
      throw schemaViolation({ target: 'Invalid target; not a valid hostname or ip address' })
    }
    return json(201, await repository.insert('targets', { ...input, upstream: { id: upstream['id'] } }))
  }

  async function change(request: AdminRequest): Promise<Reply> {
    const found = await findTarget(options, request)
    if (found === null) return notFound
    const input = entityInput(request.body, { catalog, definition: catalog.get('targets') })
    return json(200, await repository.update('targets', found.target['id'] as string, input))
  }

  const byName: Endpoint = {
    path: `${collection}/{targets}`,
    methods: {
      async GET(request) {
        const found = await findTarget(options, request)
        return found === null ? notFound : json(200, found.target)
      },
      PUT: change,
      PATCH: change,
      async DELETE(request) {
        const found = await findTarget(options, request)
        if (found === null) return notFound
        await repository.delete('targets', found.target['id'] as string)
        return noContent
      },
    },
  }
  return [
    { path: collection, methods: { GET: request => listNewestFirst(options, request), POST: create } },
    { path: `${collection}/all`, methods: { GET: request => listAll(options, request) } },
    byName,
  ]
}

const isBadTarget = (target: unknown) => typeof target === 'string' && targetError(target) !== null

export async function findUpstream({ repository }: AdminOptions, { params }: AdminRequest): Promise<Row | null> {
  return repository.find('upstreams', params['upstreams']!)
}

/** Null when there is no such upstream, or the target is not one of its own. */
export async function findTarget(
  options: AdminOptions,
  request: AdminRequest,
): Promise<{ upstream: Row; target: Row } | null> {
  const { repository, store } = options
  const upstream = await findUpstream(options, request)
  if (upstream === null) return null
  const key = request.params['targets']!
  const upstreamId = upstream['id'] as string
  const id = isUuid(key)
    ? key
    : (await store.findBy('targets', { upstream: upstreamId, target: normalizeTarget(key) }))?.['id']
  const target = id === undefined ? null : await repository.find('targets', id as string)
  return target !== null && (target['upstream'] as { id: string }).id === upstreamId ? { upstream, target } : null
}

export interface TargetPage extends CollectionPage {
  readonly data: readonly Row[]
}

/** Kong sorts in memory too, and its offset is a position: an upstream has few targets. */
export async function pageNewestFirst(
  { repository }: AdminOptions,
  upstream: Row,
  { query }: AdminRequest,
): Promise<TargetPage> {
  const all: Row[] = []
  const foreign = { field: 'upstream', key: upstream['id'] as string }
  let offset: string | null = null
  do {
    const after: { offset?: string } = offset === null ? {} : { offset }
    const page: TargetPage = await repository.page('targets', { foreign, size: '1000', ...after })
    all.push(...page.data)
    offset = page.offset
  } while (offset !== null)
  return sliceOfTargets(all.sort(newestFirst), query)
}

/** `targets` are in order already. Without looking ahead, every full page has an offset: the store's way without a database. */
export function sliceOfTargets(targets: readonly Row[], query: RequestArguments, looksAhead = true): TargetPage {
  const begin = position(pageOption(query, 'offset'))
  const end = begin + parseSize(pageOption(query, 'size'))
  const hasMore = looksAhead ? end < targets.length : end <= targets.length
  return { data: targets.slice(begin, end), offset: hasMore ? String(end) : null }
}

export function newestFirst(a: Row, b: Row): number {
  const difference = (b['created_at'] as number) - (a['created_at'] as number)
  if (difference !== 0) return difference
  return (a['id'] as string) < (b['id'] as string) ? 1 : -1
}

function position(value: unknown): number {
  if (value === undefined) return 0
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : null
  if (number === null) throw invalidOffset(String(value), 'expected a number')
  return number
}

async function listNewestFirst(options: AdminOptions, request: AdminRequest): Promise<Reply> {
  const upstream = await findUpstream(options, request)
  if (upstream === null) return notFound
  return collectionReply(await pageNewestFirst(options, upstream, request), request.path)
}

async function listAll(options: AdminOptions, request: AdminRequest): Promise<Reply> {
  const upstream = await findUpstream(options, request)
  if (upstream === null) return notFound
  const [size, offset, tags] = ['size', 'offset', 'tags'].map(name => pageOption(request.query, name))
  const foreign = { field: 'upstream', key: upstream['id'] as string }
  return collectionReply(await options.repository.page('targets', { size, offset, tags, foreign }), request.path)
}
