/**
 * Form bodies and query strings as typed values.
 *
 * Two steps: names become structure (`a.b`, `a[]`, `a[2].c`, `a[key]`, repeated names), then texts become what the
 * schema says. Conventions are Kong's (kong/api/arguments_decoder.lua).
 */
import { isObject, setMember } from './defaults.ts'
import type { ShorthandField } from './entity.ts'
import type { Field, Fields } from './field.ts'

/** Deeper names are plain keys: no schema nests this far, and it bounds the recursion. */
const DEPTH_MAX = 32

/** Next free place of a list. */
const APPEND = Symbol('append')
type Step = string | number | typeof APPEND
/** Members by key (text) or by position from 1 (number), as in a Lua table. */
type Node = Map<string | number, Value>
type Value = string | Node

export function decodeFormArguments(
  pairs: readonly (readonly [name: string, value: string])[],
): Record<string, unknown> {
  const root: Node = new Map()
  for (const [name, value] of pairs) insert(root, parseName(name), value)
  return Object.fromEntries([...root].map(([key, value]) => [String(key), toPlain(value)]))
}

/** `a.b[1][x]` → a, b, 1, x. A name that does not follow the rules is one plain key. */
export function parseName(raw: string): Step[] {
  if (raw === '' || raw.startsWith('.') || raw.endsWith('.')) return [raw]
  const name = raw.replace(/%5B([^%]*)%5D/gi, '[$1]')
  const steps: Step[] = []
  let at = 0
  while (at < name.length) {
    if (name[at] === '.') {
      at++
    } else if (name[at] === '[' && at > 0) {
      const end = name.indexOf(']', at)
      if (end < 0) return [raw]
      steps.push(bracketStep(name.slice(at + 1, end)))
      at = end + 1
    } else {
      // A bracket in the first place is part of the key.
      const rest = /[.[]/.exec(name.slice(at + 1))
      const end = rest === null ? name.length : at + 1 + rest.index
      steps.push(name.slice(at, end))
      at = end
    }
    if (steps.length > DEPTH_MAX) return [raw]
  }
  return steps
}

function bracketStep(text: string): Step {
  if (text === '') return APPEND
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : text
}

function insert(root: Node, steps: readonly Step[], value: string): void {
  let node = root
  for (const step of steps.slice(0, -1)) {
    // `a[].b` always speaks of the first: only positions tell several apart.
    const key = step === APPEND ? 1 : step
    let next = node.get(key)
    if (!(next instanceof Map)) {
      next = next === undefined ? new Map() : new Map([[1, next]])
      node.set(key, next)
    }
    node = next
  }
  const last = steps.at(-1)!
  if (last === APPEND) {
    node.set(freePosition(node), value)
    return
  }
  const old = node.get(last)
  if (old === undefined) node.set(last, value)
  else if (old instanceof Map) old.set(freePosition(old), value)
  else
    node.set(
      last,
      new Map([
        [1, old],
        [2, value],
      ] as const),
    )
}

function freePosition(node: Node): number {
  let position = node.size + 1
  while (node.has(position)) position++
  return position
}

function toPlain(value: Value): unknown {
  if (typeof value === 'string') return value
  const size = value.size
  const isList = [...value.keys()].every(key => typeof key === 'number' && key <= size)
  if (isList && size > 0) return Array.from({ length: size }, (_, at) => toPlain(value.get(at + 1)!))
  const record: Record<string, unknown> = {}
  for (const [key, member] of value) setMember(record, String(key), toPlain(member))
  return record
}

/** Texts become numbers, booleans, lists, null (from the empty text) where the schema has such a field. */
export function inferArguments(
  args: Readonly<Record<string, unknown>>,
  fields: Fields,
  shorthands: readonly ShorthandField[] = [],
): Record<string, unknown> {
  const byName = new Map(shorthands.map(shorthand => [shorthand.name, shorthand.field as Field]))
  const inferred: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(args)) {
    const field = byName.get(name) ?? (Object.hasOwn(fields, name) ? fields[name] : undefined)
    if (field !== undefined) setMember(inferred, name, inferValue(value, field))
    else setMember(inferred, name, name === 'ttl' ? toNumber(value) : value)
  }
  return inferred
}

function inferValue(value: unknown, field: Field): unknown {
  if (value === '' || value === null) return null
  switch (field.type) {
    case 'number':
    case 'integer':
      return toNumber(value)
    case 'boolean':
      return value === 'true' ? true : value === 'false' ? false : value
    case 'array':
    case 'set': {
      const list = typeof value === 'string' ? [value] : value
      return Array.isArray(list) ? list.map(member => inferValue(member, field.elements!)) : list
    }
    case 'map':
      return mapMembers(value, (_, member) => inferValue(member, field.values!))
    case 'foreign':
      return mapMembers(value, (_, member) => (member === '' ? null : member))
    case 'record':
      return field.abstract === true ? value : inferRecord(value, field)
    default:
      return value
  }
}

function inferRecord(value: unknown, field: Field): unknown {
  const record = positionsAsKeys(value)
  if (!isObject(record)) return value
  return inferArguments(record, field.fields ?? {}, field.shorthand_fields as readonly ShorthandField[] | undefined)
}

/** `a[1]=x` for a map: its key is "1". */
function positionsAsKeys(value: unknown): unknown {
  if (!Array.isArray(value)) return value
  return Object.fromEntries(value.map((member, at) => [String(at + 1), member]))
}

function mapMembers(value: unknown, change: (name: string, member: unknown) => unknown): unknown {
  const record = positionsAsKeys(value)
  if (!isObject(record)) return value
  const changed: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(record)) setMember(changed, name, change(name, member))
  return changed
}

/** Lua's `tonumber`: decimal or hexadecimal, blanks around; anything else stays text and fails validation. */
function toNumber(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const text = value.trim()
  if (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return Number(text)
  const hex = /^([+-]?)(0[xX][0-9a-fA-F]+)$/.exec(text)
  return hex === null ? value : Number(hex[2]) * (hex[1] === '-' ? -1 : 1)
}
