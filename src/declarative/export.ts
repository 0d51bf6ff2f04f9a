/** Rows as a declarative document: `kong config db_export`, `GET /config`, and what Kong's data planes are sent. */
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import { isObject } from '../schema/defaults.ts'
import type { EntityDefinition } from '../schema/entity.ts'
import { toYaml } from './yaml.ts'

export interface ExportSource {
  readonly catalog: EntityCatalog
  /** All rows of an entity, in any order. */
  readonly rows: (entity: string) => Iterable<Row>
}

export interface ExportOptions {
  /** Data planes must know them, files must not. */
  readonly workspaces: boolean
  /** False: disabled services and plugins are left out, with all that depends on such a service. */
  readonly disabled: boolean
}

export const FILE_EXPORT: ExportOptions = { workspaces: false, disabled: true }
export const DATA_PLANE_EXPORT: ExportOptions = { workspaces: true, disabled: false }

/** Entities with rows only, in order of dependency, rows in order of primary key; foreign keys as ids, nulls written. */
export function exportDocument({ catalog, rows }: ExportSource, options: ExportOptions): Record<string, unknown> {
  const document: Record<string, unknown> = { _format_version: '3.0', _transform: false }
  /** Ids of services and routes that are left out. */
  const hidden = new Set<string>()
  for (const definition of catalog.definitions) {
    const { name } = definition
    if (definition.db_export === false || (name === 'workspaces' && !options.workspaces)) continue
    const kept = [...rows(name)].filter(row => options.disabled || isShown(definition, row, hidden))
    if (kept.length === 0) continue
    const primaryKey = definition.primary_key?.[0] ?? 'id'
    kept.sort((a, b) => compare(String(a[primaryKey]), String(b[primaryKey])))
    document[name] = kept.map(row => exportRow(definition, row))
  }
  return document
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function isShown({ name, fields }: EntityDefinition, row: Row, hidden: Set<string>): boolean {
  const depends = Object.entries(fields).some(
    ([field, { type }]) => type === 'foreign' && hidden.has(foreignId(row[field]) ?? ''),
  )
  const off = (name === 'services' || name === 'plugins') && row['enabled'] === false
  if (!depends && !off) return true
  if (name === 'services' || name === 'routes') hidden.add(String(row['id']))
  return false
}

function foreignId(value: unknown): string | null {
  return isObject(value) && typeof value['id'] === 'string' ? value['id'] : null
}

function exportRow({ fields, ttl }: EntityDefinition, row: Row): Record<string, unknown> {
  const exported: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields)) {
    if (field.transient === true) continue
    const value = row[name] ?? null
    exported[name] = field.type === 'foreign' ? foreignId(value) : value
  }
  if (ttl === true && row['ttl'] !== undefined) exported['ttl'] = row['ttl']
  return exported
}

export function exportYaml(source: ExportSource, options: ExportOptions = FILE_EXPORT): string {
  return toYaml(exportDocument(source, options))
}
