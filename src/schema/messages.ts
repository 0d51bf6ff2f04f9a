/** Every text of the schema engine that clients of Kong see, verbatim, and the notation it prints values in. */

export const MESSAGES = {
  array: 'expected an array',
  set: 'expected a set',
  map: 'expected a map',
  record: 'expected a record',
  string: 'expected a string',
  number: 'expected a number',
  boolean: 'expected a boolean',
  integer: 'expected an integer',
  timestamp: 'expected a valid timestamp',
  uuid: 'expected a valid UUID',
  required: 'required field missing',
  unknown: 'unknown field',
  immutable: 'immutable field cannot be updated',
  abstract: 'error in schema definition: abstract field was not specialized',
  requiredForEntityCheck: 'field required for entity check',
  missingPrimaryKey: 'missing primary key',
  ttl: 'must be an integer between 0 and 100000000',
} as const

export const message = {
  eq: (wanted: unknown) => `value must be ${luaText(wanted)}`,
  ne: (unwanted: unknown) => `value must not be ${luaText(unwanted)}`,
  gt: (limit: number) => `value must be greater than ${luaText(limit)}`,
  // Kong formats both ends with %d, which cuts fractions off.
  between: (min: number, max: number) => `value should be between ${Math.trunc(min)} and ${Math.trunc(max)}`,
  lenEq: (count: number) => `length must be ${count}`,
  lenMin: (count: number) => `length must be at least ${count}`,
  lenMax: (count: number) => `length must be at most ${count}`,
  invalidValue: (value: unknown) => `invalid value: ${luaText(value)}`,
  startsWith: (prefix: string) => `should start with: ${prefix}`,
  contains: (wanted: unknown) => `expected to contain: ${luaText(wanted)}`,
  oneOf: (options: readonly unknown[]) => `expected one of: ${options.map(luaText).join(', ')}`,
  notOneOf: (options: readonly unknown[]) => `must not be one of: ${options.map(luaText).join(', ')}`,
  notRegex: (value: string) => `not a valid regex: ${value}`,
  failed: (value: unknown) => `failed validating: ${luaText(value)}`,
  exclusiveSets: (sets: string) => `these sets are mutually exclusive: ${sets}`,
  conditional: (name: string) => `failed conditional validation given value of field '${name}'`,
  atLeastOneOf: (names: string) => `at least one of these fields must be non-empty: ${names}`,
  onlyOneOf: (names: string) => `exactly one of these fields must be non-empty: ${names}`,
  distinct: (names: string) => `values of these fields must be distinct: ${names}`,
  mutuallyRequired: (names: string) => `all or none of these fields must be set: ${names}`,
  mutuallyExclusive: (names: string) => `only one or none of these fields must be set: ${names}`,
  deprecatedMismatch: (old: string, oldValue: unknown, current: string, currentValue: unknown) =>
    'both deprecated and new field are used but their values mismatch: ' +
    `${old} = ${luaText(oldValue)} vs ${current} = ${luaText(currentValue)}`,
} as const

/** `'a', 'b'`; nested lists become `('a', 'b'), ('c')`. */
export function quotedList(words: readonly (string | readonly string[])[]): string {
  return words.map(word => (typeof word === 'string' ? `'${word}'` : `(${quotedList(word)})`)).join(', ')
}

/** As Lua's `tostring` prints it. */
export function luaText(value: unknown): string {
  if (value === undefined || value === null) return value === null ? 'null' : 'nil'
  if (typeof value === 'number') return luaNumber(value)
  return typeof value === 'object' ? luaNotation(value) : String(value)
}

/** LuaJIT's `%.14g`. */
export function luaNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e14) return String(value)
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf'
  const short = Number(value.toPrecision(14))
  const text = Math.abs(short) < 1e14 && Math.abs(short) >= 1e-4 ? String(short) : short.toExponential()
  return text.replace(/e([+-])(\d)$/, 'e$10$2')
}

