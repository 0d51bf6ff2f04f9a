/**
 * Writes of one process, one after the other; those that wait while one is committed share the next commit.
 *
 * Each piece of work runs in a savepoint of its own, so that it can fail alone, and nobody is told that his work is
 * done before the one fsync of the group has come back.
 */
import type { Clock } from '../../base/clock.ts'
import { StoreError } from '../errors.ts'
import type { Sql } from './engine.ts'

export interface WriteQueueOptions {
  readonly db: Sql
  /** Takes the lock; other processes may hold it for a while. */
  readonly begin: () => Promise<void>
  /** Runs a statement about the transaction itself. */
  readonly run: (sql: string) => void | Promise<void>
  readonly clock: Clock
}

interface Waiting {
  readonly work: (db: Sql) => Promise<unknown>
  readonly resolve: (value: any) => void
  readonly reject: (error: unknown) => void
}

// The first of a group waits for all others, and other processes for the whole group.
const groupSizeMax = 64
const groupMsMax = 10
// Beyond this the database is not keeping up; a refusal is better than memory without end.
const waitingMax = 10_000

export class WriteQueue {
  readonly #options: WriteQueueOptions
  readonly #waiting: Waiting[] = []
  #draining: Promise<void> | null = null
  #closed = false

  constructor(options: WriteQueueOptions) {
    this.#options = options
  }

  run<T>(work: (db: Sql) => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new StoreError('database_error', 'the store is closed'))
    if (this.#waiting.length >= waitingMax) {
      return Promise.reject(new StoreError('database_error', `more than ${waitingMax} writes are waiting`))
    }
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ work, resolve, reject })
      this.#draining ??= this.#drain()
    })
  }

  /** Waits for what was accepted, refuses what comes after. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#draining
  }

  async #drain(): Promise<void> {
    // Callers of this very tick join the first group.
    await Promise.resolve()
    while (this.#waiting.length > 0) await this.#commitGroup()
    this.#draining = null
  }

  async #commitGroup(): Promise<void> {
    const { begin, run } = this.#options
    const settle: (() => void)[] = []
    const members: Waiting[] = []
    try {
      await begin()
    } catch (error) {
      for (const { reject } of this.#waiting.splice(0)) reject(error)
      return
    }
    try {
      await this.#runGroup(members, settle)
      await run('COMMIT')
    } catch (error) {
      await rollback(run)
      for (const { reject } of members) reject(error)
      return
    }
    // Refusals wait too: they may rest on what a member of the group wrote.
    for (const tell of settle) tell()
  }

  async #runGroup(members: Waiting[], settle: (() => void)[]): Promise<void> {
    const { db, run, clock } = this.#options
    const deadline = clock.monotonic() + groupMsMax
    do {
      const member = this.#waiting.shift()!
      members.push(member)
      await run('SAVEPOINT member')
      try {
        const value = await member.work(db)
        await run('RELEASE member')
        settle.push(() => member.resolve(value))
      } catch (error) {
        await run('ROLLBACK TO member')
        await run('RELEASE member')
        settle.push(() => member.reject(error))
      }
    } while (this.#waiting.length > 0 && members.length < groupSizeMax && clock.monotonic() < deadline)
  }
}

async function rollback(run: WriteQueueOptions['run']): Promise<void> {
  try {
    await run('ROLLBACK')
  } catch {
    // The database has already rolled back by itself (disk full, connection lost): nothing is left to undo.
  }
}
