/** EntityStore over any SQL database: rows, versions and deltas in terms of the engine's transactions. */
import { HeadListeners } from '../head-listeners.ts'
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { EntityCatalog } from '../../entities/catalog.ts'
import type { ConfigChange, ConfigDelta } from '../../entities/config.ts'
import { StoreError } from '../errors.ts'
import { CHANGES_LENGTH_MAX, type EntityStore, type ExportedRow } from '../store.ts'
import { CHANGES_KEPT, changedKeys, readHead } from './change-log.ts'
import type { SqlEngine } from './engine.ts'
import { SqlReads } from './reads.ts'
import { sqlRecords, sweepRecords } from './records.ts'
import { Tables } from './tables.ts'
import { transactions } from './transactions.ts'
import type { SqlTransaction, StoreContext } from './transaction.ts'

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

/** The tables must exist already (migrate.ts). */
export function createSqlStore(options: SqlStoreOptions): EntityStore {
  const { engine, catalog, clock, logger, changesKept = CHANGES_KEPT } = options
  const tables = new Tables(catalog)
  const context = { engine, catalog, tables, clock }
  const reads = new SqlReads(engine.replica, tables, clock)
  const heads = new HeadListeners(logger)
  const unsubscribe = engine.onOthers(news => {
    if (news !== null) return heads.tell(news)
    readHead(engine.reader).then(
      head => heads.tell(head),
      error => logger.error('cannot read the configuration version', { error: String(error) }),
    )
  })

  const transaction = transactions(context, changesKept, logger, heads)
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

/** Deletions first, children before parents; then rows, parents before children: no step leaves a dangling child. */
async function changesSince(version: number, { engine, tables, clock }: StoreContext): Promise<ConfigDelta | null> {
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

async function exportRows({ engine, tables, clock }: StoreContext): ReturnType<EntityStore['export']> {
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
