/** `/config`: the whole configuration of a node without a database, read and replaced as one declarative file. */
import { errorPlaces } from '../../declarative/error-places.ts'
import { exportYaml } from '../../declarative/export.ts'
import { flattenErrors } from '../../declarative/flatten.ts'
import { type FailedConfig, loadedEntities, parseDocument } from '../../declarative/parse.ts'
import { declarativeErrorBody } from '../../declarative/pretty-errors.ts'
import { readText, textHash } from '../../declarative/read-text.ts'
import type { Clock } from '../../base/clock.ts'
import type { Row } from '../../entities/config.ts'
import { type AdminOptions, ConfigurationTooLarge, type DatabaseLess } from '../admin-options.ts'
import type { AdminRequest, Endpoint, Handler } from '../endpoint.ts'
import { json, message, type Reply } from '../reply.ts'

const withDatabase = message(400, 'this endpoint is only available when Kong is configured to not use a database')
/** Kong's text; where we save it is no LMDB, but the setting is the same. */
const tooLarge = message(
  413,
  'Configuration does not fit in LMDB database, consider raising the "lmdb_map_size" config for Kong',
)
/** Kong's own limit for its workers to take a configuration. */
const loadTimeoutMs = 60_000
/** Seconds. A configuration loads in less. */
const retryAfter = '1'

export function configEndpoints(options: AdminOptions): Endpoint[] {
  const { databaseLess } = options
  const only = (handler: (databaseLess: DatabaseLess, request: AdminRequest) => Promise<Reply>): Handler =>
    databaseLess === null ? () => withDatabase : request => handler(databaseLess, request)
  const busy = { loading: false }

  async function replace(target: DatabaseLess, request: AdminRequest): Promise<Reply> {
    if (busy.loading) {
      return json(429, { message: 'Currently loading previous configuration' }, { 'Retry-After': retryAfter })
    }
    busy.loading = true
    const loading = load(options, target, request).finally(() => {
      busy.loading = false
    })
    return inTime(options.clock, loading)
  }

  return [{ path: '/config', yaml: true, methods: { GET: only(() => show(options)), POST: only(replace) } }]
}

/** The load goes on, and until it ends further ones are turned away; only the answer does not wait for it. */
function inTime(clock: Clock, loading: Promise<Reply>): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(loadTimeoutMs, () => resolve(message(504, 'Timed out while loading configuration')))
    loading.then(resolve, reject).finally(() => timer.cancel())
  })
}

async function show({ store, catalog }: AdminOptions): Promise<Reply> {
  const { batches } = await store.export()
  const byEntity = new Map<string, Row[]>()
  for await (const batch of batches) {
    for (const { entity, row } of batch) {
      const rows = byEntity.get(entity)
      if (rows === undefined) byEntity.set(entity, [row])
      else rows.push(row)
    }
  }
  return json(200, { config: exportYaml({ catalog, rows: entity => byEntity.get(entity) ?? [] }) })
}

async function load(options: AdminOptions, target: DatabaseLess, request: AdminRequest): Promise<Reply> {
  const { catalog, clock, random } = options
  const source = sourceOf(request)
  if (source === null) return message(400, 'expected a declarative configuration')
  // Only a text has a hash before it is read as a configuration.
  if (typeof source === 'string' && parameter(request, 'check_hash') === '1') {
    if (textHash(source) === target.currentHash()) return { status: 304 }
  }
  const read = typeof source === 'string' ? readText(source) : { ok: true as const, document: source, hash: undefined }
  if (!read.ok) return json(400, declarativeErrorBody({ error: read.error }))
  const { document, hash } = read
  const context = { catalog, nowMs: clock.now(), uuid: random.uuid, randomBytes: random.bytes }
  const parsed = parseDocument(document, context, hash)
  if (!parsed.ok) return json(400, failureBody({ options, request, source, parsed }))
  try {
    await target.replace({ rows: parsed.rows, hash: parsed.hash })
  } catch (error) {
    if (error instanceof ConfigurationTooLarge) return tooLarge
    throw error
  }
  return json(201, loadedEntities(parsed.rows))
}

interface Failure {
  readonly options: AdminOptions
  readonly request: AdminRequest
  readonly source: string | object
  readonly parsed: FailedConfig
}

/** Kong's body; with `error_positions`, also where in the text each error is. */
function failureBody({ options, request, source, parsed: { document, errors } }: Failure): object {
  const asked = (name: string) => isTruthy(parameter(request, name))
  const places = typeof source === 'string' && asked('error_positions') && { positions: errorPlaces(source, errors) }
  if (!asked('flatten_errors')) return { ...declarativeErrorBody(errors), ...places }
  const { flattened, rest } = flattenErrors(document, errors, options.catalog)
  return { ...declarativeErrorBody(errors, flattened), fields: rest, ...places }
}

/** The document itself, its text, or null when there is none. */
function sourceOf({ body }: AdminRequest): string | Record<string, unknown> | null {
  if (body.kind === 'yaml') return body.text === '' ? null : body.text
  if (body.kind === 'form') return body.pairs.find(([name]) => name === 'config')?.[1] ?? null
  if (body.kind === 'none') return null
  const { check_hash: _hash, flatten_errors: _flatten, error_positions: _positions, ...document } = body.value
  if ('_format_version' in document) return document
  return typeof document['config'] === 'string' ? document['config'] : document
}

/** From the query or the body, as Kong merges them. */
function parameter({ query, body }: AdminRequest, name: string): string | undefined {
  const given = body.kind === 'json' ? body.value[name] : undefined
  return given === undefined ? query.first(name) : String(given)
}

const isTruthy = (value: string | undefined) =>
  value !== undefined && ['true', '1', 'on', 'yes'].includes(value.toLowerCase())
