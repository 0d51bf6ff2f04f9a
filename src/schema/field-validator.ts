/** Compiles a field into one function from a value to what is wrong with it. */
import { isObject, isRequired, missingValue, type FillContext } from './defaults.ts'
import type { EntityCheck } from './entity.ts'
import { compileEntityChecks } from './entity-checks.ts'
import type { Field, Fields } from './field.ts'
import type { FieldError, FieldValidator, ValidatorScope } from './field-error.ts'
import { compileRules } from './field-rules.ts'
import { MESSAGES, message } from './messages.ts'
import { isVaultReference } from '../base/vault-reference.ts'

const compiled = new WeakMap<Field, FieldValidator>()

export function fieldValidator(field: Field): FieldValidator {
  let validator = compiled.get(field)
  if (validator === undefined) {
    validator = compileField(field, isRequired(field))
    compiled.set(field, validator)
  }
  return validator
}

/** `required` is separate because elements, keys and values are always required, whatever they say. */
function compileField(field: Field, required: boolean): FieldValidator {
  const nullError = nullErrorOf(field, required)
  if (field.eq === null) {
    const error = field.err ?? message.eq(null)
    return value => (value === null || value === undefined ? nullError : error)
  }
  const body = field.abstract === true ? () => MESSAGES.abstract : compileType(field)
  return (value, scope) => (value === null || value === undefined ? nullError : body(value, scope))
}

function nullErrorOf(field: Field, required: boolean): string | null {
  if (field.ne === null) return field.err ?? message.ne(null)
  if (field.eq !== undefined && field.eq !== null) return message.eq(field.eq)
  return required ? MESSAGES.required : null
}

function compileType(field: Field): FieldValidator {
  const rules = compileRules(field) as ((value: unknown) => string | null) | null
  const shape = compileShape(field)
  if (rules === null) return shape
  if (field.type === 'string' && field.referenceable === true) {
    return (value, scope) => shape(value, scope) ?? (isVaultReference(value) ? null : rules(value))
  }
  return (value, scope) => shape(value, scope) ?? rules(value)
}

function compileShape(field: Field): FieldValidator {
  switch (field.type) {
    case 'array':
    case 'set':
      return compileList(field)
    case 'map':
      return compileMap(field)
    case 'record':
      return compileRecord(field.fields ?? {}, field.entity_checks as readonly EntityCheck[] | undefined)
    case 'foreign':
      return compileForeign(field.reference ?? '')
    case 'integer':
      return value => (Number.isInteger(value) ? null : MESSAGES.integer)
    case 'string':
    case 'number':
    case 'boolean': {
      const { type } = field
      return value => (typeof value === type ? null : MESSAGES[type])
    }
    default:
      return () => null
  }
}

function compileList(field: Field): FieldValidator {
  const elements = compileField(field.elements!, true)
  const typeError = field.type === 'set' ? MESSAGES.set : MESSAGES.array
  return (value, scope) => {
    if (!Array.isArray(value)) return typeError
    let errors: unknown[] | null = null
    for (let at = 0; at < value.length; at++) {
      const error = elements(value[at], scope)
      if (error === null) continue
      errors ??= []
      while (errors.length < at) errors.push(null)
      errors.push(error)
    }
    return errors
  }
}

/** Kong reports the first bad key or value of a map, without saying which. */
function compileMap(field: Field): FieldValidator {
  const keys = compileField(field.keys!, true)
  const values = compileField(field.values!, true)
  return (value, scope) => {
    if (!isObject(value)) return MESSAGES.map
    for (const key of Object.keys(value)) {
      const error = keys(key, scope) ?? values(value[key], scope)
      if (error !== null) return error
    }
    return null
  }
}

/** Nested defaults count here even where nothing was filled, as Kong fills a copy. */
const NESTED_FILL: FillContext = {
  operation: 'stored',
  nowMs: 0,
  uuid: () => '00000000-0000-0000-0000-000000000000',
  randomBytes: count => Buffer.alloc(count),
}

function compileRecord(fields: Fields, checks: readonly EntityCheck[] | undefined): FieldValidator {
  let body: ((row: Record<string, unknown>, scope: ValidatorScope) => Record<string, unknown> | null) | null = null
  return (value, scope) => {
    if (typeof value !== 'object' || Array.isArray(value)) return MESSAGES.record
    // Compiled at first use: most records of most plugins are never seen by a node.
    body ??= compileRow(fields, checks ?? [])
    return body(completed(fields, value as Record<string, unknown>), scope)
  }
}

function completed(fields: Fields, value: Record<string, unknown>): Record<string, unknown> {
  let row = value
  for (const name in fields) {
    if (row[name] !== undefined && Object.hasOwn(row, name)) continue
    const filled = missingValue(fields[name]!, NESTED_FILL)
    if (filled === undefined) continue
    if (row === value) row = { ...value }
    row[name] = filled
  }
  return row
}

/** Fields, then rules across them; the errors by name, or null. Absent members are errors if required and `whole`. */
export function compileRow(
  fields: Fields,
  checks: readonly EntityCheck[],
  unvalidated: ReadonlySet<string> = new Set(),
): (row: Record<string, unknown>, scope: ValidatorScope, whole?: boolean) => Record<string, unknown> | null {
  const validators = Object.entries(fields).map(
    ([name, field]) => [name, fieldValidator(field), isRequired(field)] as const,
  )
  const known = new Set([...Object.keys(fields), ...unvalidated])
  const runChecks = compileEntityChecks(checks, fields, fieldValidator)
  return (row, scope, whole = true) => {
    const errors: Record<string, unknown> = {}
    for (const [name, validator, required] of validators) {
      const value = row[name]
      if (value === undefined) {
        if (required && whole) errors[name] = MESSAGES.required
        continue
      }
      const error = validator(value, scope)
      if (error !== null) errors[name] = error
    }
    for (const name of Object.keys(row)) {
      if (known.has(name) || (scope.ignoresUnknownNulls && row[name] === null)) continue
      Object.defineProperty(errors, name, { value: MESSAGES.unknown, enumerable: true, configurable: true })
    }
    runChecks?.(row, whole, scope, errors)
    return Object.keys(errors).length === 0 ? null : errors
  }
}

function compileForeign(reference: string): FieldValidator {
  return (value, scope) => {
    const error = foreignIdError(value)
    if (error === null || !isObject(value)) return error
    return scope.foreign?.(reference, value, scope) ?? error
  }
}

function foreignIdError(value: unknown): FieldError | null {
  const id = isObject(value) ? value['id'] : undefined
  if (id === undefined) return { id: MESSAGES.missingPrimaryKey }
  if (id === null) return { id: MESSAGES.required }
  const error = idError(id, { updating: false, ignoresUnknownNulls: false, foreign: null })
  return error === null ? null : { id: error }
}
const idError = fieldValidator({ type: 'string', uuid: true })
