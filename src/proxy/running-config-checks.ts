/** Whether a set of changes may become the running configuration, as far as rows alone can tell. */
import type { EntityCatalog } from '../entities/catalog.ts'
import type { ConfigRefusal, Row } from '../entities/config.ts'
import type { FieldErrors, Validation } from '../schema/validate.ts'
import type { EntityDefinition } from '../schema/entity.ts'
import type { ConfigOverlay } from './config-overlay.ts'
import { type EntityTables, foreignKey } from './entity-index.ts'
import { COMPILED_SLICE_ROWS, inSlices, type Steps } from './steps.ts'

/** A stored row against its definition and subschema; the schema layer's business, handed in. */
export type ValidateRow = (definition: EntityDefinition, row: Row) => Validation

/** Puts each row's whole form in its place: rows of an older control plane lack fields that have a default here. */
export function* checkRows(
  overlay: ConfigOverlay,
  { catalog, validateRow }: { readonly catalog: EntityCatalog; readonly validateRow: ValidateRow },
): Steps<ConfigRefusal | null> {
  for (const [entity, changed] of overlay.entries()) {
    const definition = catalog.find(entity)
    if (definition === null) {
      const [key] = changed.keys()
      return { entity, key: key ?? '', field: null, message: `unknown entity '${entity}'` }
    }
    for (const entry of inSlices(changed, COMPILED_SLICE_ROWS)) {
      if (entry === null) yield
      if (entry === null || entry[1] === null) continue
      const [key, row] = entry
      const validation = validateRow(definition, row)
      if (!validation.ok) return { entity, key, ...firstError(validation.errors) }
      overlay.complete(entity, key, validation.row)
    }
  }
  return null
}

/** Every reference of a changed row leads somewhere, and nothing refers to a removed one. */
export function* checkReferences(overlay: ConfigOverlay, catalog: EntityCatalog): Steps<ConfigRefusal | null> {
  for (const [entity, changed] of overlay.entries()) {
    const outgoing = catalog.foreignFields(entity)
    const incoming = catalog.references(entity)
    for (const entry of inSlices(changed, COMPILED_SLICE_ROWS)) {
      if (entry === null) {
        yield
        continue
      }
      const [key, row] = entry
      if (row === null) {
        const refusal = findOrphan(overlay, { entity, key, incoming })
        if (refusal !== null) return refusal
        continue
      }
      for (const { field, references } of outgoing) {
        const target = foreignKey(row, field)
        if (target !== null && overlay.find(references.name, target) === null)
          return { entity, key, field, message: missing(references.name, target) }
      }
    }
  }
  return null
}

/** As `checkReferences`, for a whole configuration at once. */
export function* checkAllReferences(tables: EntityTables, catalog: EntityCatalog): Steps<ConfigRefusal | null> {
  for (const { name } of catalog.definitions)
    for (const { field, references } of catalog.foreignFields(name)) {
      const targets = tables.find(references.name)!.rows
      for (const entry of inSlices(tables.find(name)!.rows)) {
        if (entry === null) {
          yield
          continue
        }
        const [key, row] = entry
        const target = foreignKey(row, field)
        if (target !== null && !targets.has(target))
          return { entity: name, key, field, message: missing(references.name, target) }
      }
    }
  return null
}

function findOrphan(
  overlay: ConfigOverlay,
  options: { entity: string; key: string; incoming: ReturnType<EntityCatalog['references']> },
): ConfigRefusal | null {
  for (const { entity: child, field } of options.incoming)
    for (const row of overlay.findByForeign(child.name, field, options.key))
      return {
        entity: child.name,
        key: String(row[child.primary_key?.[0] ?? 'id']),
        field,
        message: missing(options.entity, options.key),
      }
  return null
}

function missing(entity: string, key: string): string {
  return `refers to ${entity} '${key}', which does not exist`
}

/** The first message of nested errors, with the path that leads to it. */
function firstError(errors: FieldErrors): { readonly field: string | null; readonly message: string } {
  const path: string[] = []
  let value: unknown = errors
  while (value !== null && typeof value === 'object') {
    const [first] = Object.entries(value)
    if (first === undefined) break
    if (first[0] !== '@entity' && !Array.isArray(value)) path.push(first[0])
    value = first[1]
  }
  return { field: path.length === 0 ? null : path.join('.'), message: String(value) }
}
