/** EntityStore over any SQL database: rows, versions and deltas in terms of the engine's transactions. */
import { HeadListeners } from '../head-listeners.ts'
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { EntityCatalog } from '../../entities/catalog.ts'
import type { ConfigChange, ConfigDelta, ConfigHead } from '../../entities/config.ts'
import { StoreError } from '../errors.ts'
import { CHANGES_LENGTH_MAX, type EntityStore, type ExportedRow, type StoreTransaction } from '../store.ts'
import { CHANGES_KEPT, changedKeys, readHead } from './change-log.ts'
import type { Sql, SqlEngine } from './engine.ts'
import { SqlReads } from './reads.ts'
import { sqlRecords, sweepRecords } from './records.ts'
import { Tables } from './tables.ts'
import { SqlTransaction, type TransactionContext } from './transaction.ts'

export interface SqlStoreOptions {
  readonly engine: SqlEngine
  readonly catalog: EntityCatalog
  readonly clock: Clock
  readonly logger: Logger
  readonly changesKept?: number
}

// Rows per batch: some hundred KiB, and a millisecond or two of the event loop.
const exportBatchRows = 100
const changesBatchRows = 100
// An export that is not read on holds back the database's housekeeping; past this it is given up.
const exportMsMax = 10 * 60_000
const sweepBatchRows = 500
// An import of 100,000 rows takes a tenth of it.
const transactionMsMax = 3 * 60_000

/** The tables must exist already (migrate.ts). */
export function createSqlStore(options: SqlStoreOptions): EntityStore {
  const { engine, catalog, clock, logger, changesKept = CHANGES_KEPT } = options
  const tables = new Tables(catalog)
  const context: TransactionContext = { engine, catalog, tables, clock }
  const reads = new SqlReads(engine.replica, tables, clock)
  const heads = new HeadListeners(logger)
  const unsubscribe = engine.onOthers(news => {
    if (news !== null) return heads.tell(news)
    readHead(engine.reader).then(
      head => heads.tell(head),
      error => logger.error('cannot read the configuration version', { error: String(error) }),
    )
  })

  async function transaction<T>(work: (transaction: StoreTransaction) => Promise<T>): Promise<T> {
    const { value, head } = await engine.write(db => runTransaction(db, work, context, changesKept))
    if (head !== null) heads.tell(head)
    return value
  }

  return {
    capabilities: engine.capabilities,
    records: sqlRecords(engine, clock),
    find: (entity, key) => reads.find(entity, key),
    findBy: (entity, fields) => reads.findBy(entity, fields),
    page: (entity, page) => reads.page(entity, page),
    tags: page => reads.tags(page),
    transaction,
    head: () => readHead(engine.reader),
    onHead: listener => heads.add(listener),
    changesSince: version => changesSince(version, context),
    export: () => exportRows(context),
    async ping() {
      try {
        await readHead(engine.reader)
        return true
      } catch {
        return false // The question was whether it answers.
      }
    },
    async sweep() {
      let swept = 0
      for (const table of tables.list.filter(candidate => candidate.ttl)) {
        let count: number
        do {
          count = await transaction(current => (current as SqlTransaction).deleteExpired(table, sweepBatchRows))
          swept += count
        } while (count === sweepBatchRows)
      }
      await engine.apart(db => sweepRecords(db, clock.now()))
      return swept
    },
    async close() {
      unsubscribe()
      await engine.close()
    },
  }
}

/** Runs the work, and writes the version that it makes; null when it changed nothing that is exported. */
async function runTransaction<T>(
  db: Sql,
  work: (transaction: StoreTransaction) => Promise<T>,
  context: TransactionContext,
  changesKept: number,
): Promise<{ readonly value: T; readonly head: ConfigHead | null }> {
  const { engine, clock } = context
  const current = new SqlTransaction(db, context)
  try {
    const value = await within(transactionMsMax, clock, work(current))
    if (current.pending.isEmpty) await current.settle()
    const head = current.pending.isEmpty ? null : await current.pending.write(db, changesKept)
    if (head !== null) engine.announce(head)
    return { value, head }
  } catch (error) {
    // A write that was refused is the reason of whatever failed after it.
    await current.settle().catch(refusal => {
      throw databaseError(refusal, engine)
    })
    throw databaseError(error, engine)
  } finally {
    current.end()
  }
}

/** Deletions first, children before parents; then rows, parents before children: no step leaves a dangling child. */
async function changesSince(
  version: number,
  { engine, tables, clock }: TransactionContext,
): Promise<ConfigDelta | null> {
  const { db, end } = await engine.snapshot()
  try {
    const head = await readHead(db)
    const keys = await changedKeys(db, version)
    if (keys === null) return null
    const reads = new SqlReads(db, tables, clock)
    const deletions: ConfigChange[] = []
    const puts: ConfigChange[] = []
    let length = 0
    for (const table of tables.list) {
      const changed = keys.get(table.name)
      if (changed === undefined) continue
      for (let at = 0; at < changed.length; at += changesBatchRows) {
        const batch = changed.slice(at, at + changesBatchRows)
        const rows = await reads.stored(table, batch)
        if (changed.length > changesBatchRows) length += JSON.stringify([...rows.values()]).length
        if (length > CHANGES_LENGTH_MAX) return null
        for (const key of batch) {
          const row = rows.get(key)
          if (row === undefined) deletions.push({ entity: table.name, key, row: null })
          else puts.push({ entity: table.name, key, row })
        }
      }
    }
    return { ...head, from: version, changes: [...deletions.reverse(), ...puts] }
  } finally {
    end()
  }
}

async function exportRows({ engine, tables, clock }: TransactionContext): ReturnType<EntityStore['export']> {
  const { db, end } = await engine.snapshot()
  let givenUp = false
  const deadline = clock.after(exportMsMax, () => {
    givenUp = true
    end()
  })
  const finish = () => {
    deadline.cancel()
    end()
  }
  async function* batches(): AsyncGenerator<readonly ExportedRow[]> {
    try {
      const reads = new SqlReads(db, tables, clock)
      for (const table of tables.list.filter(candidate => candidate.exported)) {
        for await (const rows of reads.all(table, exportBatchRows)) {
          yield rows.map(row => ({ entity: table.name, key: row[table.primary.field] as string, row }))
          if (givenUp) throw new StoreError('database_error', 'the export was not read within its time')
          // Embedded databases answer at once; without this, a large export would keep everything else waiting.
          await setImmediate()
        }
      }
    } finally {
      finish()
    }
  }
  try {
    return { head: await readHead(db), batches: batches() }
  } catch (error) {
    finish()
    throw error
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