/**
 * A value in the notation of Penlight's `pretty.write`, which Kong puts into messages: `{id="x",name="y"}`.
 * With an indent, one member a line and ` = `. Keys in order, array members first.
 */
export function luaNotation(value: unknown, indent = ''): string {
  const lines: string[] = []
  let line = ''
  const put = (text: string) => {
    lines.push(line + text)
    line = ''
  }
  const cutComma = () => {
    lines[lines.length - 1] = lines.at(-1)!.replace(/,$/, '')
  }
  function write(member: unknown, outer: string, inner: string, depth: number): void {
    if (typeof member !== 'object' || member === null || depth > 32) {
      put(`${typeof member === 'string' ? luaQuote(member) : depth > 32 ? '<cycle>' : luaText(member)},`)
      return
    }
    put('{')
    const list = Array.isArray(member)
    let inSequence = list
    for (const [at, [key, entry]] of notationEntries(member).entries()) {
      if (list && Number(key) !== at) inSequence = false
      line += inner
      if (!inSequence) {
        const name = list ? `[${Number(key) + 1}]` : luaKey(key)
        line += `${name}${indent === '' ? '=' : ' = '}`
      }
      write(entry, inner, inner + indent, depth + 1)
    }
    cutComma()
    put(`${outer}},`)
  }
  write(value, '', indent, 0)
  cutComma()
  return lines.join(indent === '' ? '' : '\n')
}

/** Members to print: an array's without its holes, an object's in order of keys. */
function notationEntries(value: object): [string, unknown][] {
  const entries = Object.entries(value).filter(([, member]) => member !== undefined)
  if (Array.isArray(value)) return entries.filter(([, member]) => member !== null)
  return entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}

const LUA_KEYWORDS = new Set(
  'and break do else elseif end false for function goto if in local nil not or repeat return then true until while'.split(
    ' ',
  ),
)

function luaKey(key: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) && !LUA_KEYWORDS.has(key) ? key : `[${luaQuote(key)}]`
}

function luaQuote(text: string): string {
  // An unfinished bracket at the end counts too, as the quote would complete it.
  const brackets = [...`${text}]`.matchAll(/\](=*)(?=\])/g)].map(found => found[1]!.length)
  if ((text.includes('\n') || brackets.length > 0) && !text.includes('\r')) {
    const equals = '='.repeat(Math.max(-1, ...brackets) + 1)
    // A long bracket swallows a first line break, so one more is written.
    return `[${equals}[${text.startsWith('\n') ? '\n' : ''}${text}]${equals}]`
  }
  const escaped = text.replace(/[\\"\n\r\0]/g, char => (char === '\r' ? '\\r' : char === '\0' ? '\\0' : `\\${char}`))
  return `"${escaped}"`
}

/** `schema violation (…)`: errors on the whole first, then fields in order, one level of nesting spelt out. */
export function schemaViolationMessage(errors: Readonly<Record<string, unknown>>): string {
  const parts: string[] = []
  const whole = errors['@entity']
  if (Array.isArray(whole)) parts.push(...whole.map(String))
  for (const name of Object.keys(errors).sort()) {
    const error = errors[name]
    if (name === '@entity') continue
    if (typeof error !== 'object' || error === null) {
      parts.push(`${name}: ${String(error)}`)
      continue
    }
    for (const [key, member] of nestedErrors(error)) {
      parts.push(`${name}.${key}: ${typeof member === 'object' ? luaNotation(member, '  ') : String(member)}`)
    }
  }
  const joined = parts.join('; ')
  return parts.length === 1 ? `schema violation (${joined})` : `${parts.length} schema violations (${joined})`
}

/** Array positions count from 1 as in Lua. */
function nestedErrors(error: object): [string, unknown][] {
  const entries = notationEntries(error)
  return Array.isArray(error) ? entries.map(([key, member]) => [String(Number(key) + 1), member]) : entries
}
