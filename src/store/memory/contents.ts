/** One version of a whole configuration in memory, with the indexes that finding and paging need. */
import { mapKey } from '../../base/map-key.ts'
import { EMPTY_CONFIG_HASH, type Row } from '../../entities/config.ts'
import { rowDigest, toggleDigest } from '../../entities/config-digest.ts'
import { cacheKeyOf, ColumnRangeError, decodeRow, encodeRow, type Table } from '../../schema/columns.ts'
import type { Tables } from '../sql/tables.ts'
import { outOfRange, primaryKeyViolation, uniqueViolation } from '../violations.ts'

export interface EntityContents {
  readonly rows: ReadonlyMap<string, Row>
  /** In order. */
  readonly keys: readonly string[]
  unique(fields: Readonly<Record<string, string | null>>): Row | undefined
}
export type Contents = ReadonlyMap<string, EntityContents>

export function contentsOf(rows: readonly { readonly entity: string; readonly row: Row }[], tables: Tables): Contents {
  const byEntity = new Map<string, Map<string, Row>>()
  for (const { entity, row } of rows) {
    const table = tables.get(entity)
    let known = byEntity.get(entity)
    if (known === undefined) byEntity.set(entity, (known = new Map()))
    // Stored rows have the same members in every store, so that equal configurations have equal hashes.
    const stored = storedForm(table, row)
    const key = stored[table.primary.field] as string
    if (known.has(key)) throw primaryKeyViolation({ [table.primary.field]: key })
    known.set(key, stored)
  }
  return new Map([...byEntity].map(([entity, known]) => [entity, indexed(tables.get(entity), known)]))
}

function storedForm(table: Table, row: Row): Row {
  try {
    return decodeRow(table, encodeRow(table, row))
  } catch (error) {
    throw error instanceof ColumnRangeError ? outOfRange(error) : error
  }
}

function indexed(table: Table, rows: ReadonlyMap<string, Row>): EntityContents {
  const byValue = new Map<string, Row>()
  const enter = (fields: readonly string[], name: string, row: Row) => {
    if (byValue.has(name)) throw uniqueViolation(Object.fromEntries(fields.map(field => [field, row[field] ?? null])))
    byValue.set(name, row)
  }
  for (const row of rows.values()) {
    for (const { field, unique } of table.columns) {
      const value = row[field]
      if (unique && value !== null) enter([field], fieldKey(field, value), row)
    }
    if (table.cacheKey !== null) enter(table.cacheKey, cacheKeyOf(table, row), row)
  }
  return {
    rows,
    keys: [...rows.keys()].sort(),
    unique(fields) {
      const names = Object.keys(fields)
      if (table.cacheKey !== null && names.length > 1) return byValue.get(cacheKeyOf(table, fields))
      return byValue.get(fieldKey(names[0] ?? '', fields[names[0] ?? '']))
    },
  }
}

function fieldKey(field: string, value: unknown): string {
  const text = value !== null && typeof value === 'object' ? (value as { id: string }).id : value
  return `${field}\0${mapKey(String(text))}`
}

export function hashOfContents(contents: Contents, tables: Tables): string {
  let hash = EMPTY_CONFIG_HASH
  for (const [entity, { rows }] of contents) {
    if (!tables.get(entity).exported) continue
    for (const [key, row] of rows) hash = toggleDigest(hash, rowDigest(entity, key, row))
  }
  return hash
}
