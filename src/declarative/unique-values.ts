/** Unique fields and unique combinations of fields across the rows of a declarative configuration. */
import { mapKey } from '../base/map-key.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import { isObject } from '../schema/defaults.ts'
import type { EntityDefinition } from '../schema/entity.ts'

export function uniquenessError(entity: string, name: string, value: string): string {
  return `uniqueness violation: '${entity}' entity with ${name} set to '${value}' already declared`
}

interface EntityRow {
  readonly entity: string
  readonly key: string
  readonly row: Row
}

/** By entity and endpoint key (or id) of the row that came second; null when all are unique. */
export function uniqueErrors(catalog: EntityCatalog, rows: readonly EntityRow[]): Record<string, unknown> | null {
  const errors: Record<string, Record<string, string>> = {}
  const seen = new Set<string>()
  for (const { entity, key, row } of rows) {
    const definition = catalog.get(entity)
    for (const [name, value] of uniqueValues(definition, row)) {
      const mark = `${entity}\0${name}\0${mapKey(value)}`
      if (seen.has(mark)) {
        errors[entity] ??= {}
        const at = definition.endpoint_key === undefined ? null : row[definition.endpoint_key]
        errors[entity][typeof at === 'string' ? at : key] = uniquenessError(entity, name, value)
      }
      seen.add(mark)
    }
  }
  return Object.keys(errors).length === 0 ? null : errors
}

function* uniqueValues(definition: EntityDefinition, row: Row): Generator<readonly [name: string, value: string]> {
  for (const [name, field] of Object.entries(definition.fields)) {
    const value = row[name] ?? null
    if (field.unique === true && value !== null) yield [name, textOf(value)]
  }
  const names = definition.cache_key ?? []
  // Kong lets a file declare two such rows and its database refuses them; here both are one rule.
  if (names.length > 1) yield [names.join(', '), names.map(name => textOf(row[name] ?? '')).join(':')]
}

function textOf(value: unknown): string {
  return isObject(value) ? String(value['id']) : String(value)
}
