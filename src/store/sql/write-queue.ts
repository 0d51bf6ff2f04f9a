/**
 * Writes of one process, one group after the other; those that wait while one is committed share the next commit.
 *
 * Where statements may be sent before earlier ones are answered, a group is sent whole, with its commit behind it: one
 * round trip for all. If anything of it is refused, the database undoes it all, and its members run again one by one,
 * each in a savepoint of its own, so that it can fail alone. Nobody is told that his work is done before the one fsync
 * of the group has come back.
 */
import type { Clock } from '../../base/clock.ts'
import { StoreError } from '../errors.ts'
import type { Answered, Sql } from './engine.ts'

export interface WriteQueueOptions {
  readonly db: Sql
  /** Takes the lock; other processes may hold it for a while. */
  readonly begin: () => Promise<void>
  /** Runs a statement about the transaction itself. A commit that was answered by a rollback rejects with RolledBack. */
  readonly run: (sql: string) => void | Promise<void>
  /** Whether groups are sent whole. */
  readonly pipelines?: boolean
  readonly clock: Clock
}

/** What the database says to the commit of a transaction in which a statement was refused. */
export class RolledBack extends Error {}

interface Waiting {
  /** May run again after a group was undone. */
  readonly work: (db: Sql) => Promise<Answered<unknown>>
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
  /** So many of those that wait were undone with others of their group. */
  #undone = 0

  constructor(options: WriteQueueOptions) {
    this.#options = options
  }

  run<T>(work: (db: Sql) => Promise<Answered<T>>): Promise<T> {
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
    try {
      await this.#options.begin()
    } catch (error) {
      this.#undone = 0
      for (const { reject } of this.#waiting.splice(0)) reject(error)
      return
    }
    if (this.#options.pipelines === true && this.#undone === 0) await this.#sendGroup()
    else await this.#commitOneByOne()
  }

  async #sendGroup(): Promise<void> {
    const { run } = this.#options
    const members: Waiting[] = []
    const answers: Promise<unknown>[] = []
    const isWhole = await this.#sendMembers(members, answers)
    const ended = Promise.resolve(run(isWhole ? 'COMMIT' : 'ROLLBACK'))
    const [outcomes, [end]] = await Promise.all([Promise.allSettled(answers), Promise.allSettled([ended])])
    const isRefused = !isWhole || (end.status === 'rejected' && end.reason instanceof RolledBack)
    if (isRefused && members.length > 1) {
      this.#undone = members.length
      this.#waiting.unshift(...members)
      return
    }
    for (const [at, { resolve, reject }] of members.entries()) {
      const outcome = outcomes[at]!
      if (outcome.status === 'rejected') reject(outcome.reason)
      else if (end.status === 'rejected') reject(end.reason)
      else resolve(outcome.value)
    }
  }

  /** False when one failed before all of its statements were sent. */
  async #sendMembers(members: Waiting[], answers: Promise<unknown>[]): Promise<boolean> {
    const { db, clock } = this.#options
    const deadline = clock.monotonic() + groupMsMax
    do {
      const member = this.#waiting.shift()!
      members.push(member)
      try {
        const answer = (await member.work(db))()
        answer.catch(() => undefined) // Asked for its outcome when all are.
        answers.push(answer)
      } catch (error) {
        answers.push(Promise.reject(error))
        answers.at(-1)!.catch(() => undefined)
        return false
      }
    } while (this.#waiting.length > 0 && members.length < groupSizeMax && clock.monotonic() < deadline)
    return true
  }

  async #commitOneByOne(): Promise<void> {
    const { run } = this.#options
    const settle: (() => void)[] = []
    const members: Waiting[] = []
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
    const sizeMax = this.#undone > 0 ? this.#undone : groupSizeMax
    do {
      const member = this.#waiting.shift()!
      members.push(member)
      if (this.#undone > 0) this.#undone -= 1
      await run('SAVEPOINT member')
      try {
        const value = await (await member.work(db))()
        await run('RELEASE member')
        settle.push(() => member.resolve(value))
      } catch (error) {
        await run('ROLLBACK TO member')
        await run('RELEASE member')
        settle.push(() => member.reject(error))
      }
    } while (this.#waiting.length > 0 && members.length < sizeMax && clock.monotonic() < deadline)
  }
}

async function rollback(run: WriteQueueOptions['run']): Promise<void> {
  try {
    await run('ROLLBACK')
  } catch {
    // The database has already rolled back by itself (disk full, connection lost): nothing is left to undo.
  }
}
