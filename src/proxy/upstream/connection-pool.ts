/** Idle upstream connections by peer, the most recently used first, so that the surplus can age and go. */
import type { Deadlines } from '../deadlines.ts'
import type { ProxySettings } from '../proxy-settings.ts'
import type { UpstreamConnection } from './upstream-connection.ts'

export class ConnectionPool<Owner> {
  readonly #idle = new Map<string, UpstreamConnection<Owner>[]>()
  readonly #settings: ProxySettings['keepalive']
  readonly #deadlines: Deadlines

  constructor(settings: ProxySettings['keepalive'], deadlines: Deadlines) {
    this.#settings = settings
    this.#deadlines = deadlines
  }

  take(key: string): UpstreamConnection<Owner> | undefined {
    const list = this.#idle.get(key)
    if (list === undefined) return undefined
    const connection = list.pop()
    if (connection !== undefined) {
      connection.isReused = true
      connection.deadline = 0
    }
    return connection
  }

  /** Keeps the connection for later, or closes it. */
  give(connection: UpstreamConnection<Owner>): void {
    const { poolSize, requestsMax, idleTimeoutS } = this.#settings
    if (poolSize === 0 || (requestsMax > 0 && connection.requests >= requestsMax)) return connection.destroy()
    let list = this.#idle.get(connection.poolKey)
    if (list === undefined) this.#idle.set(connection.poolKey, (list = []))
    if (list.length >= poolSize) list[0]!.destroy()
    list.push(connection)
    connection.deadline = this.#deadlines.in(idleTimeoutS * 1000)
  }

  /** The connection is closed: it must not be handed out again. */
  forget(connection: UpstreamConnection<Owner>): void {
    const list = this.#idle.get(connection.poolKey)
    if (list === undefined) return
    const index = list.indexOf(connection)
    if (index !== -1) list.splice(index, 1)
    if (list.length === 0) this.#idle.delete(connection.poolKey)
  }

  get size(): number {
    let size = 0
    for (const list of this.#idle.values()) size += list.length
    return size
  }
}
