/** What an expression of Kong's router language is once it is read (grammar: Kong/atc-router 1.6.2). */
import type { RustRegex } from '../../base/rust-regex.ts'

export type FieldType = 'String' | 'Int' | 'IpAddr'

export type Operator = '==' | '!=' | '~' | '^=' | '=^' | '>=' | '>' | '<=' | '<' | 'in' | 'not in' | 'contains'

export type Value =
  | { readonly type: 'String'; readonly text: string }
  | { readonly type: 'Int'; readonly number: number }
  | { readonly type: 'IpAddr'; readonly address: IpAddress }
  | { readonly type: 'IpCidr'; readonly address: IpAddress; readonly prefix: number }
  | { readonly type: 'Regex'; readonly pattern: string; readonly regex: RustRegex }

/** 4 or 16 bytes. */
export type IpAddress = readonly number[]

export interface Predicate {
  readonly kind: 'predicate'
  readonly field: string
  /** The value is compared in lower case. */
  readonly lower: boolean
  /** One of several values is enough; otherwise all must hold. */
  readonly any: boolean
  readonly operator: Operator
  readonly value: Value
  /** Where it begins and ends in the text, in UTF-16 units. */
  readonly at: number
  readonly end: number
}

export type Expression =
  | Predicate
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Expression[] }
  | { readonly kind: 'not'; readonly part: Expression }

/** What is wrong with an expression, and where. */
export class ExpressionError extends Error {
  readonly reason: string
  /** From 1. */
  readonly line: number
  /** From 1, in characters. */
  readonly column: number

  constructor(message: string, place: { readonly reason: string; readonly line: number; readonly column: number }) {
    super(message)
    this.reason = place.reason
    this.line = place.line
    this.column = place.column
  }
}

/** `span` is what is marked in the text; null marks a position from which reading went no further. */
export function syntaxError(source: string, at: number, reason: string, span: number | null = null): ExpressionError {
  const { line, column, start } = placeOf(source, at)
  const end = source.indexOf('\n', at)
  const text = source.slice(start, end < 0 ? source.length : end)
  return new ExpressionError(drawing({ line, column, text, marker: marker(span), reason }), { reason, line, column })
}

/** Of an expression that could be read: Kong gives the reason only, we add where it is. */
export function meaningError(source: string, at: number, reason: string, name: string): ExpressionError {
  const { line, column } = placeOf(source, at)
  const message = `${reason} ('${name}' at line ${line}, column ${column})`
  return new ExpressionError(message, { reason, line, column })
}

function placeOf(
  source: string,
  at: number,
): { readonly line: number; readonly column: number; readonly start: number } {
  const start = source.lastIndexOf('\n', at - 1) + 1
  const line = source.slice(0, at).split('\n').length
  return { start, line, column: [...source.slice(start, at)].length + 1 }
}

function marker(span: number | null): string {
  if (span === null) return '^---'
  return span < 2 ? '^' : `^${'-'.repeat(span - 2)}^`
}

/** The line with a mark below it, as Kong's parser draws it. */
function drawing(options: { line: number; column: number; text: string; marker: string; reason: string }): string {
  const { line, column, text, reason } = options
  const gutter = ' '.repeat(String(line).length)
  return [
    `${gutter}--> ${line}:${column}`,
    `${gutter} |`,
    `${line} | ${text}`,
    `${gutter} | ${' '.repeat(column - 1)}${options.marker}`,
    `${gutter} |`,
    `${gutter} = ${reason}`,
  ].join('\n')
}
