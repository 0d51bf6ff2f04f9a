/** Changes that are not yet made, laid over the tables they would change: what a delta is checked against. */
import type { ConfigChange, Row } from '../entities/config.ts'
import { type EntityTables, foreignKey } from './entity-index.ts'

export class ConfigOverlay {
  readonly #tables: EntityTables
  readonly #changed = new Map<string, Map<string, Row | null>>()

  constructor(tables: EntityTables, changes: readonly ConfigChange[]) {
    this.#tables = tables
    for (const { entity, key, row } of changes) {
      let changed = this.#changed.get(entity)
      if (changed === undefined) this.#changed.set(entity, (changed = new Map()))
      changed.set(key, row)
    }
  }

  /** Last value of each changed row of an entity; null: removed. */
  changed(entity: string): ReadonlyMap<string, Row | null> {
    return this.#changed.get(entity) ?? NO_CHANGES
  }

  /** Puts another form of a changed row in its place. */
  complete(entity: string, key: string, row: Row): void {
    this.#changed.get(entity)?.set(key, row)
  }

  *entries(): Iterable<readonly [entity: string, changed: ReadonlyMap<string, Row | null>]> {
    yield* this.#changed
  }

  /** The row as it is before the changes. */
  before(entity: string, key: string): Row | null {
    return this.#tables.find(entity)?.rows.get(key) ?? null
  }

  find(entity: string, key: string): Row | null {
    const row = this.#changed.get(entity)?.get(key)
    return row === undefined ? this.before(entity, key) : row
  }

  /** The row with this value in a unique field after the changes. */
  findBy(entity: string, field: string, value: string): Row | null {
    const changed = this.#changed.get(entity)
    for (const row of changed?.values() ?? []) if (row?.[field] === value) return row
    const table = this.#tables.find(entity)
    const before = table?.findBy(field, value) ?? null
    return before === null || changed?.has(String(before[table!.primaryKey])) ? null : before
  }

  /** Rows whose foreign field points to `key` after the changes. */
  *findByForeign(entity: string, field: string, key: string): Iterable<Row> {
    const changed = this.#changed.get(entity)
    const primaryKey = this.#tables.find(entity)?.primaryKey ?? 'id'
    for (const row of this.#tables.find(entity)?.findByForeign(field, key) ?? [])
      if (!changed?.has(String(row[primaryKey]))) yield row
    for (const row of changed?.values() ?? []) if (row !== null && foreignKey(row, field) === key) yield row
  }

  apply(): void {
    for (const [entity, changed] of this.#changed) {
      const table = this.#tables.find(entity)!
      for (const [key, row] of changed) {
        if (row === null) table.remove(key)
        else table.put(key, row)
      }
    }
  }
}

const NO_CHANGES: ReadonlyMap<string, Row | null> = new Map()
