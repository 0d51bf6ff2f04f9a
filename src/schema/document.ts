/** A definition as `GET /schemas/*` shows it. */
import type { EntityCheck, ShorthandField } from './entity.ts'
import type { Field, Fields } from './field.ts'

export interface SchemaDocument {
  readonly fields: readonly Readonly<Record<string, unknown>>[]
  readonly entity_checks: readonly unknown[]
}

interface Documented {
  readonly fields: Fields
  readonly entity_checks?: readonly EntityCheck[] | undefined
}

/** Plain JSON: an array of one-member objects keeps the order of fields; functions and our own attributes are left out. */
export function schemaDocument({ fields, entity_checks }: Documented): SchemaDocument {
  return { entity_checks: plain(entity_checks ?? []) as unknown[], fields: fieldList(fields, true) }
}

/** Records nested in records are required unless they say otherwise, and Kong shows it. */
function fieldList(fields: Fields, recordsRequired: boolean): Record<string, unknown>[] {
  return Object.entries(fields).map(([name, field]) => ({ [name]: fieldDocument(field, recordsRequired) }))
}

function fieldDocument(field: Field, recordsRequired: boolean): Record<string, unknown> {
  const document: Record<string, unknown> = {}
  const isRecord = field.type === 'record'
  for (const [name, value] of Object.entries(field)) {
    if (name === 'since' || typeof value === 'function' || value === undefined) continue
    if (name === 'fields' && field.abstract === true) continue
    if (name === 'fields' && isRecord) document[name] = fieldList(value as Fields, recordsRequired)
    else if (name === 'elements' || name === 'keys' || name === 'values') document[name] = fieldDocument(value, false)
    else if (name === 'shorthand_fields') document[name] = (value as readonly ShorthandField[]).map(shorthandDocument)
    else document[name] = plain(value)
  }
  if (isRecord && recordsRequired && field.abstract !== true) document['required'] ??= true
  return document
}

function shorthandDocument({ name, field, replacedBy }: ShorthandField): Record<string, unknown> {
  const document = fieldDocument(field as Field, false)
  if (replacedBy === undefined) return { [name]: document }
  const deprecation = (document['deprecation'] ?? {}) as object
  return { [name]: { ...document, deprecation: { ...deprecation, replaced_with: [{ path: replacedBy.path }] } } }
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter(member => typeof member !== 'function').map(plain)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, member]) => typeof member !== 'function' && member !== undefined)
  return Object.fromEntries(entries.map(([name, member]) => [name, plain(member)]))
}
