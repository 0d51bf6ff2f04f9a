/** HTTP/2 connections by peer. A request goes to one that has room, so that few connections serve many requests. */
import type { Http2UpstreamConnection } from './http2-upstream-connection.ts'
import type { Http2UpstreamStream } from './http2-upstream-stream.ts'

export class Http2Pool<Owner> {
  readonly #connections = new Map<string, Http2UpstreamConnection<Owner>[]>()

  /** A stream for a request, on a connection that `open` makes if none has room. */
  take(key: string, owner: Owner, open: () => Http2UpstreamConnection<Owner>): Http2UpstreamStream<Owner> {
    let list = this.#connections.get(key)
    if (list === undefined) this.#connections.set(key, (list = []))
    let connection = list.find(({ hasRoom }) => hasRoom)
    if (connection === undefined) {
      connection = open()
      list.push(connection)
    }
    return connection.openRequest(owner)
  }

  forget(connection: Http2UpstreamConnection<Owner>): void {
    const list = this.#connections.get(connection.key)
    if (list === undefined) return
    const index = list.indexOf(connection)
    if (index !== -1) list.splice(index, 1)
    if (list.length === 0) this.#connections.delete(connection.key)
  }

  get size(): number {
    let size = 0
    for (const list of this.#connections.values()) size += list.length
    return size
  }

  close(): void {
    for (const list of [...this.#connections.values()]) for (const connection of [...list]) connection.destroy()
  }
}
