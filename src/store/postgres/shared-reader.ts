/**
 * One connection for all reads of single rows: what is asked in one turn of the event loop goes to PostgreSQL in one
 * write, and its answers come in one read. With a connection for each, the system calls cost more than the rows.
 */
import type { Answer, Connection } from './connection.ts'
import { openConnection } from './connection.ts'
import { isConnectionFailure, isSlow } from './connection-failure.ts'
import type { PostgresOptions } from './connection-options.ts'
import type { ConnectionPool } from './connection-pool.ts'

// Answers come in order, so each waits for those before it: a few milliseconds of single rows. More take the pool.
const underWayMax = 64

export class SharedReader {
  readonly #options: PostgresOptions
  readonly #pool: ConnectionPool
  #connection: Connection | null = null
  #opening: Promise<Connection> | null = null
  #underWay = 0
  #isClosed = false

  constructor(options: PostgresOptions, pool: ConnectionPool) {
    this.#options = options
    this.#pool = pool
  }

  async query(text: string, values: readonly unknown[]): Promise<Answer> {
    if (this.#isClosed || this.#underWay >= underWayMax) {
      return this.#pool.read(connection => connection.query(text, values))
    }
    this.#underWay += 1
    const kept = this.#connection?.isUsable ? this.#connection : null
    try {
      return await (kept ?? (await this.#open())).query(text, values)
    } catch (error) {
      // One that was kept may have died unnoticed: the server was restarted.
      if (kept === null || kept.isUsable || !isConnectionFailure(error) || isSlow(error)) throw error
      return await (await this.#open()).query(text, values)
    } finally {
      this.#underWay -= 1
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const opening = this.#opening?.catch(() => null)
    this.#connection?.destroy(new Error('the connection was closed'))
    await (await opening)?.close()
  }

  #open(): Promise<Connection> {
    if (this.#connection?.isUsable) return Promise.resolve(this.#connection)
    this.#opening ??= openConnection(this.#options, { pipelined: true })
      .then(connection => (this.#connection = connection))
      .finally(() => {
        this.#opening = null
      })
    return this.#opening
  }
}
