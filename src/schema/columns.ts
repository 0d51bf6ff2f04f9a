/** From a definition to the table that holds its rows, and from row to columns and back. */
import type { EntityDefinition } from './entity.ts'

type Row = Readonly<Record<string, unknown>>
export type ColumnKind = 'text' | 'integer' | 'double' | 'boolean' | 'json'
/** What a column holds; booleans are 0 and 1, so that every database stores the same. */
export type ColumnValue = string | number | null

export interface Column {
  readonly name: string
  /** Member of the row; differs from `name` for foreign keys (`service` is held by `service_id`). */
  readonly field: string
  readonly kind: ColumnKind
  readonly primary: boolean
  readonly unique: boolean
  /** Entity whose primary key this column holds. */
  readonly references: string | null
  /** What becomes of this row when the one it refers to is deleted. */
  readonly onDelete: 'cascade' | 'restrict' | 'null'
}

export interface Table {
  /** Name of the entity and of its table. */
  readonly name: string
  readonly columns: readonly Column[]
  readonly primary: Column
  /** Fields of a composite key; the table then has a column `cache_key`, unique, since SQL's NULLs would differ. */
  readonly cacheKey: readonly string[] | null
  readonly ttl: boolean
  readonly exported: boolean
  readonly tagged: boolean
}

export const CACHE_KEY_COLUMN = 'cache_key'
/** Member of a row and column of the table: when it expires, seconds since the epoch, or null. */
export const TTL_FIELD = 'ttl'

const ttlColumn: Column = {
  name: TTL_FIELD,
  field: TTL_FIELD,
  kind: 'double',
  primary: false,
  unique: false,
  references: null,
  onDelete: 'restrict',
}

interface FieldAttributes {
  readonly type: string
  readonly unique?: boolean
  readonly reference?: string
  readonly on_delete?: Column['onDelete']
  readonly transient?: boolean
}

export function tableOf(definition: EntityDefinition): Table {
  const primaryField = definition.primary_key?.[0] ?? 'id'
  const columns: Column[] = []
  for (const [field, value] of Object.entries(definition.fields)) {
    const attributes = value as FieldAttributes
    if (attributes.transient) continue
    const references = attributes.type === 'foreign' ? (attributes.reference ?? null) : null
    columns.push({
      name: references === null ? field : `${field}_id`,
      field,
      kind: kindOf(attributes.type),
      primary: field === primaryField,
      unique: attributes.unique === true,
      references,
      onDelete: attributes.on_delete ?? 'restrict',
    })
  }
  const ttl = definition.ttl === true
  if (ttl) columns.push(ttlColumn)
  const primary = columns.find(column => column.primary)
  if (primary === undefined)
    throw new Error(`invariant broken: entity ${definition.name} has its primary key as a field`)
  return {
    name: definition.name,
    columns,
    primary,
    cacheKey: definition.cache_key !== undefined && definition.cache_key.length > 1 ? definition.cache_key : null,
    ttl,
    exported: definition.db_export !== false,
    tagged: 'tags' in definition.fields,
  }
}

function kindOf(type: string): ColumnKind {
  if (type === 'string' || type === 'foreign') return 'text'
  if (type === 'integer' || type === 'boolean') return type
  return type === 'number' ? 'double' : 'json'
}

/** A number that no database would give back as it was. */
export class ColumnRangeError extends RangeError {
  readonly field: string
  constructor(field: string) {
    super(`number out of range in column '${field}'`)
    this.field = field
  }
}

/** What 64 bits hold. Beyond 2⁵³ only every other number and fewer exist here, but each of them is exact. */
const isStorableInteger = (number: number) => Number.isInteger(number) && Math.abs(number) < 2 ** 63

/** Columns in the table's order. Members that the definition does not know are left out. */
export function encodeRow(table: Table, row: Row): Record<string, ColumnValue> {
  const encoded: Record<string, ColumnValue> = {}
  for (const column of table.columns) encoded[column.name] = encodeValue(column, row[column.field])
  if (table.cacheKey !== null) encoded[CACHE_KEY_COLUMN] = cacheKeyOf(table, row)
  return encoded
}

export function decodeRow(table: Table, stored: Readonly<Record<string, unknown>>): Row {
  const row: Record<string, unknown> = {}
  for (const column of table.columns) row[column.field] = decodeValue(column, stored[column.name])
  return row
}

export function encodeValue(column: Column, value: unknown): ColumnValue {
  if (value === null || value === undefined) return null
  if (column.references !== null) return typeof value === 'string' ? value : ((value as { id: string }).id ?? null)
  if (column.kind === 'json') return JSON.stringify(value)
  if (column.kind === 'boolean') return value ? 1 : 0
  // A lone surrogate cannot be written as UTF-8; it would come back as another string and change the row's digest.
  if (column.kind === 'text') return String(value).toWellFormed()
  const number = Number(value)
  if (!Number.isFinite(number) || (column.kind === 'integer' && !isStorableInteger(number))) {
    throw new ColumnRangeError(column.field)
  }
  return number
}

function decodeValue(column: Column, value: unknown): unknown {
  if (value === null || value === undefined) return null
  if (column.references !== null) return { id: value }
  if (column.kind === 'json') return JSON.parse(value as string)
  if (column.kind === 'boolean') return value === 1 || value === true
  // Some databases answer 64-bit integers as text.
  return column.kind === 'text' ? value : Number(value)
}

/** The composite key as text, as Kong forms it: parts joined, unset ones empty, foreign keys by their id. */
export function cacheKeyOf(table: Table, row: Row): string {
  const parts = (table.cacheKey ?? []).map(field => {
    const value = row[field]
    if (value === null || value === undefined) return ''
    // A separator within a value must not make two different keys equal.
    const text = typeof value === 'object' ? (value as { id: string }).id : String(value)
    return text.replaceAll('%', '%25').replaceAll(':', '%3A')
  })
  return `${table.name}:${parts.join(':')}`
}
