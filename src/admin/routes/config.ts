/** `/config`: the whole configuration of a node without a database, read and replaced as one declarative file. */
import { createHash } from 'node:crypto'
import { canonicalJson } from '../../entities/config-digest.ts'
import { exportDeclarative } from '../../declarative/export.ts'
import { flattenErrors } from '../../declarative/flatten.ts'
import { parseDeclarative, parseText } from '../../declarative/parse.ts'
import { luaNotation } from '../../schema/messages.ts'
import type { FieldErrors } from '../../schema/validate.ts'
import { errorBody, StoreError } from '../../store/errors.ts'
import type { AdminOptions, DatabaseLess } from '../admin-options.ts'
import type { AdminRequest, Endpoint, Handler } from '../endpoint.ts'
import { json, message, type Reply } from '../reply.ts'

const withDatabase = message(400, 'this endpoint is only available when Kong is configured to not use a database')
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
    try {
      return await load(options, target, request)
    } finally {
      busy.loading = false
    }
  }

  return [{ path: '/config', yaml: true, methods: { GET: only(() => show(options)), POST: only(replace) } }]
}

async function show({ store }: AdminOptions): Promise<Reply> {
  const { batches } = await store.export()
  const rows: { entity: string; row: Readonly<Record<string, unknown>> }[] = []
  for await (const batch of batches) rows.push(...batch)
  return json(200, { config: exportDeclarative(rows) })
}

async function load(options: AdminOptions, target: DatabaseLess, request: AdminRequest): Promise<Reply> {
  const { catalog, clock, random } = options
  const source = sourceOf(request)
  if (source === null) return message(400, 'expected a declarative configuration')
  const read = typeof source === 'string' ? parseText(source) : { ok: true as const, document: source, hash: null }
  if (!read.ok) return invalid(read.errors)
  const checksHash = parameter(request, 'check_hash') === '1'
  if (checksHash && read.hash !== null && read.hash === target.currentHash()) return { status: 304 }
  const { uuid, bytes: randomBytes } = random
  const parsed = parseDeclarative(read.document, { catalog, nowMs: clock.now(), uuid, randomBytes })
  if (!parsed.ok) {
    if (!isTruthy(parameter(request, 'flatten_errors'))) return invalid(parsed.errors)
    const { fields, flattened_errors } = flattenErrors(parsed.errors, read.document, catalog)
    const { body } = invalid(parsed.errors) as { body: object }
    return json(400, { ...body, fields, flattened_errors })
  }
  const hash = read.hash ?? createHash('md5').update(canonicalJson(read.document)).digest('hex')
  await target.replace({ rows: parsed.rows, hash })
  return json(201, byEntityAndId(parsed.rows))
}

/** The document itself, its text, or null when there is none. */
function sourceOf({ body }: AdminRequest): string | Record<string, unknown> | null {
  if (body.kind === 'yaml') return body.text === '' ? null : body.text
  if (body.kind === 'form') return body.pairs.find(([name]) => name === 'config')?.[1] ?? null
  if (body.kind === 'none') return null
  const { check_hash: _hash, flatten_errors: _flatten, ...document } = body.value
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

function invalid(errors: FieldErrors): Reply {
  const text = `declarative config is invalid: ${luaNotation(errors)}`
  return json(400, errorBody(new StoreError('declarative_config', text, errors)))
}

/** `{ services: { <id>: row } }`; unset members are left out, as in the file. */
function byEntityAndId(rows: readonly { readonly entity: string; readonly row: Readonly<Record<string, unknown>> }[]) {
  const out: Record<string, Record<string, unknown>> = {}
  for (const { entity, row } of rows) {
    if (entity === 'workspaces') continue
    const members = Object.entries(row).filter(([name, value]) => value !== null && name !== 'ws_id')
    ;(out[entity] ??= {})[String(row['id'])] = Object.fromEntries(members)
  }
  return out
}
