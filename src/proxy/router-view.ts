/** A request as the router asks for it; one object per connection, filled anew for each request. */
import type { Exchange } from './exchange.ts'
import { parseQuery, type QueryArgument } from './http/query-arguments.ts'
import type { RequestHead } from './http/request-head.ts'
import { toBytes } from './router/byte-text.ts'
import type { RouterInput } from './router/router.ts'

/** What all requests of a connection have in common. */
export interface RoutedConnection {
  readonly scheme: 'http' | 'https'
  readonly sni: string
  readonly publicPort: number
  readonly peerPort: number
  readonly localAddress: string
}

export class RouterView implements RouterInput {
  method = ''
  host = ''
  port = 0
  hostPort = 0
  path = ''
  sourceIp = ''
  readonly scheme: 'http' | 'https'
  readonly sni: string
  readonly #head: RequestHead
  readonly #connection: RoutedConnection
  #rawQuery = ''
  /** Read when the first route asks for an argument. */
  #query: readonly QueryArgument[] | null = null

  constructor(head: RequestHead, connection: RoutedConnection) {
    this.#head = head
    this.scheme = connection.scheme
    this.sni = connection.sni
    this.#connection = connection
  }

  fill(exchange: Exchange): this {
    const head = this.#head
    this.method = head.method
    this.host = head.hostname
    this.hostPort = head.hostPort
    this.port = head.hostPort === 0 ? this.#connection.publicPort : head.hostPort
    this.path = exchange.path
    this.sourceIp = exchange.clientIp
    this.#rawQuery = exchange.rawQuery
    this.#query = null
    return this
  }

  get sourcePort(): number {
    return this.#connection.peerPort
  }

  get destinationIp(): string {
    return this.#connection.localAddress
  }

  header(name: string): string | undefined {
    return this.#head.find(name)
  }

  headerValues(name: string): readonly string[] {
    return this.#head.findAll(name)
  }

  queryValues(name: string): readonly string[] {
    this.#query ??= parseQuery(this.#rawQuery)
    return this.#query.filter(([key]) => key === name).map(([, value]) => toBytes(value ?? ''))
  }
}
