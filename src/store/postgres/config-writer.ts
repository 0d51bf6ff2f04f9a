/**
 * The one connection of a process that writes configuration.
 *
 * Every transaction first locks the row that holds the version, so writers of all nodes take turns: versions have one
 * order, and what a transaction has read stays true until it commits, however many rows a rule spans.
 */
import type { Clock } from '../../base/clock.ts'
import { StoreError } from '../errors.ts'
import type { Answered, Sql } from '../sql/engine.ts'
import { RolledBack, WriteQueue } from '../sql/write-queue.ts'
import { type Answer, type Connection, openConnection } from './connection.ts'
import type { PostgresOptions } from './connection-options.ts'
import { postgresSql } from './postgres-dialect.ts'

// A writer of another node that takes longer than this is taken for hung, and the write is refused: as in the embedded
// store. An import of 100,000 rows takes less.
const lockMsMax = 60_000
const lockTimeoutCode = '55P03'
const lockHead = 'select version from config_state where id = 1 for update'

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
  /** Of a statement that nobody waited for, in the transaction at hand. */
  #failure: unknown = null
  #hasLock = false

  constructor(options: PostgresOptions, clock: Clock) {
    this.#options = options
    this.#queue = new WriteQueue({
      db: postgresSql((text, values) => this.#inTransaction(text, values)),
      begin: () => this.#begin(),
      run: sql => this.#run(sql),
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

  /** The lock is had before anything is sent that rests on it. */
  async #begin(): Promise<void> {
    const connection = await this.#open()
    this.#failure = null
    this.#hasLock = false
    // It waits for nobody, so it finds out a server that says nothing.
    connection.query('begin').catch(error => this.#note(error))
    try {
      await this.#query(lockHead)
      this.#hasLock = true
    } catch (error) {
      this.#send('rollback')
      throw isLockTimeout(error) ? lockedByAnother(error) : error
    }
  }

  #query(text: string, values: readonly unknown[] = []): Promise<Answer> {
    const { timeoutMs } = this.#options
    return this.#current().query(text, values, this.#hasLock ? {} : { timeoutMs: lockMsMax + timeoutMs })
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

  #current(): Connection {
    if (this.#connection === null) throw new Error('invariant broken: a transaction has a connection')
    return this.#connection
  }

  async #inTransaction(text: string, values: readonly unknown[]): Promise<Answer> {
    try {
      return await this.#query(text, values)
    } catch (error) {
      // What came after the failure of a statement that nobody waited for only says that the transaction is void.
      throw this.#failure ?? error
    }
  }

  /** Statements about the transaction need no answer: if one fails, so does the commit. */
  async #run(sql: string): Promise<void> {
    if (sql !== 'COMMIT') return this.#send(sql)
    const { command } = await this.#query(sql)
    if (command === 'COMMIT') return
    // PostgreSQL answers the commit of a void transaction with a rollback, and calls it a success.
    throw this.#failure ?? new RolledBack('the transaction was rolled back')
  }

  #send(text: string): void {
    this.#query(text).catch(error => this.#note(error))
  }

  #note(failure: unknown): void {
    this.#failure ??= failure
  }
}

function lockedByAnother(cause: unknown): StoreError {
  return new StoreError('database_error', 'the database is locked by another node', undefined, cause)
}

function isLockTimeout(error: unknown): boolean {
  return (error as { code?: string }).code === lockTimeoutCode
}
