/** A request as the router asks for it; one object per connection, filled anew for each request. */
import type { Exchange } from './exchange.ts'
import type { RequestHead } from './http/request-head.ts'
import type { RouterInput } from './router/router.ts'

export class RouterView implements RouterInput {
  method = ''
  host = ''
  port = 0
  path = ''
  readonly scheme: 'http' | 'https'
  readonly sni: string
  readonly #head: RequestHead
  readonly #listenPort: number

  constructor(head: RequestHead, connection: { scheme: 'http' | 'https'; sni: string; publicPort: number }) {
    this.#head = head
    this.scheme = connection.scheme
    this.sni = connection.sni
    this.#listenPort = connection.publicPort
  }

  fill(exchange: Exchange): this {
    const head = this.#head
    this.method = head.method
    this.host = head.hostname
    this.port = head.hostPort === 0 ? this.#listenPort : head.hostPort
    this.path = exchange.path
    return this
  }

  header(name: string): string | undefined {
    return this.#head.find(name)
  }

  headerValues(name: string): readonly string[] {
    return this.#head.findAll(name)
  }
}
