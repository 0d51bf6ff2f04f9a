/**
 * Many rows at once, all or nothing. What a row says by itself is checked before the store's lock is asked for, so that
 * others are kept waiting only for the writing; what depends on other rows (parents, unique values, rules across rows) is
 * checked as the rows are written, under the lock.
 */
import { setImmediate } from 'node:timers/promises'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import { namesParents } from './foreign-names.ts'
import { primaryKeyOf, type RowKey } from './row-key.ts'
import type { PreparedRow, RowWriter, WriteOptions } from './row-writer.ts'
import type { Input } from './rules/entity-rules.ts'
import type { EntityStore, StoreTransaction } from './store.ts'

export interface ImportParts {
  readonly store: EntityStore
  readonly catalog: EntityCatalog
  readonly writer: RowWriter
  write(verb: string, entity: string, key: RowKey | null, work: (tx: StoreTransaction) => Promise<void>): Promise<void>
}

interface InputRow {
  readonly entity: string
  readonly input: Input
}

/** A row that names its parents waits for the transaction: they may come with the same import. */
type ImportedRow = PreparedRow | InputRow

// Rows between which other work of the process runs; as many are looked for at once.
const batchRows = 100

export async function importAll(
  { store, catalog, writer, write }: ImportParts,
  rows: readonly InputRow[],
  given: Pick<WriteOptions, 'transform'>,
): Promise<void> {
  const options: WriteOptions = { ...given, ttlIsExpiry: true, keepsTimes: true }
  const rank = new Map(catalog.definitions.map(({ name }, index) => [name, index]))
  const ordered = rows.toSorted((a, b) => (rank.get(a.entity) ?? 0) - (rank.get(b.entity) ?? 0))
  const prepared: ImportedRow[] = []
  for await (const batch of batches(ordered)) {
    for (const row of batch) {
      const isLate = namesParents(catalog, row.entity, row.input)
      prepared.push(isLate ? row : await writer.prepare(store, catalog.get(row.entity), row.input, options))
    }
  }
  await write('create or update', rows[0]?.entity ?? '', null, async tx => {
    const written = new Set<string>()
    for await (const batch of batches(prepared)) {
      const existing = await Promise.all(batch.map(row => find(tx, catalog, row)))
      for (const [at, row] of batch.entries()) {
        const name = nameOf(catalog, row)
        // One of the same import is found by a second look.
        const before = written.has(name) ? await find(tx, catalog, row) : existing[at]!
        const whole = 'row' in row ? row : await writer.prepare(tx, catalog.get(row.entity), row.input, options)
        await writer.store(tx, before, whole)
        written.add(name)
      }
    }
  })
}

async function* batches<T>(rows: readonly T[]): AsyncGenerator<readonly T[]> {
  for (let start = 0; start < rows.length; start += batchRows) {
    yield rows.slice(start, start + batchRows)
    await setImmediate()
  }
}

/** Null for a row that is new. */
async function find(tx: StoreTransaction, catalog: EntityCatalog, row: ImportedRow): Promise<Row | null> {
  const { entity, id } = keyOf(catalog, row)
  return typeof id === 'string' ? tx.find(entity, id) : null
}

function nameOf(catalog: EntityCatalog, row: ImportedRow): string {
  const { entity, id } = keyOf(catalog, row)
  return `${entity}\0${String(id).toLowerCase()}`
}

/** As it was given: a row without a primary key is new. */
function keyOf(catalog: EntityCatalog, row: ImportedRow): { readonly entity: string; readonly id: unknown } {
  const definition = 'row' in row ? row.definition : catalog.get(row.entity)
  return { entity: definition.name, id: row.input[primaryKeyOf(definition)] }
}
