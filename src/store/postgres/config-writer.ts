/**
 * The one connection of a process that writes configuration.
 *
 * Every transaction first locks the row that holds the version, so writers of all nodes take turns: versions have one
 * order, and what a transaction has read stays true until it commits, however many rows a rule spans.
 */
import type { Clock } from '../../base/clock.ts'
import type { Answered, Sql } from '../sql/engine.ts'
import { WriteQueue } from '../sql/write-queue.ts'
import { type Connection, openConnection } from './connection.ts'
import type { PostgresOptions } from './connection-options.ts'
import { postgresSql } from './postgres-dialect.ts'
import { lockMsMax, WriteTransaction } from './write-transaction.ts'

/**
 * A node that loses its power in a transaction must not keep the lock for the hours that TCP would wait; one that hangs
 * must not either.
 */
const sessionSettings = [
  `set lock_timeout = ${lockMsMax}`,
  'set idle_in_transaction_session_timeout = 240000',
  'set tcp_keepalives_idle = 10',
  'set tcp_keepalives_interval = 5',
  'set tcp_keepalives_count = 3',
]

export class ConfigWriter {
  readonly #options: PostgresOptions
  readonly #queue: WriteQueue
  #connection: Connection | null = null
  #transaction: WriteTransaction | null = null

  constructor(options: PostgresOptions, clock: Clock) {
    this.#options = options
    this.#queue = new WriteQueue({
      db: postgresSql((text, values) => this.#current().query(text, values)),
      begin: async () => {
        this.#transaction = new WriteTransaction(await this.#open(), options.timeoutMs, clock)
      },
      run: sql => this.#current().run(sql),
      pipelines: true,
      clock,
    })
  }

  write<T>(work: (db: Sql) => Promise<Answered<T>>): Promise<T> {
    return this.#queue.run(work)
  }

  async close(): Promise<void> {
    await this.#queue.close()
    await this.#connection?.close()
  }

  async #open(): Promise<Connection> {
    if (this.#connection?.isUsable) return this.#connection
    this.#connection = null
    const connection = await openConnection(this.#options, { pipelined: true })
    try {
      await Promise.all(sessionSettings.map(text => connection.query(text)))
    } catch (error) {
      await connection.close()
      throw error
    }
    this.#connection = connection
    return connection
  }

  #current(): WriteTransaction {
    if (this.#transaction === null) throw new Error('invariant broken: a statement belongs to a transaction')
    return this.#transaction
  }
}
