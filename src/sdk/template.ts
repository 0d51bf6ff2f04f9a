/**
 * Templates in configuration values: text with `$(expression)` in it.
 *
 * Kong runs these as Lua. Here the expressions are a language of their own, the part of Lua that such values are
 * written in: names, members, literals, `or`, `and`, `not`, comparison, arithmetic, `..`, and a few pure functions. There is no
 * way to loop, to assign or to reach anything but what the caller hands in.
 */
import {
  type Expression,
  numberText,
  parseExpression,
  TemplateError,
  type TemplateScope,
  UnsupportedLua,
} from './template-expression.ts'

export { LazyTable, TemplateError, type TemplateScope, UnsupportedLua } from './template-expression.ts'

export type Template = (scope: TemplateScope) => string

/** Configuration comes from administrators, but a value of megabytes is a mistake. */
const templateLengthMax = 16_384

/** Throws a TemplateError that says what is not understood. */
export function compileTemplate(text: string): Template {
  if (!text.includes('$(')) return () => text
  if (text.length > templateLengthMax) throw new TemplateError('the template is too long')
  const parts: (string | Expression)[] = []
  let at = 0
  for (let start = text.indexOf('$('); start !== -1; start = text.indexOf('$(', at)) {
    const end = closingParenthesis(text, start + 1)
    parts.push(text.slice(at, start), parseExpression(text.slice(start + 2, end)))
    at = end + 1
  }
  parts.push(text.slice(at))
  return scope => parts.map(part => (typeof part === 'string' ? part : toText(part(scope)))).join('')
}

/** As compileTemplate, but what Kong would only find wrong when it renders fails then. UnsupportedLua is thrown still. */
export function compileUnchecked(text: string): Template {
  try {
    return compileTemplate(text)
  } catch (error) {
    if (!(error instanceof TemplateError) || error instanceof UnsupportedLua) throw error
    return () => {
      throw error
    }
  }
}

/** As Lua prints a value; nil and false leave nothing. */
function toText(value: unknown): string {
  if (value === undefined || value === null || value === false) return ''
  if (Array.isArray(value)) return value.map(toText).join(', ')
  if (typeof value === 'object') throw new TemplateError('a table cannot be written into a text')
  return typeof value === 'number' ? numberText(value) : String(value)
}

/** Parentheses in the expression must balance, even in literals: that is Kong's rule too. */
function closingParenthesis(text: string, open: number): number {
  let depth = 0
  for (let i = open; i < text.length; i++) {
    if (text[i] === '(') depth++
    else if (text[i] === ')' && --depth === 0) return i
  }
  throw new TemplateError(`missing ) in '${text}'`)
}
