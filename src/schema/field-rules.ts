/** The validators a field may carry as attributes, in the order in which Kong runs them. */
import { compileTimedRegex } from '../base/timed-regex.ts'
import type { Field } from './field.ts'
import { luaPattern } from './lua-pattern.ts'
import { MESSAGES, message, quotedList } from './messages.ts'

/** What is wrong with a value of the right type, or null. */
export type Rule = (value: never) => string | null
type AnyRule = (value: any) => string | null

/** Only the rules that the field has; the first one broken decides. `err` replaces every text. */
export function compileRules(field: Field): Rule | null {
  const rules = [...valueRules(field), ...sizeRules(field), ...patternRules(field), ...lastRules(field)]
  if (rules.length === 0) return null
  const { err } = field
  return (value: unknown) => {
    for (const rule of rules) {
      const error = rule(value)
      if (error !== null) return err ?? error
    }
    return null
  }
}

function when(broken: (value: any) => boolean, text: string | ((value: any) => string)): AnyRule {
  return value => (broken(value) ? (typeof text === 'string' ? text : text(value)) : null)
}

function* valueRules(field: Field): Generator<AnyRule> {
  const { eq, ne, not_one_of, one_of, gt, between } = field
  if (eq !== undefined) yield when(value => value !== eq, message.eq(eq))
  if (ne !== undefined) yield when(value => value === ne, message.ne)
  if (not_one_of !== undefined) yield when(value => not_one_of.includes(value), message.notOneOf(not_one_of))
  if (one_of !== undefined) yield when(value => !one_of.includes(value), message.oneOf(one_of))
  if (gt !== undefined) yield when(value => !(value > gt), message.gt(gt))
  if (field.timestamp === true) yield when(value => !(value > 0), MESSAGES.timestamp)
  if (field.uuid === true) yield when(value => !UUID.test(value), MESSAGES.uuid)
  if (field.is_regex === true) yield when(value => !isRegex(value), message.notRegex)
  if (between !== undefined) {
    yield when(value => !(value >= between[0] && value <= between[1]), message.between(between[0], between[1]))
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

function isRegex(value: string): boolean {
  try {
    compileTimedRegex(value)
    return true
  } catch {
    // The answer to the question, not a failure.
    return false
  }
}

/** Lengths count bytes in strings. An empty string needs `len_min: 0` to be let through. */
function* sizeRules(field: Field): Generator<AnyRule> {
  const { len_eq, len_max } = field
  const len_min = field.len_min ?? (field.type === 'string' ? 1 : undefined)
  if (len_eq !== undefined) yield when(value => sizeOf(value) !== len_eq, message.lenEq(len_eq))
  if (len_min === 1 && field.type === 'string') yield when(value => value === '', message.lenMin(1))
  else if (len_min !== undefined) yield when(value => sizeOf(value) < len_min, message.lenMin(len_min))
  if (len_max !== undefined) yield when(value => sizeOf(value) > len_max, message.lenMax(len_max))
}

function sizeOf(value: string | readonly unknown[] | object): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  return Array.isArray(value) ? value.length : Object.keys(value).length
}

function* patternRules(field: Field): Generator<AnyRule> {
  const { starts_with, not_match, match_none, match, match_all, match_any } = field
  if (starts_with !== undefined) yield when(value => !value.startsWith(starts_with), message.startsWith(starts_with))
  if (not_match !== undefined) {
    const pattern = luaPattern(not_match)
    yield when(value => pattern.test(value), message.invalidValue)
  }
  for (const rule of match_none ?? []) {
    const pattern = luaPattern(rule.pattern)
    yield when(value => pattern.test(value), rule.err)
  }
  if (match !== undefined) {
    const pattern = luaPattern(match)
    yield when(value => !pattern.test(value), message.invalidValue)
  }
  for (const rule of match_all ?? []) {
    const pattern = luaPattern(rule.pattern)
    yield when(value => !pattern.test(value), rule.err)
  }
  if (match_any !== undefined) {
    const patterns = match_any.patterns.map(luaPattern)
    yield when(value => !patterns.some(pattern => pattern.test(value)), match_any.err)
  }
}

function* lastRules(field: Field): Generator<AnyRule> {
  const { contains, custom_validator, mutually_exclusive_subsets } = field
  if (contains !== undefined) yield when(value => !value.includes(contains), message.contains(contains))
  if (custom_validator !== undefined) yield custom_validator as AnyRule
  if (mutually_exclusive_subsets !== undefined) {
    yield value => {
      const subsets: (readonly string[])[] = []
      for (const member of value) {
        const subset = mutually_exclusive_subsets.find(candidate => candidate.includes(member))
        if (subset !== undefined && !subsets.includes(subset)) subsets.push(subset)
      }
      return subsets.length <= 1 ? null : message.exclusiveSets(quotedList(subsets))
    }
  }
}
