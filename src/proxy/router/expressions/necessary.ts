/**
 * What must hold for an expression to hold, as far as the router's index can use it: then only the routes whose host,
 * path prefix, method or header fit are tried at all.
 */
import { segmentRange } from '../../../entities/expressions/check.ts'
import type { Expression, Predicate } from '../../../entities/expressions/syntax.ts'
import { lower, toBytes } from '../byte-text.ts'
import type { HeaderCondition, HostCondition, PathCondition } from '../route-entry.ts'

/** Any one of each list; null: nothing is known. */
export interface Necessary {
  readonly hosts: readonly HostCondition[] | null
  readonly paths: readonly PathCondition[] | null
  readonly methods: readonly string[] | null
  readonly header: HeaderCondition | null
}

/** An index entry each: more of them cost more than they save. */
const ALTERNATIVES_MAX = 64

export function necessaryConditions(expression: Expression): Necessary {
  return {
    hosts: alternatives(expression, hostCondition),
    paths: alternatives(expression, pathCondition),
    methods: alternatives(expression, methodCondition),
    header: headerCondition(expression),
  }
}

/** Null when the expression can hold without any of the conditions. */
function alternatives<T>(expression: Expression, of: (predicate: Predicate) => T | null): readonly T[] | null {
  if (expression.kind === 'not') return null
  if (expression.kind === 'predicate') {
    const condition = of(expression)
    return condition === null ? null : [condition]
  }
  const lists = expression.parts.map(part => alternatives(part, of))
  if (expression.kind === 'or') return union(lists)
  const known = lists.filter(list => list !== null)
  return known.length === 0 ? null : known.reduce((best, list) => (list.length < best.length ? list : best))
}

function union<T>(lists: readonly (readonly T[] | null)[]): readonly T[] | null {
  const all: T[] = []
  for (const list of lists) {
    if (list === null || all.length + list.length > ALTERNATIVES_MAX) return null
    all.push(...list)
  }
  return all
}

function textOf({ value }: Predicate): string {
  return value.type === 'String' ? toBytes(value.text) : ''
}

/** Wildcards that are no whole labels would have to be tried one by one. */
function hostCondition(predicate: Predicate): HostCondition | null {
  if (predicate.field !== 'http.host' || predicate.lower) return null
  const text = textOf(predicate)
  if (predicate.operator === '==') return { kind: 'exact', text, port: null }
  if (predicate.operator === '=^' && text.startsWith('.')) return { kind: 'suffix', text, port: null }
  if (predicate.operator === '^=' && text.endsWith('.')) return { kind: 'prefix', text, port: null }
  return null
}

function pathCondition(predicate: Predicate): PathCondition | null {
  const { field, operator, value } = predicate
  if (predicate.lower) return null
  const begins = (text: string) => (text === '' ? null : { text, regex: null })
  if (field === 'http.path') {
    if (value.type === 'Regex') return value.pattern.startsWith('^') ? begins(toBytes(value.regex.literalPrefix)) : null
    return operator === '==' || operator === '^=' ? begins(textOf(predicate)) : null
  }
  const isFirst = field.startsWith('http.path.segments.') && segmentRange(field.slice(19))?.first === 0
  return isFirst && (operator === '==' || operator === '^=') ? begins(`/${textOf(predicate)}`) : null
}

function methodCondition(predicate: Predicate): string | null {
  const isEqual = predicate.field === 'http.method' && predicate.operator === '==' && !predicate.lower
  return isEqual ? textOf(predicate) : null
}

/** The first header whose value the expression names, at its top level. */
function headerCondition(expression: Expression): HeaderCondition | null {
  for (const part of expression.kind === 'and' ? expression.parts : [expression]) {
    const values = alternatives(part, headerValue)
    if (values === null || new Set(values.map(({ field }) => field)).size !== 1) continue
    const name = values[0]!.field.slice('http.headers.'.length).toLowerCase()
    return {
      name: name.replaceAll('_', '-'),
      underscored: name.includes('_') ? name : null,
      values: values.map(({ text }) => lower(text)),
      regexes: [],
    }
  }
  return null
}

function headerValue(predicate: Predicate): { readonly field: string; readonly text: string } | null {
  const { field, operator } = predicate
  const text = textOf(predicate)
  // The index lowers ASCII letters only.
  if (predicate.lower && /[^\x00-\x7f]/.test(text)) return null
  return field.startsWith('http.headers.') && operator === '==' ? { field, text } : null
}
