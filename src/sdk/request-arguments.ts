/** Arguments in a query string or a request body, as names with one or many values. */
import type { ClientRequest } from './sdk.ts'

/** `true` stands for an argument without `=`, as in Kong's tables. */
export type ArgumentValue = string | true | readonly (string | true)[]

/** Query arguments by name, in order of first appearance. */
export function queryTable(request: ClientRequest): Map<string, ArgumentValue> {
  return argumentTable(request.queryArguments().map(([name, value]) => [name, value ?? true] as const))
}

/** The arguments of a form as they were sent. */
export function formParts(text: string): string[] {
  return text.split('&').filter(part => part !== '')
}

/** `a=1&b&a=2` as names with values; `+` and `%20` are blanks, a broken escape stays as it is. */
export function parseFormArguments(text: string): Map<string, ArgumentValue> {
  return parseFormParts(formParts(text).slice(0, argumentCountMax))
}

export function parseFormParts(parts: readonly string[]): Map<string, ArgumentValue> {
  return argumentTable(parts.map(parseFormPart))
}

export function parseFormPart(part: string): readonly [name: string, value: string | true] {
  const equals = part.indexOf('=')
  if (equals === -1) return [decodeComponent(part), true]
  return [decodeComponent(part.slice(0, equals)), decodeComponent(part.slice(equals + 1))]
}

/** The reverse; names sorted, as Kong writes what it changed. */
export function encodeFormArguments(table: ReadonlyMap<string, ArgumentValue>): string {
  const parts: string[] = []
  for (const [name, value] of [...table].sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const one of Array.isArray(value) ? (value as readonly (string | true)[]) : [value as string | true]) {
      parts.push(one === true ? encodeURIComponent(name) : `${encodeURIComponent(name)}=${encodeURIComponent(one)}`)
    }
  }
  return parts.join('&')
}

/** Of a body with more arguments than this the rest is not looked at, so that no request makes us build a huge table. */
export const argumentCountMax = 1000

function argumentTable(pairs: readonly (readonly [string, string | true])[]): Map<string, ArgumentValue> {
  const table = new Map<string, ArgumentValue>()
  for (const [name, value] of pairs) {
    const known = table.get(name)
    if (known === undefined) table.set(name, value)
    else table.set(name, Array.isArray(known) ? [...known, value] : [known as string | true, value])
  }
  return table
}

function decodeComponent(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  if (!spaced.includes('%')) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    // Not UTF-8 or not an escape: the sender's text is better than none.
    return spaced
  }
}
