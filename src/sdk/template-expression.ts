/** Parses the expressions of templates into functions; see template.ts for what they may say. */

/** What the names in expressions stand for. */
export type TemplateScope = Readonly<Record<string, unknown>>

/** The configuration's fault while compiling, the request's while rendering. */
export class TemplateError extends Error {}

/** Lua that Kong would run and this language cannot: better refused than accepted and failing with each request. */
export class UnsupportedLua extends TemplateError {}

/** A table whose members are looked up one by one, when an expression asks for them. */
export class LazyTable {
  readonly find: (name: string) => unknown
  constructor(find: (name: string) => unknown) {
    this.find = find
  }
}

export type Expression = (scope: TemplateScope) => unknown

const nestingMax = 50

export function parseExpression(text: string): Expression {
  const tokens = tokenize(text)
  const parser = { tokens, at: 0, depth: 0, text }
  const expression = parseBinary(parser, 0)
  if (parser.at < tokens.length) throw unexpected(parser)
  return expression
}

interface Token {
  readonly kind: 'name' | 'text' | 'number' | 'symbol'
  readonly value: string
}
interface Parser {
  readonly tokens: readonly Token[]
  readonly text: string
  at: number
  depth: number
}

const tokenPattern =
  /\s*(?:([A-Za-z_]\w*)|(\d+(?:\.\d+)?)|"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|(\.\.|==|~=|<=|>=|[()[\].:,<>#+*/%=-]))/y

function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  tokenPattern.lastIndex = 0
  const end = text.trimEnd().length
  while (tokenPattern.lastIndex < end) {
    const at = tokenPattern.lastIndex
    const match = tokenPattern.exec(text)
    if (match === null) throw new UnsupportedLua(`'${text.slice(at, at + 20).trim()}' is not supported in a template`)
    const [, name, number, double, single, symbol] = match
    if (name !== undefined) tokens.push({ kind: 'name', value: name })
    else if (number !== undefined) tokens.push({ kind: 'number', value: number })
    else if (symbol !== undefined) tokens.push({ kind: 'symbol', value: symbol })
    else tokens.push({ kind: 'text', value: unescapeText(double ?? single ?? '') })
  }
  return tokens
}

function unescapeText(text: string): string {
  const escapes: Record<string, string> = { n: '\n', t: '\t', r: '\r' }
  return text.replace(/\\(.)/g, (_, escaped: string) => escapes[escaped] ?? escaped)
}

/** By binding strength, weakest first, as in Lua. */
const operators: readonly Readonly<Record<string, (left: Expression, right: Expression) => Expression>>[] = [
  { or: (left, right) => scope => orElse(left(scope), () => right(scope)) },
  { and: (left, right) => scope => andThen(left(scope), () => right(scope)) },
  {
    '==': (left, right) => scope => orNil(left(scope)) === orNil(right(scope)),
    '~=': (left, right) => scope => orNil(left(scope)) !== orNil(right(scope)),
    '<': (left, right) => scope => compare(left(scope), right(scope)) < 0,
    '>': (left, right) => scope => compare(left(scope), right(scope)) > 0,
    '<=': (left, right) => scope => compare(left(scope), right(scope)) <= 0,
    '>=': (left, right) => scope => compare(left(scope), right(scope)) >= 0,
  },
  { '..': (left, right) => scope => joinable(left(scope)) + joinable(right(scope)) },
  {
    '+': (left, right) => scope => asNumber(left(scope)) + asNumber(right(scope)),
    '-': (left, right) => scope => asNumber(left(scope)) - asNumber(right(scope)),
  },
  {
    '*': (left, right) => scope => asNumber(left(scope)) * asNumber(right(scope)),
    '/': (left, right) => scope => asNumber(left(scope)) / asNumber(right(scope)),
    '%': (left, right) => scope => modulo(asNumber(left(scope)), asNumber(right(scope))),
  },
]

