/** Connections for reads: opened when needed, kept while idle, bounded in number and in how many wait for one. */
import type { Clock, Timer } from '../../base/clock.ts'
import { StoreError } from '../errors.ts'
import { type Connection, openConnection } from './connection.ts'
import { isConnectionFailure, isSlow } from './connection-failure.ts'
import type { PostgresOptions } from './connection-options.ts'

interface Idle {
  readonly connection: Connection
  readonly timer: Timer
}

interface Waiting {
  /** With a connection that has just become free, or with the right to take or open one. */
  resolve(connection: Connection | null): void
}

export class ConnectionPool {
  readonly #options: PostgresOptions
  readonly #clock: Clock
  readonly #sizeMax: number
  readonly #idle: Idle[] = []
  readonly #waiting: Waiting[] = []
  readonly #used = new Set<Connection>()
  #taken = 0
  #closed = false

  constructor(options: PostgresOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
    this.#sizeMax = options.concurrentMax > 0 ? Math.min(options.concurrentMax, options.poolSize) : options.poolSize
  }

  /**
   * Runs what only reads. A kept connection may have died unnoticed (the server was restarted): then once more on a new
   * one.
   */
  async read<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const { connection, isFresh } = await this.acquire()
    try {
      return await work(connection)
    } catch (error) {
      if (isFresh || connection.isUsable || !isConnectionFailure(error) || isSlow(error)) throw error
    } finally {
      this.release(connection)
    }
    this.#dropIdle()
    const again = await this.acquire()
    try {
      return await work(again.connection)
    } finally {
      this.release(again.connection)
    }
  }

  /** Whoever acquires must release. */
  async acquire(): Promise<{ readonly connection: Connection; readonly isFresh: boolean }> {
    const handed = await this.#takeTurn()
    if (handed?.isUsable) return { connection: handed, isFresh: false }
    if (handed !== null) this.#used.delete(handed)
    try {
      for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
        idle.timer.cancel()
        if (!idle.connection.isUsable) continue
        this.#used.add(idle.connection)
        return { connection: idle.connection, isFresh: false }
      }
      const connection = await openConnection(this.#options)
      this.#used.add(connection)
      return { connection, isFresh: true }
    } catch (error) {
      this.#giveTurn()
      throw error
    }
  }

  release(connection: Connection): void {
    if (!this.#used.has(connection)) return
    if (!this.#closed && connection.isUsable) {
      const next = this.#waiting.shift()
      if (next !== undefined) return next.resolve(connection)
    }
    this.#used.delete(connection)
    if (this.#closed) void connection.close()
    else if (connection.isUsable) this.#keep(connection)
    this.#giveTurn()
  }

  async close(): Promise<void> {
    this.#closed = true
    const idle = this.#idle.splice(0)
    for (const { timer } of idle) timer.cancel()
    const used = [...this.#used]
    for (const connection of used) connection.destroy(new Error('the connection was closed'))
    await Promise.all(idle.map(({ connection }) => connection.close()))
  }

  #keep(connection: Connection): void {
    const idle: Idle = {
      connection,
      timer: this.#clock.after(this.#options.idleMs, () => {
        const at = this.#idle.indexOf(idle)
        if (at >= 0) this.#idle.splice(at, 1)
        void connection.close()
      }),
    }
    this.#idle.push(idle)
  }

  #dropIdle(): void {
    for (const { connection, timer } of this.#idle.splice(0)) {
      timer.cancel()
      void connection.close()
    }
  }

  async #takeTurn(): Promise<Connection | null> {
    if (this.#closed) throw new StoreError('database_error', 'the store is closed')
    if (this.#taken < this.#sizeMax) {
      this.#taken += 1
      return null
    }
    const { turnMsMax, waitingMax } = this.#options
    if (this.#waiting.length >= waitingMax) {
      throw new StoreError('database_error', `more than ${waitingMax} reads wait for a connection`)
    }
    const turn = Promise.withResolvers<Connection | null>()
    this.#waiting.push(turn)
    const timer = this.#clock.after(turnMsMax, () => {
      const at = this.#waiting.indexOf(turn)
      if (at < 0) return
      this.#waiting.splice(at, 1)
      turn.reject(new StoreError('database_error', `no connection was free within ${turnMsMax} ms`))
    })
    try {
      return await turn.promise
    } finally {
      timer.cancel()
    }
  }

  /** The turn goes to whoever waits longest. */
  #giveTurn(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#taken -= 1
    else next.resolve(null)
  }
}
