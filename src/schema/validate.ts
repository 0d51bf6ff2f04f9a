/** From what somebody sent to a whole, valid row, or to errors by field. */
import { isDeepStrictEqual } from 'node:util'
import { blankRecord, copyValue, fieldEntries, type FillContext, fillRecord, mergeRecords } from './defaults.ts'
import type { EntityCheck, EntityDefinition, TransformInput } from './entity.ts'
import { getPath, isNonEmpty } from './entity-checks.ts'
import type { Fields } from './field.ts'
import type { ValidatorScope } from './field-error.ts'
import { compileRow } from './field-validator.ts'
import { MESSAGES, message, quotedList } from './messages.ts'
import { expandShorthands } from './shorthands.ts'

/** `{ field: message }`, nested for records and arrays; `@entity` holds messages on the whole. */
export type FieldErrors = { readonly [field: string]: unknown }
export type Validation =
  | { readonly ok: true; readonly row: Record<string, unknown> }
  | { readonly ok: false; readonly errors: FieldErrors }

export interface ValidateContext {
  /**
   * `insert`, `upsert`: defaults and auto fields are filled. `update`: `existing` is merged with the input (PATCH).
   * `stored`: a row from a control plane or saved configuration: absent fields get their defaults, nothing is
   * generated or transformed, unknown null fields are ignored.
   */
  readonly operation: 'insert' | 'upsert' | 'update' | 'stored'
  readonly existing?: Readonly<Record<string, unknown>>
  /** Seconds with millisecond fraction where the entity keeps one. */
  readonly nowMs: number
  readonly uuid: () => string
  readonly randomBytes: (count: number) => Buffer
  /** The definition that the subschema key selects: its fields replace the entity's. Same object for the same kind. */
  readonly subschema?: (row: Readonly<Record<string, unknown>>) => Subschema | { readonly errors: FieldErrors } | null
  /** Definitions that foreign fields refer to: for errors in what was given instead of an id. */
  readonly definition?: (entity: string) => EntityDefinition | null
  /** False: the input is already transformed (`_transform: false`). Default true. */
  readonly transform?: boolean
  /** True when a row is moved, not changed: a given `updated_at` stays. */
  readonly keepsTimes?: boolean
}

export interface Subschema {
  readonly fields: EntityDefinition['fields']
  readonly entity_checks?: EntityDefinition['entity_checks']
  readonly shorthand_fields?: EntityDefinition['shorthand_fields']
}

type Row = Record<string, unknown>
type Input = Readonly<Record<string, unknown>>

/** Never throws, whatever the input is. */
export function validate(definition: EntityDefinition, input: Input, context: ValidateContext): Validation {
  const known = context.existing === undefined ? input : { ...context.existing, ...input }
  const subschema = findSubschema(definition, context, known)
  // A key that is not given may still get its default; `finish` looks again.
  const keyed = definition.subschema_key !== undefined && (known[definition.subschema_key] ?? null) !== null
  if (subschema.errors !== null && keyed) return invalid(subschema.errors)
  const { fields, shorthands } = compile(definition, subschema.found)
  const expansion = expandShorthands(fields, shorthands, input)
  if (!expansion.ok) return invalid(expansion.errors)
  const filled = fillRecord(fields, expansion.values, fillContext(context))
  const { existing } = context
  if (context.operation !== 'update' || existing === undefined) return finish(definition, input, filled, context)
  const immutable = immutableErrors(fields, filled, existing)
  if (immutable !== null) return invalid(immutable)
  return finish(definition, input, mergeRecords(fields, filled, existing), context)
}

function invalid(errors: FieldErrors): Validation {
  return { ok: false, errors }
}

function fillContext({ operation, nowMs, uuid, randomBytes, keepsTimes = false }: ValidateContext): FillContext {
  return { operation: operation === 'upsert' ? 'insert' : operation, nowMs, uuid, randomBytes, keepsTimes }
}

function finish(definition: EntityDefinition, input: Input, whole: Row, context: ValidateContext): Validation {
  const subschema = findSubschema(definition, context, whole)
  if (subschema.errors !== null) return invalid(subschema.errors)
  const { fields, check } = compile(definition, subschema.found)
  const updating = context.operation === 'update'
  const scope = { updating, ignoresUnknownNulls: context.operation === 'stored', foreign: foreignFinder(context) }
  const errors = check(whole, scope, !updating)
  const failed = withTransformErrors(definition, { input, row: whole, context, errors })
  if (failed !== null) return invalid(failed)
  const row = completeRow(definition, fields, whole, context)
  const codeErrors = definition.validate?.(row) ?? null
  if (codeErrors !== null && Object.keys(codeErrors).length > 0) return invalid(codeErrors)
  if (definition.transform === undefined || context.operation === 'stored' || context.transform === false) {
    return { ok: true, row }
  }
  return { ok: true, row: definition.transform(row, input) }
}

