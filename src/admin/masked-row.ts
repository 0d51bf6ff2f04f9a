/** Rows with their secrets covered, for whatever is kept or shown beside the configuration itself. */
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import type { Field, Fields } from '../schema/field.ts'

export const MASK = '******'
/** Names of texts that are secrets, whether or not the schema says so: Kong's often do not. Headers among them. */
const SECRET_NAME = /(?:^|[_-])(?:password|passwd|secret|token|authorization|cookie|private_key|api[_-]?key)s?$/i
/** Credentials that are known by their key alone. */
const SECRET_FIELDS: ReadonlySet<string> = new Set(['keyauth_credentials.key'])

/** A copy; null stays null, so that one sees whether there was a secret. */
export function maskedRow(catalog: EntityCatalog, entity: string, row: Row): Row {
  const definition = catalog.find(entity)
  if (definition === null) return row
  const found = catalog.subschema(entity, row)
  const fields = found !== null && 'fields' in found ? { ...definition.fields, ...found.fields } : definition.fields
  return maskFields(fields, row, entity) as Row
}

function maskFields(fields: Fields, record: Readonly<Record<string, unknown>>, owner: string): Record<string, unknown> {
  const masked: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(record)) masked[name] = maskValue(fields[name], name, value, owner)
  return masked
}

function maskValue(field: Field | undefined, name: string, value: unknown, owner: string): unknown {
  if (value === null || value === undefined) return value
  const isSecretName = SECRET_NAME.test(name) && (typeof value === 'string' || Array.isArray(value))
  if (field?.encrypted === true || isSecretName || SECRET_FIELDS.has(`${owner}.${name}`)) return MASK
  if (Array.isArray(value)) return value.map(member => maskValue(field?.elements, '', member, ''))
  if (typeof value !== 'object') return value
  const members = value as Readonly<Record<string, unknown>>
  if (field?.type !== 'map') return maskFields(field?.fields ?? {}, members, '')
  return Object.fromEntries(Object.entries(members).map(([key, one]) => [key, maskValue(field.values, key, one, '')]))
}
