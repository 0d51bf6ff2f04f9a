/** Errors of a declarative configuration as text for people and as body for the Admin API. */
import { luaNotation } from '../schema/messages.ts'

/** By entity, then by position (arrays, null where nothing is wrong) or by key. */
export type ErrorTree = Readonly<Record<string, unknown>>

/** One line a fault, indented by where it is: `in 'services':`, `- in entry 1 of 'services':`, `in 'host': …`. */
export function prettyErrors(errors: ErrorTree): string {
  return printMembers(errors, '', '').join('\n')
}

function printMembers(errors: object, owner: string, indent: string): string[] {
  const list = Array.isArray(errors)
  return Object.entries(errors).flatMap(([key, error]) => {
    if (error === null || error === undefined) return []
    const place = list ? `- in entry ${Number(key) + 1} of '${owner}'` : `in '${key}'`
    if (typeof error !== 'object') return [`${indent}${place}: ${String(error)}`]
    return [`${indent}${place}:`, ...printMembers(error, list ? String(Number(key) + 1) : key, `${indent}  `)]
  })
}

export interface DeclarativeErrorBody {
  readonly code: 14
  readonly name: 'invalid declarative configuration'
  readonly message: string
  readonly fields: ErrorTree
  readonly flattened_errors?: readonly unknown[]
}

export function declarativeErrorBody(errors: ErrorTree, flattened?: readonly unknown[]): DeclarativeErrorBody {
  return {
    code: 14,
    name: 'invalid declarative configuration',
    message: `declarative config is invalid: ${luaNotation(errors)}`,
    fields: errors,
    ...(flattened !== undefined && { flattened_errors: flattened }),
  }
}
