/** What plugins changed of the request that goes to the upstream; made when the first of them asks. */
import type { HeaderValue, UpstreamRequest } from '../sdk/sdk.ts'
import type { Exchange } from './exchange.ts'
import { CHARACTER_CLASSES, METHOD } from './http/character-classes.ts'
import { FieldOverrides } from './http/field-overrides.ts'
import { escapePath } from './http/normal-path.ts'
import { asFormPart, formatQuery, parseQuery, type QueryArgument } from './http/query-arguments.ts'

export class UpstreamRequestEdits implements UpstreamRequest {
  /** What differs from the client's fields; those that the proxy sets itself are left out when sent. */
  readonly headers: FieldOverrides
  readonly #exchange: Exchange
  /** Null: as the client sent it. */
  editedMethod: string | null = null
  editedPath: string | null = null
  editedQuery: string | null = null
  /** The Host header a plugin asked for. */
  editedHost: string | null = null
  editedBody: Buffer | null = null

  constructor(exchange: Exchange) {
    this.#exchange = exchange
    this.headers = new FieldOverrides(exchange.head)
  }

  header(name: string): string | undefined {
    return this.headers.get(name)
  }

  headerValues(name: string): readonly string[] {
    return this.headers.getAll(name)
  }

  setHeader(name: string, value: HeaderValue): void {
    this.headers.set(name, value)
    if (name.toLowerCase() === 'host') this.editedHost = typeof value === 'string' ? value : (value[0] ?? null)
  }

  addHeader(name: string, value: string): void {
    if (name.toLowerCase() === 'host') this.setHeader(name, value)
    else this.headers.add(name, value)
  }

  clearHeader(name: string): void {
    this.headers.remove(name)
  }

  /** For names known to be well formed, and text that is not latin1 yet. */
  setOrClear(name: string, lower: string, value: unknown): void {
    if (value === null || value === undefined) return this.headers.removeLower(lower)
    const text = typeof value === 'string' ? value : String(value)
    if (/^[\x20-\x7e]*$/.test(text)) this.headers.setChecked(name, lower, [text])
    else this.headers.set(name, Buffer.from(text, 'utf8').toString('latin1'))
  }

  get method(): string {
    return this.editedMethod ?? this.#exchange.head.method
  }

  setMethod(method: string): void {
    for (let i = 0; i < method.length; i++) {
      const code = method.charCodeAt(i)
      if (code > 255 || (CHARACTER_CLASSES[code]! & METHOD) === 0) throw new TypeError('invalid method')
    }
    if (method === '') throw new TypeError('invalid method')
    this.editedMethod = method
  }

  get path(): string {
    return this.editedPath ?? this.#exchange.upstreamPath()
  }

  setPath(path: string): void {
    if (!path.startsWith('/')) throw new TypeError('path must begin with a slash')
    this.editedPath = escapePath(Buffer.from(path, 'utf8').toString('latin1')).replace(/[?#]/g, encodeURIComponent)
  }

  get query(): string {
    return this.editedQuery ?? this.#exchange.rawQuery
  }

  queryArguments(): readonly QueryArgument[] {
    return parseQuery(this.query)
  }

  setQueryArguments(query: readonly QueryArgument[]): void {
    this.editedQuery = formatQuery(query)
  }

  /** The others keep their order, but are written anew as a form would be, as Kong does; without the name, nothing changes. */
  clearQuery(name: string): void {
    if (this.query === '') return
    const parts = this.query.split('&')
    const kept = parts.filter(part => parseQuery(part)[0]?.[0] !== name)
    if (kept.length < parts.length)
      this.editedQuery = kept
        .filter(part => part !== '')
        .map(asFormPart)
        .join('&')
  }

  /** As it will be sent: a replaced body, else the client's. */
  body(bytesMax?: number): Promise<Uint8Array> {
    return this.editedBody === null ? this.#exchange.request.body(bytesMax) : Promise.resolve(this.editedBody)
  }

  setBody(body: Uint8Array | string): void {
    this.editedBody = typeof body === 'string' ? Buffer.from(body) : Buffer.from(body)
  }
}