function parseBinary(parser: Parser, strength: number): Expression {
  if (strength === operators.length) return parseUnary(parser)
  let left = parseBinary(parser, strength + 1)
  for (;;) {
    const token = parser.tokens[parser.at]
    if (token === undefined || token.kind === 'text' || token.kind === 'number') return left
    if (!Object.hasOwn(operators[strength]!, token.value)) return left
    parser.at++
    left = operators[strength]![token.value]!(left, parseBinary(parser, strength + 1))
  }
}

function parseUnary(parser: Parser): Expression {
  if (++parser.depth > nestingMax) throw new TemplateError('the expression is nested too deep')
  try {
    if (accept(parser, 'not')) {
      const operand = parseUnary(parser)
      return scope => !isTrue(operand(scope))
    }
    if (accept(parser, '-')) {
      const operand = parseUnary(parser)
      return scope => -asNumber(operand(scope))
    }
    if (accept(parser, '#')) {
      const operand = parseUnary(parser)
      return scope => lengthOf(operand(scope))
    }
    return parseAccess(parser)
  } finally {
    parser.depth--
  }
}

function parseAccess(parser: Parser): Expression {
  let value = parsePrimary(parser)
  for (;;) {
    if (accept(parser, '.')) value = member(value, constant(expectName(parser)))
    else if (accept(parser, '[')) {
      value = member(value, parseBinary(parser, 0))
      expect(parser, ']')
    } else if (accept(parser, ':')) {
      const method = expectName(parser)
      value = call(method, methods, [value, ...parseCallArguments(parser)])
    } else return value
  }
}

function parsePrimary(parser: Parser): Expression {
  const token = parser.tokens[parser.at]
  if (token === undefined) throw new TemplateError(`the expression '${parser.text.trim()}' is not complete`)
  if (accept(parser, '(')) {
    const inner = parseBinary(parser, 0)
    expect(parser, ')')
    return inner
  }
  if (token.kind === 'symbol') throw unexpected(parser)
  parser.at++
  if (token.kind === 'text') return constant(token.value)
  if (token.kind === 'number') return constant(Number(token.value))
  if (parser.tokens[parser.at]?.value === '(' && parser.tokens[parser.at]?.kind === 'symbol') {
    return call(token.value, functions, parseCallArguments(parser))
  }
  if (token.value === 'string' && accept(parser, '.')) {
    return call(expectName(parser), methods, parseCallArguments(parser))
  }
  return parseName(token.value)
}

const literals: Readonly<Record<string, unknown>> = { true: true, false: false, nil: undefined }
/** The rest of Lua's words: met as a name, they are something that is not supported. */
const words = ['function', 'local', 'return', 'if', 'for', 'while', 'repeat', 'do', 'end', 'then', 'else']

function parseName(name: string): Expression {
  if (Object.hasOwn(literals, name)) return constant(literals[name])
  if (name === 'or' || name === 'and') throw new TemplateError(`unexpected '${name}'`)
  if (words.includes(name)) throw new UnsupportedLua(`'${name}' is not supported in a template`)
  return scope => (Object.hasOwn(scope, name) ? scope[name] : undefined)
}

function parseCallArguments(parser: Parser): Expression[] {
  expect(parser, '(')
  const given: Expression[] = []
  if (accept(parser, ')')) return given
  do given.push(parseBinary(parser, 0))
  while (accept(parser, ','))
  expect(parser, ')')
  return given
}

type PureFunction = (...values: unknown[]) => unknown

const methods: Readonly<Record<string, PureFunction>> = {
  lower: text => asText(text).toLowerCase(),
  upper: text => asText(text).toUpperCase(),
  len: text => asText(text).length,
  reverse: text => [...asText(text)].reverse().join(''),
  sub: (text, from, to) => subText(asText(text), Number(from ?? 1), Number(to ?? -1)),
}
const functions: Readonly<Record<string, PureFunction>> = {
  type: value => luaType(value),
  tostring: value => (value === undefined || value === null ? 'nil' : joinable(value)),
  tonumber: value => (Number.isNaN(Number(value)) || value === '' ? undefined : Number(value)),
}

/** Those that Lua has and this language has not. Any other name fails in Kong too, once it is called. */
const luaFunctions = new Set(
  (
    'assert collectgarbage dofile error getfenv getmetatable ipairs load loadfile loadstring module next pairs pcall ' +
    'print rawequal rawget rawset require select setfenv setmetatable unpack xpcall'
  ).split(' '),
)

