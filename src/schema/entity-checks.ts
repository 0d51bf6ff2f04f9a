/**
 * Rules across the fields of an entity or a record, compiled from their data form (`entity_checks` in `/schemas/*`).
 *
 * Each rule names fields (dots lead into records). It is not run while a field that holds a vault reference takes part,
 * nor, as far as its kind says so, while a field is absent or already wrong. Kong's conditions, kept as they are.
 */
import { isObject } from './defaults.ts'
import type { EntityCheck } from './entity.ts'
import type { Field, Fields } from './field.ts'
import type { FieldValidator, ValidatorScope } from './field-error.ts'
import { MESSAGES, message, quotedList } from './messages.ts'
import { isVaultReference } from '../base/vault-reference.ts'

type Row = Record<string, unknown>
type Errors = Record<string, unknown>
/** Returns a message, or null. May add errors to fields. */
type Rule = (row: Row, errors: Errors, scope: ValidatorScope) => string | null

interface CompiledCheck {
  readonly fields: readonly string[]
  readonly required: readonly string[]
  readonly references: readonly string[]
  readonly runsWithMissing: boolean
  readonly runsWithInvalid: boolean
  readonly rule: Rule
}

type Matcher = (name: string, match: Partial<Field>) => FieldValidator
export type EntityCheckRunner = (row: Row, whole: boolean, scope: ValidatorScope, errors: Errors) => void

/** `compileField` is passed in because fields hold records, and records hold checks. */
export function compileEntityChecks(
  checks: readonly EntityCheck[],
  fields: Fields,
  compileField: (field: Field) => FieldValidator,
): EntityCheckRunner | null {
  if (checks.length === 0) return null
  /** The field with the condition's attributes in place of its own. */
  const matcher: Matcher = (name, match) => compileField({ type: 'any', ...fieldAt(fields, name), ...match })
  const compiled = checks.flatMap(check =>
    Object.entries(check).map(([kind, rule]) => compileCheck(kind, rule, fields, matcher)),
  )
  return (row, whole, scope, errors) => {
    for (const check of compiled) runCheck(check, row, whole, scope, errors)
  }
}

function runCheck(check: CompiledCheck, row: Row, whole: boolean, scope: ValidatorScope, errors: Errors): void {
  if (check.references.some(name => isVaultReference(getPath(row, name)))) return
  const absent = check.fields.filter(name => getPath(row, name) === undefined)
  if (!check.runsWithInvalid && check.fields.some(name => Object.hasOwn(errors, name))) return
  if (absent.length === check.fields.length && !(check.runsWithMissing && whole)) return
  const missing = check.runsWithMissing ? [] : check.required.filter(name => absent.includes(name))
  if (missing.length > 0) {
    const text = MESSAGES.requiredForEntityCheck + (scope.updating ? ' when updating' : '')
    for (const name of missing) setPath(errors, name, text)
    return
  }
  const error = check.rule(row, errors, scope)
  if (error === null) return
  errors['@entity'] ??= []
  ;(errors['@entity'] as string[]).push(error)
}

type Names = readonly string[]
interface Conditional {
  readonly if_field: string
  readonly if_match: Partial<Field>
  readonly then_field: string
  readonly then_match: Partial<Field>
  readonly then_err?: string
}
interface ConditionalAtLeastOneOf {
  readonly if_field: string
  readonly if_match: Partial<Field>
  readonly then_at_least_one_of: Names
  readonly then_err?: string
  readonly else_match?: Partial<Field>
  readonly else_then_at_least_one_of?: Names
  readonly else_then_err?: string
}
/** Code; `fn` gets the row and returns what is wrong, or null. */
export interface CustomEntityCheck {
  readonly field_sources: Names
  readonly run_with_missing_fields?: boolean
  readonly run_with_invalid_fields?: boolean
  readonly fn: (row: Readonly<Record<string, unknown>>) => string | null
}

