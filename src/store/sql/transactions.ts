/** Transactions of the store: run, sent with the version that they make, told of, and now and then the log cut. */
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { StoreError } from '../errors.ts'
import type { HeadListeners } from '../head-listeners.ts'
import type { EntityStore, StoreTransaction } from '../store.ts'
import { excessOf, prune } from './change-log.ts'
import type { Answered, NextVersion, Sql, SqlEngine } from './engine.ts'
import { SqlTransaction, type StoreContext, type TransactionContext } from './transaction.ts'

// An import of 100,000 rows takes a tenth of it.
const transactionMsMax = 3 * 60_000

/** The store's `transaction`. */
export function transactions(
  context: StoreContext,
  changesKept: number,
  logger: Logger,
  heads: HeadListeners,
): EntityStore['transaction'] {
  const { engine } = context

  /** What the write was for is done; a log that is too long for now is cut by the next. */
  async function cutLog(upTo: number): Promise<void> {
    await engine
      .write(async db => {
        await prune(db, upTo)
        return async () => undefined
      })
      .catch(error => logger.warn('cannot shorten the change log', { error: String(error) }))
  }

  return async work => {
    const given = { ...context, changesKept, removesExpired: false, mayBeExpired: false }
    const run = () => engine.write(db => sendTransaction(db, work, given))
    const { value, next } = await run().catch(error => {
      if (!given.mayBeExpired) throw error
      // An expired row is invisible, so it must not be in the way either.
      given.removesExpired = true
      return run()
    })
    if (next === null) return value
    heads.tell({ version: next.version, config_hash: next.config_hash })
    const excess = excessOf(next, changesKept)
    if (excess !== null) await cutLog(excess)
    return value
  }
}

interface GivenTransaction extends TransactionContext {
  readonly changesKept: number
}

/** Runs the work, and sends the version that it makes after it; `next` is null when nothing exported has changed. */
async function sendTransaction<T>(
  db: Sql,
  work: (transaction: StoreTransaction) => Promise<T>,
  given: GivenTransaction,
): Promise<Answered<{ readonly value: T; readonly next: NextVersion | null }>> {
  const { engine, clock, changesKept } = given
  given.mayBeExpired = false
  const current = new SqlTransaction(db, given)
  // A write that was refused is the reason of whatever failed after it.
  const reasonOf = async (error: unknown) =>
    databaseError(
      await current.settle().then(
        () => error,
        refusal => refusal,
      ),
      engine,
    )
  try {
    const value = await within(transactionMsMax, clock, work(current))
    const next = current.pending.isEmpty ? null : await current.pending.send(engine, db, changesKept)
    return async () => {
      try {
        await current.settle()
        return { value, next: next === null ? null : await next() }
      } catch (error) {
        throw await reasonOf(error)
      }
    }
  } catch (error) {
    throw await reasonOf(error)
  } finally {
    current.end()
  }
}

/** Work that never ends would hold up every other write for ever. */
async function within<T>(ms: number, clock: Clock, work: Promise<T>): Promise<T> {
  const limit = Promise.withResolvers<never>()
  const timer = clock.after(ms, () => {
    limit.reject(new StoreError('database_error', `a transaction took more than ${ms / 1000} seconds`))
  })
  try {
    return await Promise.race([work, limit.promise])
  } finally {
    timer.cancel()
  }
}

/** What we did not expect of the database is `database_error`; our own refusals and defects pass as they are. */
function databaseError(error: unknown, engine: SqlEngine): unknown {
  if (engine.breach(error) === null) return error
  return new StoreError('database_error', (error as Error).message, undefined, error)
}