function call(name: string, known: Readonly<Record<string, PureFunction>>, given: readonly Expression[]): Expression {
  if (!Object.hasOwn(known, name)) {
    if (known !== functions || luaFunctions.has(name) || words.includes(name)) {
      throw new UnsupportedLua(`the function '${name}' is not supported in a template`)
    }
    return () => {
      throw new TemplateError(`attempt to call '${name}', which is no function`)
    }
  }
  const pure = known[name]!
  return scope => pure(...given.map(one => one(scope)))
}

function member(table: Expression, key: Expression): Expression {
  return scope => {
    const value = table(scope)
    const name = key(scope)
    if (typeof value !== 'object' || value === null) {
      throw new TemplateError(`attempt to index a ${luaType(value)} value with '${String(name)}'`)
    }
    if (value instanceof LazyTable) return value.find(String(name))
    if (Array.isArray(value)) return value[Number(name) - 1]
    const text = String(name)
    return Object.hasOwn(value, text) ? (value as Record<string, unknown>)[text] : undefined
  }
}

const constant =
  (value: unknown): Expression =>
  () =>
    value
const isTrue = (value: unknown) => value !== undefined && value !== null && value !== false
const orElse = (left: unknown, right: () => unknown) => (isTrue(left) ? left : right())
const andThen = (left: unknown, right: () => unknown) => (isTrue(left) ? right() : left)
const orNil = (value: unknown) => value ?? undefined

function compare(left: unknown, right: unknown): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right
  if (typeof left === 'string' && typeof right === 'string') return left < right ? -1 : left > right ? 1 : 0
  throw new TemplateError(`attempt to compare ${luaType(left)} with ${luaType(right)}`)
}

function joinable(value: unknown): string {
  if (typeof value === 'number') return numberText(value)
  if (typeof value === 'string' || typeof value === 'boolean') return String(value)
  throw new TemplateError(`attempt to concatenate a ${luaType(value)} value`)
}

/** As Lua, text that is a number is one in a calculation. */
function asNumber(value: unknown): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number === 'number' && !Number.isNaN(number)) return number
  throw new TemplateError(`attempt to perform arithmetic on a ${luaType(value)} value`)
}

/** The sign is the divisor's. */
const modulo = (left: number, right: number) => left - Math.floor(left / right) * right

/** Lua prints fourteen digits. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value < 0 ? '-inf' : 'inf'
  return String(Number(value.toPrecision(14)))
}

function asText(value: unknown): string {
  if (typeof value === 'number') return numberText(value)
  if (typeof value === 'string') return value
  throw new TemplateError(`a string was expected, not a ${luaType(value)}`)
}

function lengthOf(value: unknown): number {
  if (Array.isArray(value)) return value.length
  return asText(value).length
}

/** Lua's string.sub: from 1, both ends included, negative from the end. */
function subText(text: string, from: number, to: number): string {
  const start = from < 0 ? Math.max(0, text.length + from) : Math.max(0, from - 1)
  const end = to < 0 ? text.length + to + 1 : to
  return text.slice(start, Math.max(start, end))
}

function luaType(value: unknown): string {
  if (value === undefined || value === null) return 'nil'
  return typeof value === 'object' ? 'table' : typeof value
}

function accept(parser: Parser, value: string): boolean {
  const token = parser.tokens[parser.at]
  if (token === undefined || token.value !== value || token.kind === 'text') return false
  parser.at++
  return true
}

function expect(parser: Parser, value: string): void {
  if (!accept(parser, value)) throw unexpected(parser)
}

function expectName(parser: Parser): string {
  const token = parser.tokens[parser.at]
  if (token?.kind !== 'name') throw unexpected(parser)
  parser.at++
  return token.value
}

function unexpected(parser: Parser): TemplateError {
  const token = parser.tokens[parser.at]
  const found = token === undefined ? 'the end' : `'${token.value}'`
  return new TemplateError(`unexpected ${found} in '${parser.text.trim()}'`)
}
