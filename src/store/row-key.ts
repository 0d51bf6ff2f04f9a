/** What stands in a URL for a row: its id, or its name. */
import type { EntityDefinition } from '../schema/entity.ts'
import { fieldValidator } from '../schema/field-validator.ts'
import { MESSAGES } from '../schema/messages.ts'
import { invalidPrimaryKey, invalidUnique } from './violations.ts'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export function isUuid(text: string): boolean {
  return uuid.test(text)
}

export interface RowKey {
  /** The primary key or the endpoint key. */
  readonly field: string
  readonly value: string
  readonly isPrimary: boolean
}

export function primaryKeyOf(definition: EntityDefinition): string {
  return definition.primary_key?.[0] ?? 'id'
}

/** A text shaped like a UUID is always an id. */
export function parseRowKey(definition: EntityDefinition, text: string): RowKey {
  const primary = primaryKeyOf(definition)
  if (primary !== 'id') return { field: primary, value: text, isPrimary: true }
  if (isUuid(text)) return { field: primary, value: text.toLowerCase(), isPrimary: true }
  const field = definition.endpoint_key
  if (field === undefined) throw invalidPrimaryKey({ [primary]: MESSAGES.uuid })
  const error = fieldValidator(definition.fields[field]!)(text, {
    updating: false,
    ignoresUnknownNulls: false,
    foreign: null,
  })
  if (error !== null) throw invalidUnique(field, String(error))
  return { field, value: text, isPrimary: false }
}