/** Every field of the definition, null where nothing was given; `ttl` where the entity has one. Nothing else. */
function completeRow(definition: EntityDefinition, fields: Fields, whole: Row, context: ValidateContext): Row {
  // Nested records of a PATCH may lack members that a newer version of the schema has.
  const source =
    context.operation === 'update' ? fillRecord(fields, whole, { ...fillContext(context), operation: 'stored' }) : whole
  const entries = fieldEntries(fields)
  for (const [name] of entries) source[name] ??= null
  if (Object.keys(source).length === entries.length) return source
  const row: Row = { ...blankRecord(fields) }
  for (const [name] of entries) row[name] = source[name]
  if (definition.ttl === true && whole['ttl'] !== undefined) row['ttl'] = whole['ttl']
  return row
}

interface Compiled {
  readonly fields: Fields
  readonly shorthands: EntityDefinition['shorthand_fields']
  readonly check: ReturnType<typeof compileRow>
}

const NO_SUBSCHEMA: Subschema = { fields: {} }
const compiled = new WeakMap<EntityDefinition, WeakMap<Subschema, Compiled>>()

function compile(definition: EntityDefinition, subschema: Subschema | null): Compiled {
  let kinds = compiled.get(definition)
  if (kinds === undefined) compiled.set(definition, (kinds = new WeakMap()))
  let result = kinds.get(subschema ?? NO_SUBSCHEMA)
  if (result === undefined) {
    result = compileDefinition(definition, subschema ?? NO_SUBSCHEMA)
    kinds.set(subschema ?? NO_SUBSCHEMA, result)
  }
  return result
}

function compileDefinition(definition: EntityDefinition, subschema: Subschema): Compiled {
  const fields: Fields = { ...definition.fields, ...subschema.fields }
  const checks: readonly EntityCheck[] = [...(definition.entity_checks ?? []), ...(subschema.entity_checks ?? [])]
  // No field, yet a member of the row; whether it is a time span or a point in time is the store's matter.
  const checked = definition.ttl === true ? { ...fields, ttl: { type: 'number', gt: -1 } as const } : fields
  return {
    fields,
    shorthands: [...(definition.shorthand_fields ?? []), ...(subschema.shorthand_fields ?? [])],
    // Kong does not look at `updated_at`, which is overwritten anyway.
    check: compileRow(checked, checks, new Set(['updated_at'])),
  }
}

function findSubschema(
  definition: EntityDefinition,
  context: ValidateContext,
  row: Input,
): { readonly found: Subschema | null; readonly errors: FieldErrors | null } {
  const key = definition.subschema_key
  if (key === undefined) return { found: null, errors: null }
  if ((row[key] ?? null) === null) return { found: null, errors: { [key]: MESSAGES.required } }
  const found = context.subschema?.(row) ?? null
  if (found !== null && 'errors' in found) return { found: null, errors: found.errors }
  return { found, errors: null }
}

function immutableErrors(fields: Fields, given: Row, existing: Input): FieldErrors | null {
  const errors: Record<string, unknown> = {}
  for (const name in fields) {
    if (fields[name]!.immutable !== true || given[name] === undefined || (existing[name] ?? null) === null) continue
    if (!isDeepStrictEqual(given[name], copyValue(existing[name]))) errors[name] = MESSAGES.immutable
  }
  return Object.keys(errors).length === 0 ? null : errors
}

/** A foreign entity described by its fields instead of its id: Kong judges those fields first. */
function foreignFinder(context: ValidateContext): ValidatorScope['foreign'] {
  const { definition: find } = context
  if (find === undefined) return null
  return (entity, value, scope) => {
    const definition = find(entity)
    if (definition === null) return null
    const key = definition.subschema_key
    if (key !== undefined && (value[key] ?? null) === null) return { [key]: MESSAGES.required }
    return compile(definition, null).check(value, scope, false)
  }
}

interface TransformCheck {
  readonly input: Input
  readonly row: Row
  readonly context: ValidateContext
  readonly errors: FieldErrors | null
}

/** What a transformation reads must come together: a password is hashed with its consumer, so both must be sent. */
function withTransformErrors(definition: EntityDefinition, check: TransformCheck): FieldErrors | null {
  if (check.context.operation === 'stored') return check.errors
  const texts = (definition.transform_inputs ?? []).flatMap(needs => transformError(needs, check) ?? [])
  if (texts.length === 0) return check.errors
  const before = (check.errors?.['@entity'] ?? []) as readonly string[]
  return { ...check.errors, '@entity': [...before, ...texts] }
}

function transformError({ input: names, needs = [] }: TransformInput, check: TransformCheck): string | null {
  const { existing, operation } = check.context
  const changed =
    operation === 'update' &&
    needs.some(name => !isDeepStrictEqual(getPath(check.input, name), getPath(existing, name)))
  const given = names.some(name => isNonEmpty(getPath(check.input, name)))
  if (!changed && !given) return null
  return togetherError(changed ? check.input : check.row, [...names, ...needs]) ?? togetherError(check.input, names)
}

function togetherError(row: Input, names: readonly string[]): string | null {
  const count = names.filter(name => isNonEmpty(getPath(row, name))).length
  return count === 0 || count === names.length ? null : message.mutuallyRequired(quotedList(names))
}