function compileCheck(kind: string, argument: unknown, fields: Fields, matcher: Matcher): CompiledCheck {
  const shape = (names: Names, required: Names, runsWithMissing: boolean, runsWithInvalid: boolean, rule: Rule) => ({
    fields: names,
    required,
    references: names.filter(name => fieldAt(fields, name)?.referenceable === true),
    runsWithMissing,
    runsWithInvalid,
    rule,
  })
  if (kind === 'conditional') {
    const check = argument as Conditional
    return shape([check.if_field, check.then_field], [check.if_field], false, true, conditional(check, matcher))
  }
  if (kind === 'conditional_at_least_one_of') {
    const check = argument as ConditionalAtLeastOneOf
    const names = [check.if_field, ...check.then_at_least_one_of, ...(check.else_then_at_least_one_of ?? [])]
    return shape(names, [], true, true, conditionalAtLeastOneOf(check, matcher))
  }
  if (kind === 'custom_entity_check') {
    const check = argument as CustomEntityCheck
    const { field_sources, run_with_missing_fields = false, run_with_invalid_fields = false } = check
    return shape(field_sources, field_sources, run_with_missing_fields, run_with_invalid_fields, check.fn)
  }
  if (kind === 'mutually_exclusive_sets') {
    const { set1, set2 } = argument as { readonly set1: Names; readonly set2: Names }
    return shape([...set1, ...set2], [], true, false, row => exclusiveSets(row, set1, set2))
  }
  const names = argument as Names
  const list = quotedList(names)
  const filled = (row: Row) => names.filter(name => isNonEmpty(getPath(row, name))).length
  switch (kind) {
    case 'at_least_one_of':
      return shape(names, names, true, true, (row, _, scope) => (filled(row) > 0 ? null : atLeastOneOf(list, scope)))
    case 'only_one_of':
      return shape(names, names, false, true, row => (filled(row) === 1 ? null : message.onlyOneOf(list)))
    case 'distinct':
      return shape(names, names, false, true, row => (isDistinct(row, names) ? null : message.distinct(list)))
    case 'mutually_required':
      return shape(names, names, true, false, row => {
        const count = filled(row)
        return count === 0 || count === names.length ? null : message.mutuallyRequired(list)
      })
    case 'mutually_exclusive':
      return shape(names, names, true, false, row => (filled(row) <= 1 ? null : message.mutuallyExclusive(list)))
    default:
      throw new Error(`unknown entity check '${kind}'`)
  }
}

function atLeastOneOf(list: string, scope: ValidatorScope): string {
  return (scope.updating ? 'when updating, ' : '') + message.atLeastOneOf(list)
}

function conditional(check: Conditional, matcher: Matcher): Rule {
  const applies = matcher(check.if_field, check.if_match)
  const validate = matcher(check.then_field, check.then_match)
  const error = check.then_err?.replace('%s', check.if_field) ?? message.conditional(check.if_field)
  return (row, errors, scope) => {
    if (applies(getPath(row, check.if_field) ?? null, scope) !== null) return null
    const value = getPath(row, check.then_field) ?? null
    const required = check.then_match.required === true && value === null
    const fieldError = required ? MESSAGES.required : validate(value, scope)
    if (fieldError === null) return null
    setPath(errors, check.then_field, fieldError)
    return required ? message.conditional(check.if_field) : error
  }
}

function conditionalAtLeastOneOf(check: ConditionalAtLeastOneOf, matcher: Matcher): Rule {
  const applies = matcher(check.if_field, check.if_match)
  const otherwise = check.else_match === undefined ? null : matcher(check.if_field, check.else_match)
  const demand = (row: Row, names: Names, text: string | undefined, scope: ValidatorScope) => {
    if (names.some(name => isNonEmpty(getPath(row, name)))) return null
    return text?.replace('%s', quotedList(names)) ?? atLeastOneOf(quotedList(names), scope)
  }
  return (row, _, scope) => {
    const value = getPath(row, check.if_field)
    if (value === undefined) return null
    if (applies(value, scope) === null) return demand(row, check.then_at_least_one_of, check.then_err, scope)
    if (otherwise === null || otherwise(value, scope) !== null) return null
    return demand(row, check.else_then_at_least_one_of ?? [], check.else_then_err, scope)
  }
}

function exclusiveSets(row: Row, set1: Names, set2: Names): string | null {
  const first = set1.filter(name => isNonEmpty(getPath(row, name)))
  const second = set2.filter(name => isNonEmpty(getPath(row, name)))
  return first.length > 0 && second.length > 0 ? message.exclusiveSets(quotedList([first, second])) : null
}

function isDistinct(row: Row, names: Names): boolean {
  const values = names.map(name => getPath(row, name)).filter(isNonEmpty)
  return new Set(values).size === values.length
}

export function isNonEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return false
  return typeof value !== 'object' || Object.keys(value).length > 0
}

export function getPath(row: unknown, path: string): unknown {
  if (!path.includes('.')) return isObject(row) && Object.hasOwn(row, path) ? row[path] : undefined
  let value = row
  for (const name of path.split('.')) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}

function fieldAt(fields: Fields | undefined, path: string): Field | undefined {
  let field: Field | undefined
  let members = fields
  for (const name of path.split('.')) {
    field = members?.[name]
    members = field?.fields
  }
  return field
}

/** A text already there for the record as a whole stays. */
function setPath(errors: Errors, path: string, error: unknown): void {
  const names = path.split('.')
  const last = names.pop()!
  let target = errors
  for (const name of names) {
    target[name] ??= {}
    if (!isObject(target[name])) return
    target = target[name]
  }
  target[last] = error
}
