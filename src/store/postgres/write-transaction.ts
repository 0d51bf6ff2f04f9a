/**
 * One transaction that writes configuration: begun with its first statement, and sent without waiting for the lock.
 *
 * What rests on the lock is sent behind the question for it. PostgreSQL carries statements out in order, each on what is
 * committed by then, and refuses all that come after one that failed: so a write that reads nothing is one flight, from
 * its beginning to its commit, and the answer to the commit says whether all of it was done.
 */
import type { Clock } from '../../base/clock.ts'
import { StoreError } from '../errors.ts'
import { RolledBack } from '../sql/write-queue.ts'
import type { Answer, Connection } from './connection.ts'

// A writer of another node that takes longer than this is taken for hung, and the write is refused: as in the embedded
// store. An import of 100,000 rows takes less.
export const lockMsMax = 60_000
const lockTimeoutCode = '55P03'
const lockHead = 'select version from config_state where id = 1 for update'
// Whatever the role or the database has as its default: a statement must see what the writer before has committed.
const beginText = 'begin isolation level read committed'

export class WriteTransaction {
  readonly #connection: Pick<Connection, 'query' | 'destroy'>
  readonly #timeoutMs: number
  readonly #clock: Clock
  #phase: 'new' | 'begun' | 'ended' = 'new'
  /** Of a statement that nobody waited for. */
  #failure: unknown = null
  /** Sent without knowing whether the lock will be had; null once it is. */
  #early: Promise<Answer>[] | null = []

  constructor(connection: Pick<Connection, 'query' | 'destroy'>, timeoutMs: number, clock: Clock) {
    this.#connection = connection
    this.#timeoutMs = timeoutMs
    this.#clock = clock
  }

  async query(text: string, values: readonly unknown[]): Promise<Answer> {
    try {
      return await this.#send(text, values)
    } catch (error) {
      // What came after the failure of a statement that nobody waited for only says that the transaction is void.
      throw this.#failure ?? error
    }
  }

  /** Statements about the transaction need no answer but for the commit: if one fails, so does that. */
  async run(sql: string): Promise<void> {
    const isEnd = sql === 'COMMIT' || sql === 'ROLLBACK'
    if (isEnd && this.#phase === 'new') {
      this.#phase = 'ended'
      return
    }
    const answer = this.#send(sql)
    if (isEnd) this.#phase = 'ended'
    if (sql !== 'COMMIT') return void answer.catch(error => this.#note(error))
    const { command } = await answer
    if (command === 'COMMIT') return
    // PostgreSQL answers the commit of a void transaction with a rollback, and calls it a success.
    throw this.#failure ?? new RolledBack('the transaction was rolled back')
  }

  #send(text: string, values: readonly unknown[] = []): Promise<Answer> {
    // It would be carried out by itself, or in the transaction of somebody else.
    if (this.#phase === 'ended')
      throw new Error('invariant broken: a statement is sent before the end of its transaction')
    if (this.#phase === 'new') this.#begin()
    if (this.#early === null) return this.#connection.query(text, values)
    const sent = this.#connection.query(text, values, { timeoutMs: lockMsMax + this.#timeoutMs })
    this.#early.push(sent)
    return sent
  }

  #begin(): void {
    this.#phase = 'begun'
    // It waits for nobody, so it finds out a server that says nothing.
    this.#connection.query(beginText).catch(error => this.#note(error))
    this.#send(lockHead).then(
      () => this.#haveLock(),
      error => this.#note(isLockTimeout(error) ? lockedByAnother(error) : error),
    )
  }

  /** What was sent with the question for the lock has the time of any statement, from now on. */
  #haveLock(): void {
    const early = this.#early ?? []
    this.#early = null
    const timer = this.#clock.after(this.#timeoutMs, () => this.#connection.destroy(new Error('Query read timeout')))
    void Promise.allSettled(early).then(() => timer.cancel())
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
