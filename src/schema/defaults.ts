/** Fills a record before it is validated: defaults, automatic fields, sets without duplicates; and merges for PATCH. */
import type { Field, Fields } from './field.ts'

export type FillOperation = 'insert' | 'update' | 'stored'
export interface FillContext {
  readonly operation: FillOperation
  readonly nowMs: number
  readonly uuid: () => string
  readonly randomBytes: (count: number) => Buffer
  /** A given `updated_at` stays. */
  readonly keepsTimes?: boolean
}
type Values = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Records nested in records exist unless declared otherwise; those in arrays only if declared so. Kong's rule. */
export function isRequired(field: Field): boolean {
  return field.required ?? (field.type === 'record' && field.abstract !== true)
}

export function copyValue<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(copyValue) as Value
  const copy: Record<string, unknown> = {}
  for (const key of Object.keys(value)) setMember(copy, key, copyValue((value as Record<string, unknown>)[key]))
  return copy as Value
}

/** Assignment that treats `__proto__` as any other key. */
export function setMember(record: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(record, key, { value, enumerable: true, writable: true, configurable: true })
  else record[key] = value
}

const entriesOf = new WeakMap<Fields, readonly (readonly [name: string, field: Field])[]>()

/** Kept, because rows by the hundred thousand are walked along them. */
export function fieldEntries(fields: Fields): readonly (readonly [name: string, field: Field])[] {
  let entries = entriesOf.get(fields)
  if (entries === undefined) entriesOf.set(fields, (entries = Object.entries(fields)))
  return entries
}

const blanks = new WeakMap<Fields, Record<string, unknown>>()

/**
 * Every field null, as JSON.parse makes it: copies of it stay compact. An object that gets more than a dozen members
 * by computed names becomes a hash table of 800 bytes, and a node holds one for each of its rows.
 */
export function blankRecord(fields: Fields): Readonly<Record<string, unknown>> {
  let blank = blanks.get(fields)
  if (blank === undefined) {
    const nulls = Object.fromEntries(Object.keys(fields).map(name => [name, null]))
    blank = JSON.parse(JSON.stringify(nulls)) as Record<string, unknown>
    blanks.set(fields, blank)
  }
  return blank
}

/** A new record: known fields in the order of the schema, then whatever else was given. */
export function fillRecord(fields: Fields, values: Values, context: FillContext): Record<string, unknown> {
  const partial = context.operation === 'update'
  const filled: Record<string, unknown> = partial ? {} : { ...blankRecord(fields) }
  let known = 0
  for (const [name, field] of fieldEntries(fields)) {
    const isGiven = Object.hasOwn(values, name)
    if (isGiven) known++
    const given = isGiven ? values[name] : undefined
    const value = fillField(field, field.auto === true ? autoValue(name, field, given, context) : given, context)
    if (value !== undefined) filled[name] = value
    else if (!partial) delete filled[name]
  }
  const names = Object.keys(values)
  if (names.length === known) return filled
  for (const name of names) if (!Object.hasOwn(fields, name)) setMember(filled, name, values[name])
  return filled
}

function autoValue(name: string, field: Field, given: unknown, context: FillContext): unknown {
  if (context.operation === 'stored') return given
  const creates = context.operation === 'insert'
  // Kong leaves null to its database, which refuses it; a client that sends it means that it has no id to give.
  if (field.uuid === true) return creates && given == null ? context.uuid() : given
  if (field.type === 'string') return creates && given === undefined ? randomText(context.randomBytes) : given
  if (context.keepsTimes === true && name === 'updated_at' && typeof given === 'number') return given
  const stamps = name === 'updated_at' || (name === 'created_at' && creates && (given ?? null) === null)
  if (!stamps) return given
  return field.type === 'integer' ? Math.floor(context.nowMs / 1000) : Math.floor(context.nowMs) / 1000
}

/** 32 letters and digits from 24 random bytes; the two other characters of base64 become letters, as in Kong. */
function randomText(randomBytes: (count: number) => Buffer): string {
  const text = randomBytes(24).toString('base64')
  if (!/[/+]/.test(text)) return text
  const letters = randomBytes(32)
  return text.replace(/[/+]/g, (char, at: number) =>
    String.fromCharCode((char === '/' ? 65 : 97) + (letters[at]! % 26)),
  )
}

function fillField(field: Field, given: unknown, context: FillContext): unknown {
  if (given === undefined) return context.operation === 'update' ? undefined : missingValue(field, context)
  if (given === null) {
    const refill = context.operation === 'stored' && field.required === true
    return refill ? (missingValue(field, context) ?? null) : null
  }
  if (typeof given !== 'object' || field.abstract === true) return given
  switch (field.type) {
    case 'record':
      return fillRecord(field.fields ?? {}, asRecord(given), context)
    case 'set':
    case 'array': {
      if (!Array.isArray(given)) return Object.keys(given).length === 0 ? [] : given
      const elements = field.type === 'set' ? [...new Set(given)] : given
      return fillsElements(field.elements)
        ? elements.map(value => fillElement(field.elements!, value, context))
        : [...elements]
    }
    case 'map':
      return fillMap(field.values, given, context)
    default:
      return given
  }
}

function fillElement(field: Field, value: unknown, context: FillContext): unknown {
  return value === null || value === undefined ? value : fillField(field, value, context)
}

function fillMap(values: Field | undefined, given: object, context: FillContext): unknown {
  if (Array.isArray(given) && given.length > 0) return given
  const filled: Record<string, unknown> = {}
  for (const key of Object.keys(given)) {
    const value = (given as Record<string, unknown>)[key]
    setMember(filled, key, fillsElements(values) ? fillElement(values!, value, context) : value)
  }
  return filled
}

/** Scalars need no filling. */
function fillsElements(elements: Field | undefined): boolean {
  return elements !== undefined && ['record', 'array', 'set', 'map'].includes(elements.type)
}

/** Lua has one table: a list given for a record is one with unknown members 1, 2, …; an empty one is empty. */
function asRecord(given: object): Values {
  if (!Array.isArray(given)) return given as Values
  return Object.fromEntries(given.map((value, at) => [String(at + 1), value]))
}

/** What an absent field becomes: its default, null, or undefined where it is required and has none. */
export function missingValue(field: Field, context: FillContext): unknown {
  if (field.default !== undefined) {
    const value = copyValue(field.default)
    return field.type === 'record' && isObject(value) ? fillRecord(field.fields ?? {}, value, context) : value
  }
  if (!isRequired(field)) return field.abstract === true ? undefined : null
  if (field.type === 'record' && field.abstract !== true) return fillRecord(field.fields ?? {}, {}, context)
  return undefined
}

/** PATCH: given members win, records are merged member by member, lists and maps are replaced. */
export function mergeRecords(fields: Fields, given: Values, existing: Values): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...existing }
  for (const name of Object.keys(given)) {
    const value = given[name]
    if (value === undefined) continue
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined
    const old = existing[name]
    const deep = field?.type === 'record' && field.abstract !== true && isObject(value) && isObject(old)
    setMember(merged, name, deep ? mergeRecords(field.fields ?? {}, value, old) : value)
  }
  return merged
}
