/**
 * The rows of a running configuration, in memory, with the indexes that readers ask for.
 *
 * An index is made when it is first asked for and kept up to date from then on: a node with a million consumers
 * pays only for the look-ups that its plugins do.
 */
import { mapKey } from '../base/map-key.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import type { EntityReader } from '../entities/entity-reader.ts'
import type { EntityDefinition } from '../schema/entity.ts'
import { finished, inSlices, type Steps } from './steps.ts'

/** Rows of one entity by primary key. */
export class EntityTable {
  readonly rows = new Map<string, Row>()
  readonly primaryKey: string
  readonly #unique = new Map<string, Map<unknown, Row>>()
  readonly #foreign = new Map<string, Map<string, Set<Row>>>()

  constructor(definition: EntityDefinition) {
    this.primaryKey = definition.primary_key?.[0] ?? 'id'
  }

  put(key: string, row: Row): void {
    this.remove(key)
    this.rows.set(key, row)
    for (const [field, index] of this.#unique) this.#addUnique(index, field, row)
    for (const [field, index] of this.#foreign) addForeign(index, field, row)
  }

  remove(key: string): void {
    const row = this.rows.get(key)
    if (row === undefined) return
    this.rows.delete(key)
    for (const [field, index] of this.#unique) if (index.get(keyOf(row[field])) === row) index.delete(keyOf(row[field]))
    for (const [field, index] of this.#foreign) removeForeign(index, field, row)
  }

  findBy(field: string, value: unknown): Row | null {
    if (field === this.primaryKey) return this.rows.get(String(value)) ?? null
    return (this.#unique.get(field) ?? finished(this.indexUnique(field))).get(keyOf(value)) ?? null
  }

  /** Makes an index ahead of its first use. Rows may not change meanwhile. */
  *indexUnique(field: string): Steps<Map<unknown, Row>> {
    const index = new Map<unknown, Row>()
    for (const row of inSlices(this.rows.values())) {
      if (row === null) yield
      else this.#addUnique(index, field, row)
    }
    this.#unique.set(field, index)
    return index
  }

  /** The unique fields that somebody has looked for. */
  get uniqueIndexes(): Iterable<string> {
    return this.#unique.keys()
  }

  findByForeign(field: string, key: string): ReadonlySet<Row> | undefined {
    return (this.#foreign.get(field) ?? finished(this.indexForeign(field))).get(key)
  }

  /** As `indexUnique`. */
  *indexForeign(field: string): Steps<Map<string, Set<Row>>> {
    const index = new Map<string, Set<Row>>()
    for (const row of inSlices(this.rows.values())) {
      if (row === null) yield
      else addForeign(index, field, row)
    }
    this.#foreign.set(field, index)
    return index
  }

  #addUnique(index: Map<unknown, Row>, field: string, row: Row): void {
    const value = row[field]
    if (value !== null && value !== undefined) index.set(keyOf(value), row)
  }
}

const keyOf = (value: unknown) => (typeof value === 'string' ? mapKey(value) : value)

/** The key that a foreign field points to, or null. */
export function foreignKey(row: Row, field: string): string | null {
  const value = row[field]
  if (value === null || typeof value !== 'object') return null
  const [key] = Object.values(value)
  return typeof key === 'string' ? key : null
}

function addForeign(index: Map<string, Set<Row>>, field: string, row: Row): void {
  const key = foreignKey(row, field)
  if (key === null) return
  const rows = index.get(key)
  if (rows === undefined) index.set(key, new Set([row]))
  else rows.add(row)
}

function removeForeign(index: Map<string, Set<Row>>, field: string, row: Row): void {
  const key = foreignKey(row, field)
  const rows = key === null ? undefined : index.get(key)
  if (rows === undefined) return
  rows.delete(row)
  if (rows.size === 0) index.delete(key!)
}

/** All tables of one configuration. */
export class EntityTables {
  readonly #tables = new Map<string, EntityTable>()

  constructor(catalog: EntityCatalog) {
    for (const definition of catalog.definitions) this.#tables.set(definition.name, new EntityTable(definition))
  }

  find(entity: string): EntityTable | undefined {
    return this.#tables.get(entity)
  }
}

const EMPTY: readonly Row[] = []

/** Reads whatever tables are current when it is asked, so that plugins may keep it. */
export function createEntityReader(current: () => EntityTables, nowMs: () => number): EntityReader {
  // `ttl` of a stored row is the second in which it ends (as in Kong's export to data planes).
  const isLive = (row: Row) => typeof row['ttl'] !== 'number' || row['ttl'] * 1000 > nowMs()
  const live = (row: Row | null | undefined) => (row != null && isLive(row) ? row : null)
  return {
    find: (entity, key) => live(current().find(entity)?.rows.get(key)),
    findBy: (entity, field, value) => live(current().find(entity)?.findBy(field, value)),
    findByForeign(entity, field, key) {
      const rows = current().find(entity)?.findByForeign(field, key)
      return rows === undefined ? EMPTY : [...rows].filter(isLive)
    },
    *all(entity) {
      for (const row of current().find(entity)?.rows.values() ?? []) if (isLive(row)) yield row
    },
  }
}
