/** Input-only fields and old names of fields: expanded before anything else, echoed on reads if they are old names. */
import { isDeepStrictEqual } from 'node:util'
import { copyValue, isObject, setMember } from './defaults.ts'
import { getPath } from './entity-checks.ts'
import type { ShorthandField } from './entity.ts'
import type { Field, Fields } from './field.ts'
import { fieldValidator } from './field-validator.ts'
import { message } from './messages.ts'

type Values = Readonly<Record<string, unknown>>
export type Expansion =
  | { readonly ok: true; readonly values: Values }
  | { readonly ok: false; readonly errors: Record<string, unknown> }

const SCOPE = { updating: false, ignoresUnknownNulls: false, foreign: null } as const

/** Replaces the shorthands in the input by the members they stand for, at every depth. */
export function expandShorthands(
  fields: Fields,
  shorthands: readonly ShorthandField[] | undefined,
  input: Values,
): Expansion {
  let values = input
  const errors: Record<string, unknown> = {}
  for (const shorthand of shorthands ?? []) {
    if (!Object.hasOwn(values, shorthand.name) || values[shorthand.name] === undefined) continue
    const error = shorthandError(shorthand, values)
    if (error === null) values = expandOne(shorthand, values)
    else errors[shorthand.name] = error
  }
  for (const name of recordsWithShorthands(fields)) {
    const value = values[name]
    if (!isObject(value)) continue
    const field = fields[name]!
    const nested = expandShorthands(field.fields ?? {}, shorthandsOf(field), value)
    if (!nested.ok) errors[name] = nested.errors
    else if (nested.values !== value) values = { ...values, [name]: nested.values }
  }
  return Object.keys(errors).length === 0 ? { ok: true, values } : { ok: false, errors }
}

function shorthandsOf(field: Field): readonly ShorthandField[] | undefined {
  return field.shorthand_fields as readonly ShorthandField[] | undefined
}

const nestedNames = new WeakMap<Fields, readonly string[]>()

function recordsWithShorthands(fields: Fields): readonly string[] {
  let names = nestedNames.get(fields)
  if (names === undefined) {
    names = Object.keys(fields).filter(name => hasShorthands(fields[name]!))
    nestedNames.set(fields, names)
  }
  return names
}

function hasShorthands(field: Field): boolean {
  if (field.type !== 'record') return false
  return (shorthandsOf(field)?.length ?? 0) > 0 || Object.values(field.fields ?? {}).some(hasShorthands)
}

function isDeprecated(shorthand: ShorthandField): boolean {
  return shorthand.replacedBy !== undefined || shorthand.field['deprecation'] !== undefined
}

function shorthandError(shorthand: ShorthandField, values: Values): unknown {
  const value = values[shorthand.name]
  const error = fieldValidator(shorthand.field as Field)(value, SCOPE)
  if (error !== null || shorthand.replacedBy === undefined || value === null) return error
  const { path } = shorthand.replacedBy
  const current = getPath(values, path.join('.'))
  if (current === undefined || current === null || isDeepStrictEqual(current, value)) return null
  return message.deprecatedMismatch(shorthand.name, value, path.join('.'), current)
}

/** Old names lose against members given by their new name; other shorthands win. */
function expandOne(shorthand: ShorthandField, values: Values): Values {
  const rest: Record<string, unknown> = { ...values }
  const value = rest[shorthand.name]
  delete rest[shorthand.name]
  const deprecated = isDeprecated(shorthand)
  for (const [name, expanded] of Object.entries(shorthand.expand(value))) {
    const given = rest[name]
    if (isObject(expanded)) {
      const source = isObject(given) ? given : {}
      rest[name] = deprecated ? mergeUnder(expanded, source) : { ...source, ...expanded }
    } else if (!deprecated || given === undefined || given === null) {
      rest[name] = expanded
    }
  }
  return rest
}

function mergeUnder(under: Values, over: Values): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...under }
  for (const [name, value] of Object.entries(over)) {
    const below = under[name]
    if (value === null && below !== undefined) continue
    setMember(merged, name, isObject(value) && isObject(below) ? mergeUnder(below, value) : value)
  }
  return merged
}

/** Adds the old names to a row that is shown: what clients of earlier versions look for. */
export function withDeprecatedNames(
  fields: Fields,
  shorthands: readonly ShorthandField[] | undefined,
  row: Values,
): Values {
  let shown = row
  for (const { name, replacedBy } of shorthands ?? []) {
    if (replacedBy === undefined) continue
    if (shown === row) shown = { ...row }
    setMember(shown as Record<string, unknown>, name, copyValue(getPath(row, replacedBy.path.join('.')) ?? null))
  }
  for (const name of recordsWithShorthands(fields)) {
    const value = row[name]
    if (!isObject(value)) continue
    const field = fields[name]!
    const nested = withDeprecatedNames(field.fields ?? {}, shorthandsOf(field), value)
    if (nested !== value) shown = { ...shown, [name]: nested }
  }
  return shown
}
