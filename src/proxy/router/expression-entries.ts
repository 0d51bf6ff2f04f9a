/** Routes of the `expressions` flavour: an expression with a priority, or the traditional form. */
import type { Row } from '../../entities/config.ts'
import { checkedExpression } from '../../entities/expressions/check.ts'
import { compatibleEntries } from './compatible-entries.ts'
import { compileExpression } from './expressions/compile.ts'
import { httpField } from './expressions/http-fields.ts'
import { necessaryConditions } from './expressions/necessary.ts'
import { expressionPriority } from './priority.ts'
import { NO_CONDITIONS, type RouteEntry } from './route-entry.ts'

/** Throws an Error that says what is wrong with the expression, or names a pattern. */
export function expressionEntries(row: Row): RouteEntry[] {
  const scheme = schemeOf(row)
  const source = row['expression'] ?? null
  if (source === null) return compatibleEntries(row, scheme)
  const expression = checkedExpression(String(source), 'http')
  const { header, ...necessary } = necessaryConditions(expression)
  return [
    {
      ...NO_CONDITIONS,
      ...necessary,
      headers: header === null ? null : [header],
      scheme,
      test: compileExpression(expression, httpField),
      isExpression: true,
      ...expressionPriority(Number(row['priority'] ?? 0)),
      tie: String(row['id']).toLowerCase(),
      matches: [],
    },
  ]
}

/**
 * In this flavour protocols take part: a route for `http` alone does not see TLS. One for `https` alone does see
 * plaintext, to answer it with a redirection or 426.
 */
function schemeOf(row: Row): 'http' | 'https' | null {
  const protocols = (row['protocols'] ?? ['http', 'https']) as readonly string[]
  if (protocols.length === 1 && protocols[0] === 'https') return null
  const takesPlain = protocols.includes('http') || protocols.includes('grpc')
  const takesTls = protocols.includes('https') || protocols.includes('grpcs')
  if (takesPlain && takesTls) return null
  return takesPlain ? 'http' : takesTls ? 'https' : null
}
