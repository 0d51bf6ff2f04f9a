/**
 * A client of the Admin API, typed by the schemas: `silverback/client`.
 *
 *     const admin = createAdminClient({ url: 'http://localhost:8001' })
 *     const service = await admin.services.create({ name: 'sample', url: 'http://sample.test' })
 *     await admin.routes.of('services', service.id).create({ paths: ['/sample'] })
 *     for await (const plugin of admin.plugins.all()) console.log(plugin.name)
 */
import type { EntityTypes } from '../configuration/entity-types.ts'
import { entityPaths } from './entity-paths.ts'

export type * from '../configuration/entity-types.ts'

export interface AdminClientOptions {
  /** Of the Admin API, with its path if it has one. */
  readonly url: string
  /** Sent with every request, such as `Authorization`. */
  readonly headers?: Readonly<Record<string, string>>
  /** Instead of the global one: with other TLS settings, or for a test. */
  readonly fetch?: typeof fetch
  /** Milliseconds until a request without an answer fails. Default 60,000. */
  readonly timeoutMs?: number
}

export interface ListOptions {
  /** Per page; 1 to 1000. */
  readonly size?: number
  /** `a,b`: with both tags. `a/b`: with either. */
  readonly tags?: string
}

export interface Page<Row> {
  readonly data: readonly Row[]
  /** For the page after this one; null when it is the last. */
  readonly offset: string | null
}

/** Any part of an entity. */
export type Change<Input> = Input extends unknown ? Partial<Input> : never
export type EntityName = keyof EntityTypes

export interface EntityClient<Name extends EntityName> {
  list(options?: ListOptions & { readonly offset?: string }): Promise<Page<EntityTypes[Name]['row']>>
  /** All of them, fetched page by page as they are asked for. */
  all(options?: ListOptions): AsyncIterable<EntityTypes[Name]['row']>
  /** By id, or by name where it has one; null when there is none. */
  find(key: string): Promise<EntityTypes[Name]['row'] | null>
  create(input: EntityTypes[Name]['input']): Promise<EntityTypes[Name]['row']>
  /** Creates or replaces what the key names. */
  upsert(key: string, input: Change<EntityTypes[Name]['input']>): Promise<EntityTypes[Name]['row']>
  update(key: string, change: Change<EntityTypes[Name]['input']>): Promise<EntityTypes[Name]['row']>
  /** Does nothing when there is no such entity. */
  delete(key: string): Promise<void>
  /** Those that belong to one parent: `admin.routes.of('services', 'sample')`. */
  of(parent: EntityName, key: string): EntityClient<Name>
}

export type AdminClient = { readonly [Name in EntityName]: EntityClient<Name> } & {
  /** Any other request; resolves to the parsed body, null when there is none. */
  request(method: string, path: string, body?: unknown): Promise<unknown>
}

/** An answer that is no success. `code`, `fields` and the message are the Admin API's. */
export class AdminApiError extends Error {
  override readonly name = 'AdminApiError'
  readonly status: number
  readonly code: number | null
  readonly fields: Readonly<Record<string, unknown>> | null

  constructor(request: string, status: number, body: unknown) {
    const { message, code, fields } = (typeof body === 'object' && body !== null ? body : {}) as {
      message?: unknown
      code?: unknown
      fields?: unknown
    }
    super(`${request}: ${status} ${typeof message === 'string' ? message : ''}`.trimEnd())
    this.status = status
    this.code = typeof code === 'number' ? code : null
    this.fields = typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>) : null
  }
}

type Ask = (method: string, path: string, body?: unknown) => Promise<unknown>

const TIMEOUT_MS = 60_000

export function createAdminClient(options: AdminClientOptions): AdminClient {
  const ask = createAsk(options)
  const names = Object.keys(entityPaths) as EntityName[]
  const clients = names.map(name => [name, createEntityClient(ask, name, `/${entityPaths[name].path}`)])
  return { ...Object.fromEntries(clients), request: ask } as AdminClient
}

function createAsk({ url, headers = {}, timeoutMs = TIMEOUT_MS, fetch: send = fetch }: AdminClientOptions): Ask {
  const base = url.replace(/\/+$/, '')
  return async (method, path, body) => {
    const answer = await send(`${base}${path}`, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      signal: AbortSignal.timeout(timeoutMs),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    const isJson = answer.headers.get('content-type')?.includes('json') === true
    const value = text === '' ? null : isJson ? (JSON.parse(text) as unknown) : text
    if (!answer.ok) throw new AdminApiError(`${method} ${path}`, answer.status, value)
    return value
  }
}

function createEntityClient<Name extends EntityName>(ask: Ask, name: Name, path: string): EntityClient<Name> {
  type Row = EntityTypes[Name]['row']
  const pathOf = (key: string) => `${path}/${encodeURIComponent(key)}`

  async function list(options: ListOptions & { readonly offset?: string } = {}): Promise<Page<Row>> {
    const given = Object.entries(options).filter(([, value]) => value !== undefined)
    const query = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString()
    const { data, offset = null } = (await ask('GET', query === '' ? path : `${path}?${query}`)) as Page<Row>
    return { data, offset }
  }

  async function* all(options: ListOptions = {}): AsyncGenerator<Row> {
    let offset: string | null = null
    do {
      const page: Page<Row> = await list(offset === null ? options : { ...options, offset })
      yield* page.data
      offset = page.offset
    } while (offset !== null)
  }

  async function find(key: string): Promise<Row | null> {
    try {
      return (await ask('GET', pathOf(key))) as Row
    } catch (error) {
      if (error instanceof AdminApiError && error.status === 404) return null
      throw error
    }
  }

  return {
    list,
    all,
    find,
    create: input => ask('POST', path, input) as Promise<Row>,
    upsert: (key, input) => ask('PUT', pathOf(key), input) as Promise<Row>,
    update: (key, change) => ask('PATCH', pathOf(key), change) as Promise<Row>,
    delete: async key => void (await ask('DELETE', pathOf(key))),
    of: (parent, key) =>
      createEntityClient(
        ask,
        name,
        `/${entityPaths[parent].path}/${encodeURIComponent(key)}/${entityPaths[name].nested}`,
      ),
  }
}
