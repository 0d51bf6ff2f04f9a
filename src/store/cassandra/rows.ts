/** From an entity's row to the text that is stored, and to what the tables beside it hold. */
import type { Row } from '../../entities/config.ts'
import {
  cacheKeyOf,
  CACHE_KEY_COLUMN,
  ColumnRangeError,
  decodeRow,
  encodeRow,
  type Table,
  TTL_FIELD,
} from '../../schema/columns.ts'
import { outOfRange } from '../violations.ts'

/** Members in the table's order, unset ones null: what a reader gets, whatever the writer gave. */
export function storedForm(table: Table, row: Row): Row {
  try {
    return decodeRow(table, encodeRow(table, row))
  } catch (error) {
    if (error instanceof ColumnRangeError) throw outOfRange(error)
    throw error
  }
}

/** Fields that the row's writer did not know are null; those that this version does not know are left out. */
export function parseRow(table: Table, text: string): Row {
  const parsed = JSON.parse(text) as Row
  const row: Record<string, unknown> = {}
  for (const { field } of table.columns) row[field] = parsed[field] ?? null
  return row
}

export function keyOf(table: Table, row: Row): string {
  return row[table.primary.field] as string
}

/** What must be there once: field (or `cache_key`) and value. */
export function uniquesOf(table: Table, row: Row): [field: string, value: string][] {
  const uniques: [string, string][] = []
  for (const { field, unique, primary } of table.columns) {
    if (!unique || primary) continue
    const value = textOf(row[field])
    if (value !== null) uniques.push([field, value])
  }
  if (table.cacheKey !== null) uniques.push([CACHE_KEY_COLUMN, cacheKeyOf(table, row)])
  return uniques
}

export function parentsOf(table: Table, row: Row): [field: string, parent: string][] {
  const parents: [string, string][] = []
  for (const { field, references } of table.columns) {
    const value = references === null ? null : textOf(row[field])
    if (value !== null) parents.push([field, value])
  }
  return parents
}

export function tagsOf(row: Row | null): readonly string[] {
  const tags = row?.['tags']
  return Array.isArray(tags) ? [...new Set(tags as string[])] : []
}

export function expiryOf(table: Table, row: Row | null): number | null {
  const expiry = table.ttl ? row?.[TTL_FIELD] : null
  return typeof expiry === 'number' ? expiry : null
}

/** A value as tables beside the rows hold it; foreign keys by their id. */
export function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  return typeof value === 'object' ? ((value as { id?: string }).id ?? null) : String(value)
}
