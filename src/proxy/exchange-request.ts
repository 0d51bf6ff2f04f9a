/** The request as plugins see it: the client's, read only, decoded when asked. */
import type { ClientRequest } from '../sdk/sdk.ts'
import type { Exchange } from './exchange.ts'
import { X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO } from './http/header-ids.ts'
import { parseQuery, type QueryArgument } from './http/query-arguments.ts'

const NO_CAPTURES: Readonly<Record<string, string>> = {}
const EMPTY_BODY = new Uint8Array(0)

export class ClientRequestView implements ClientRequest {
  readonly #exchange: Exchange
  #query: readonly QueryArgument[] | null = null

  constructor(exchange: Exchange) {
    this.#exchange = exchange
  }

  get id(): string {
    return this.#exchange.id
  }

  get method(): string {
    return this.#exchange.head.method
  }

  get scheme(): 'http' | 'https' {
    return this.#exchange.client.scheme
  }

  get httpVersion(): '1.0' | '1.1' | '2' {
    return this.#exchange.head.version
  }

  get host(): string {
    return this.#exchange.head.hostname
  }

  get port(): number {
    return this.#exchange.client.publicPort
  }

  get forwardedScheme(): string {
    return this.#trusted(X_FORWARDED_PROTO) ?? this.scheme
  }

  get forwardedHost(): string {
    return this.#trusted(X_FORWARDED_HOST) ?? this.host
  }

  get forwardedPort(): number {
    const port = Number(this.#trusted(X_FORWARDED_PORT))
    return Number.isInteger(port) && port > 0 && port < 65536 ? port : this.port
  }

  #trusted(id: number): string | undefined {
    const { client, head } = this.#exchange
    return client.isPeerTrusted && head.has(id) ? head.known(id) : undefined
  }

  get localAddress(): string {
    return this.#exchange.client.localAddress
  }

  get localPort(): number {
    return this.#exchange.client.localPort
  }

  get path(): string {
    return this.#exchange.path
  }

  get rawPath(): string {
    return this.#exchange.rawPath
  }

  get rawQuery(): string {
    return this.#exchange.rawQuery
  }

  get clientIp(): string {
    return this.#exchange.clientIp
  }

  get connectionSerial(): number {
    return this.#exchange.client.serial
  }

  get connectionRequests(): number {
    return this.#exchange.client.requests
  }

  /** As in Kong, a name with `_` also finds the header with `-` in its place. */
  header(name: string): string | undefined {
    const lower = name.toLowerCase()
    const value = this.#exchange.head.find(lower)
    return value === undefined && lower.includes('_') ? this.#exchange.head.find(lower.replaceAll('_', '-')) : value
  }

  headerValues(name: string): readonly string[] {
    const lower = name.toLowerCase()
    const values = this.#exchange.head.findAll(lower)
    return values.length === 0 && lower.includes('_') ? this.#exchange.head.findAll(lower.replaceAll('_', '-')) : values
  }

  headers(): Record<string, string | string[]> {
    const { head, context } = this.#exchange
    const max = context.settings.seen.requestHeadersMax
    if (head.count > max) this.#exchange.noteCut('request headers')
    return head.toObject(max)
  }

  query(name: string): string | undefined {
    for (const [key, value] of this.queryArguments()) if (key === name) return value ?? ''
    return undefined
  }

  queryValues(name: string): readonly string[] {
    return this.queryArguments()
      .filter(([key]) => key === name)
      .map(([, value]) => value ?? '')
  }

  queryArguments(): readonly QueryArgument[] {
    return (this.#query ??= this.#seenQuery())
  }

  #seenQuery(): readonly QueryArgument[] {
    const max = this.#exchange.context.settings.seen.queryArgumentsMax
    const list = parseQuery(this.#exchange.rawQuery, max + 1)
    if (list.length <= max) return list
    this.#exchange.noteCut('uri args')
    return list.slice(0, max)
  }

  seenFormArguments(count: number): number {
    const max = this.#exchange.context.settings.seen.formArgumentsMax
    if (count > max) this.#exchange.noteCut('post args')
    return Math.min(count, max)
  }

  body(bytesMax = this.#exchange.context.settings.client.bufferedBodyBytesMax): Promise<Uint8Array> {
    const { body, client } = this.#exchange
    if (body === null) return Promise.resolve(EMPTY_BODY)
    const whole = body.collect(bytesMax)
    if (!body.isComplete) client.readBody()
    return whole
  }

  get uriCaptures(): Readonly<Record<string, string>> {
    return this.#exchange.match?.uriCaptures ?? NO_CAPTURES
  }
}
