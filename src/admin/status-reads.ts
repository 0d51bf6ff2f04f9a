/**
 * What the Status API answers besides readiness, by the same code as the Admin API.
 *
 * A data plane has no store and no Admin API, so all of it comes from what the node runs with.
 */
import type { Row } from '../entities/config.ts'
import type { EntityReader } from '../entities/entity-reader.ts'
import type { UpstreamHealth } from './admin-options.ts'
import { RequestArguments } from './arguments.ts'
import { collectionReply } from './collection.ts'
import type { AdminRequest, Endpoint, Handler } from './endpoint.ts'
import { createPathRouter } from './path-router.ts'
import { json, message, notFound, type Reply } from './reply.ts'
import { dnsReply, type StatusSources, statusReply } from './routes/status.ts'
import { healthReply } from './routes/target-health.ts'
import { newestFirst, sliceOfTargets } from './routes/targets.ts'
import { errorReply } from './error-reply.ts'
import type { Logger } from '../base/logger.ts'
import { isUuid } from '../store/row-key.ts'

export interface StatusReadOptions extends StatusSources {
  readonly nodeId: string
  readonly logger: Logger
  /** Null while the prometheus plugin is not enabled. */
  readonly metrics: (() => Promise<string>) | null
  /** Only where the node has no database: elsewhere the Admin API shows upstreams. */
  readonly upstreams: { readonly entities: EntityReader; readonly health: UpstreamHealth } | null
}

/** Null: there is no such path. */
export type StatusRead = (path: string, query: string) => Promise<Reply | null>

export function createStatusReads(options: StatusReadOptions): StatusRead {
  const { metrics, upstreams } = options
  const endpoints: Endpoint[] = [
    get('/status', ({ query }) => statusReply(options, query)),
    get('/status/dns', () => dnsReply(options.stats)),
  ]
  const type = 'text/plain; charset=UTF-8'
  if (metrics !== null) {
    endpoints.push(get('/metrics', async () => ({ status: 200, text: { type, content: await metrics() } })))
  }
  if (upstreams !== null) endpoints.push(...upstreamEndpoints(options.nodeId, upstreams.entities, upstreams.health))
  const router = createPathRouter(endpoints)

  return async (path, queryText) => {
    const match = router.find(path)
    if (match === null) return null
    const query = RequestArguments.parse(queryText)
    if (query === null) return message(400, 'Too many arguments')
    const request: AdminRequest = { method: 'GET', params: match.params, path, query, body: { kind: 'none' } }
    try {
      return await match.endpoint.methods.GET!(request)
    } catch (error) {
      return errorReply(error, options.logger)
    }
  }
}

const get = (path: string, handler: Handler): Endpoint => ({ path, methods: { GET: handler } })

function upstreamEndpoints(nodeId: string, entities: EntityReader, health: UpstreamHealth): Endpoint[] {
  const base = '/upstreams/{upstreams}'

  /** Runs with the upstream and its targets, newest first. */
  const withTargets =
    (handler: (upstream: Row, targets: readonly Row[], request: AdminRequest) => Reply | Promise<Reply>): Handler =>
    request => {
      const key = request.params['upstreams']!
      const upstream = isUuid(key) ? entities.find('upstreams', key) : entities.findBy('upstreams', 'name', key)
      if (upstream === null) return notFound
      const targets = entities.findByForeign('targets', 'upstream', upstream['id'] as string)
      return handler(upstream, [...targets].sort(newestFirst), request)
    }

  const list = (looksAhead: boolean) =>
    withTargets((_upstream, targets, request) =>
      collectionReply(sliceOfTargets(targets, request.query, looksAhead), request.path),
    )
  return [
    get(`${base}/targets`, list(true)),
    get(`${base}/targets/all`, list(false)),
    get(
      `${base}/targets/{targets}`,
      withTargets((_upstream, targets, { params }) => {
        const found = targets.find(row => row['id'] === params['targets'] || row['target'] === params['targets'])
        return found === undefined ? notFound : json(200, found)
      }),
    ),
    get(
      `${base}/health`,
      withTargets((upstream, targets, request) =>
        healthReply({ nodeId, health, upstream, page: sliceOfTargets(targets, request.query), request }),
      ),
    ),
  ]
}
