/** What a transaction changed, row by row, for whoever keeps a log of it. */
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import { primaryKeyOf } from './row-key.ts'
import type { EntityStore, StoreTransaction } from './store.ts'

export interface RowChange {
  readonly entity: string
  /** Primary key. */
  readonly id: string
  /** As stored; null for a row that was not there before, or is not there any more. */
  readonly before: Row | null
  readonly after: Row | null
}

export interface ChangeRecorder {
  /** Called within the transaction, at its end, so that the log is written with it; more than once if it is tried again. */
  record(changes: readonly RowChange[], transaction: StoreTransaction): Promise<void>
  /** Called once it is committed. */
  committed(): void
}

export interface ChangeObserver {
  /** Called when a write begins; null while nobody wants to know: then nothing is looked up. */
  begin: (() => ChangeRecorder | null) | null
}

/** Runs `work`, and has what it changed recorded. */
export async function observedTransaction<T>(
  store: EntityStore,
  catalog: EntityCatalog,
  work: (tx: StoreTransaction) => Promise<T>,
  recorder: ChangeRecorder,
): Promise<T> {
  const result = await store.transaction(async tx => {
    const changes: RowChange[] = []
    const value = await work(observed(tx, catalog, changes))
    if (changes.length > 0) await recorder.record(changes, tx)
    return { value, hasChanged: changes.length > 0 }
  })
  if (result.hasChanged) recorder.committed()
  return result.value
}

function observed(tx: StoreTransaction, catalog: EntityCatalog, changes: RowChange[]): StoreTransaction {
  const keyOf = (entity: string, row: Row) => String(row[primaryKeyOf(catalog.get(entity))])
  return {
    find: (entity, key) => tx.find(entity, key),
    findBy: (entity, fields) => tx.findBy(entity, fields),
    page: (entity, options) => tx.page(entity, options),
    tags: options => tx.tags(options),
    record: (collection, key, value, expiresAt) => tx.record(collection, key, value, expiresAt),
    async insert(entity, row) {
      await tx.insert(entity, row)
      changes.push({ entity, id: keyOf(entity, row), before: null, after: row })
    },
    async update(entity, row) {
      const id = keyOf(entity, row)
      const before = await tx.find(entity, id)
      await tx.update(entity, row)
      changes.push({ entity, id, before, after: row })
    },
    async delete(entity, key, by) {
      const before = await tx.delete(entity, key, by)
      if (before !== null) changes.push({ entity, id: keyOf(entity, before), before, after: null })
      return before
    },
  }
}
