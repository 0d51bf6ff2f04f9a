/** The refusals of store and repository, each with the text that Kong's clients see. */
import type { ColumnRangeError } from '../schema/columns.ts'
import { luaNotation, schemaViolationMessage } from '../schema/messages.ts'
import type { FieldErrors } from '../schema/validate.ts'
import { StoreError } from './errors.ts'

type Fields = Readonly<Record<string, unknown>>

export function schemaViolation(errors: FieldErrors): StoreError {
  return new StoreError('schema_violation', schemaViolationMessage(errors), errors)
}

export function outOfRange({ field }: ColumnRangeError): StoreError {
  return schemaViolation({ [field]: 'number out of range' })
}

export function primaryKeyViolation(key: Fields): StoreError {
  return new StoreError('primary_key_violation', `primary key violation on key '${luaNotation(key)}'`, key)
}

export function uniqueViolation(key: Fields): StoreError {
  return new StoreError('unique_violation', `UNIQUE violation detected on '${luaNotation(key)}'`, key)
}

export function invalidReference(key: Fields, field: string, parent: string): StoreError {
  const message = `the foreign key '${luaNotation(key)}' does not reference an existing '${parent}' entity.`
  return new StoreError('foreign_key_violation', message, { [field]: key })
}

export function referencedBy(parent: string, child: string): StoreError {
  const message = `an existing '${child}' entity references this '${parent}' entity`
  return new StoreError('foreign_key_violation', message, { '@referenced_by': child })
}

export function notFound(primaryKey: Fields): StoreError {
  const message = `could not find the entity with primary key '${luaNotation(primaryKey)}'`
  return new StoreError('not_found', message, primaryKey)
}

export function notFoundBy(filter: Fields): StoreError {
  return new StoreError('not_found', `could not find the entity with '${luaNotation(filter)}'`, filter)
}

export function invalidPrimaryKey(errors: Fields): StoreError {
  return new StoreError('invalid_primary_key', `invalid primary key: '${luaNotation(errors)}'`, errors)
}

export function invalidUnique(field: string, message: string): StoreError {
  return new StoreError('invalid_unique', message, undefined, undefined, `invalid unique ${field}`)
}

export function invalidOffset(offset: string, reason: string): StoreError {
  return new StoreError('invalid_offset', `'${offset}' is not a valid offset: ${reason}`)
}

export function invalidSize(message: string): StoreError {
  return new StoreError('invalid_size', message)
}

export function invalidOptions(errors: Readonly<Record<string, string>>): StoreError {
  const texts = Object.keys(errors)
    .sort()
    .map(name => `${name}: ${errors[name]}`)
  const message =
    texts.length === 1 ? `invalid option (${texts[0]})` : `${texts.length} option violations (${texts.join('; ')})`
  return new StoreError('invalid_options', message, errors)
}

/** `errors[field][by]` names the value that found no parent. */
export function foreignKeysUnresolved(
  unresolved: Readonly<Record<string, { readonly by: string; readonly value: unknown; readonly parent: string }>>,
): StoreError {
  const texts: string[] = []
  const fields: Record<string, unknown> = {}
  for (const field of Object.keys(unresolved).sort()) {
    const { by, value, parent } = unresolved[field]!
    const text = `the foreign key cannot be resolved with '${luaNotation({ [by]: value })}' for an existing '${parent}' entity`
    fields[field] = { [by]: text }
    texts.push(`${field}.${by}: ${text}`)
  }
  const message =
    texts.length === 1
      ? `foreign key unresolved (${texts[0]})`
      : `${texts.length} foreign keys unresolved (${texts.join('; ')})`
  return new StoreError('foreign_keys_unresolved', message, fields)
}

export function caStillReferenced(id: string, entity: string, by: string): StoreError {
  return new StoreError('referenced_by_others', `ca certificate ${id} is still referenced by ${entity} (id = ${by})`)
}

/** `verb` in Kong's words: create, update, create or update, remove. */
export function writeUnsupported(verb: string, entity: string, by?: string): StoreError {
  const key = by === undefined ? '' : ` by '${by}'`
  const message = `cannot ${verb} '${entity}' entities${key} when not using a database`
  return new StoreError('operation_unsupported', message)
}
