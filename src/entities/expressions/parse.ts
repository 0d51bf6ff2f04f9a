/**
 * Reads an expression. There are no tokens: the grammar is one for text, so the reader goes through it in one pass and
 * says, at the furthest place it came to, what could have stood there, in the words of Kong's parser.
 */
import { compileRustRegex } from '../../base/rust-regex.ts'
import { isNetworkAddress, parseIp } from './ip-literals.ts'
import { type Expression, type Operator, type Predicate, syntaxError, type Value } from './syntax.ts'

/** Characters. Kong has no bound; the longest that anybody writes by hand has some hundreds. */
const LENGTH_MAX = 65_536
/** Parentheses and functions inside one another. */
const DEPTH_MAX = 100

const OPERATORS: readonly (readonly [text: RegExp, operator: Operator])[] = [
  [/==/y, '=='],
  [/!=/y, '!='],
  [/~/y, '~'],
  [/\^=/y, '^='],
  [/=\^/y, '=^'],
  [/>=/y, '>='],
  [/>/y, '>'],
  [/<=/y, '<='],
  [/</y, '<'],
  [/in/y, 'in'],
  [/not[ \t\r\n]*in/y, 'not in'],
  [/contains/y, 'contains'],
]
const SPACE = /[ \t\r\n]*/y
const IDENTIFIER = /[A-Za-z][A-Za-z0-9_.]*/y
const STRING = /"((?:[^"\\]|\\["\\nrt])*)"/y
const RAW_STRING = /r#"([\s\S]*?)"#/y
const IPV4_NETWORK = /\d{1,3}(?:\.\d{1,3}){3}\/\d{1,2}/y
const IPV6_NETWORK = /(?::|[0-9A-Fa-f]{1,4}):(?:[0-9A-Fa-f]{1,4}|:)*\/\d{1,3}/y
const IPV4 = /\d{1,3}(?:\.\d{1,3}){3}/y
const IPV6 = /(?::|[0-9A-Fa-f]{1,4}):(?:[0-9A-Fa-f]{1,4}|:)*/y
const INTEGER = /(-?)(?:0([0-7]+)|0x([0-9A-Fa-f]+)|(\d+))/y
const ESCAPES: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', n: '\n', r: '\r', t: '\t' }

/** Throws ExpressionError. */
export function parseExpression(source: string): Expression {
  if (source.length > LENGTH_MAX) throw syntaxError('', 0, `expression is longer than ${LENGTH_MAX} characters`)
  return new Reader(source).read()
}

class Reader {
  readonly #source: string
  #at = 0
  #depth = 0

  constructor(source: string) {
    this.#source = source
  }

  read(): Expression {
    const expression = this.#expression()
    if (this.#at < this.#source.length) this.#expected('EOI, and_op, or or_op')
    return expression
  }

  /** `||` binds tighter than `&&`, in Kong's language. */
  #expression(): Expression {
    const all: Expression[] = []
    do {
      const any: Expression[] = []
      do any.push(this.#term())
      while (this.#takes(/\|\|/y))
      all.push(any.length === 1 ? any[0]! : { kind: 'or', parts: any })
    } while (this.#takes(/&&/y))
    return all.length === 1 ? all[0]! : { kind: 'and', parts: all }
  }

  #term(): Expression {
    this.#skipSpace()
    const begin = this.#at
    const isNegated = this.#takes(/!/y)
    if (this.#takes(/\(/y)) {
      const part = this.#nested(begin, () => this.#expression())
      if (!this.#takes(/\)/y)) this.#expected('and_op or or_op')
      return isNegated ? { kind: 'not', part } : part
    }
    if (isNegated || this.#match(IDENTIFIER) === null) {
      this.#at = begin
      this.#expected('term')
    }
    this.#at = begin
    return this.#predicate()
  }

  #nested<T>(begin: number, read: () => T): T {
    if (++this.#depth > DEPTH_MAX) throw syntaxError(this.#source, begin, `nested more than ${DEPTH_MAX} deep`)
    const result = read()
    this.#depth--
    return result
  }

  #predicate(): Predicate {
    const at = this.#at
    const { field, functions } = this.#leftSide()
    const operator = this.#operator()
    this.#skipSpace()
    const valueAt = this.#at
    const value = this.#value()
    const end = this.#at
    return {
      kind: 'predicate',
      field,
      lower: functions.has('lower'),
      any: functions.has('any'),
      operator,
      value: operator === '~' ? this.#asRegex(value, valueAt) : value,
      at,
      end,
    }
  }

  #leftSide(): { readonly field: string; readonly functions: Set<string> } {
    this.#skipSpace()
    const begin = this.#at
    const name = this.#match(IDENTIFIER)?.[0] ?? this.#expected('lhs')
    if (!this.#takes(/\(/y)) return { field: name, functions: new Set() }
    const inner = this.#nested(begin, () => this.#leftSide())
    if (!this.#takes(/\)/y)) this.#expected(')')
    if (name !== 'lower' && name !== 'any')
      throw syntaxError(this.#source, begin, `unknown transformation function: ${name}`, this.#at - begin)
    inner.functions.add(name)
    return inner
  }

  #operator(): Operator {
    this.#skipSpace()
    for (const [text, operator] of OPERATORS) if (this.#match(text) !== null) return operator
    return this.#expected('binary_operator')
  }

  #value(): Value {
    const text = this.#match(STRING)
    if (text !== null) return { type: 'String', text: text[1]!.replace(/\\(.)/g, (_, escaped) => ESCAPES[escaped]!) }
    const raw = this.#match(RAW_STRING)
    if (raw !== null) return { type: 'String', text: raw[1]! }
    const begin = this.#at
    const network = this.#match(IPV4_NETWORK) ?? this.#match(IPV6_NETWORK)
    if (network !== null) return this.#network(network[0], begin)
    const ip = this.#match(IPV4) ?? this.#match(IPV6)
    if (ip !== null) return { type: 'IpAddr', address: this.#ip(ip[0], begin, ip[0].length) }
    const integer = this.#match(INTEGER)
    return integer === null ? this.#expected('rhs') : this.#integer(integer, begin)
  }

  #network(text: string, begin: number): Value {
    const [host, digits] = text.split('/') as [string, string]
    const address = this.#ip(host, begin, text.length)
    const prefix = Number(digits)
    const fail = (reason: string) => syntaxError(this.#source, begin, reason, text.length)
    if (prefix > address.length * 8)
      throw fail(`invalid length for network: ${prefix} is larger than ${address.length * 8}`)
    if (!isNetworkAddress(address, prefix)) throw fail('host part of address was not zero')
    return { type: 'IpCidr', address, prefix }
  }

  #ip(text: string, begin: number, span: number) {
    const address = parseIp(text)
    if (address !== null) return address
    const family = text.includes(':') ? 'IPv6' : 'IPv4'
    throw syntaxError(this.#source, begin, `invalid ${family} address syntax`, span)
  }

  #integer([whole, sign, octal, hexadecimal, decimal]: RegExpExecArray, begin: number): Value {
    const magnitude = BigInt(
      octal !== undefined ? `0o${octal}` : hexadecimal !== undefined ? `0x${hexadecimal}` : decimal!,
    )
    if (magnitude >= 2n ** 63n)
      throw syntaxError(this.#source, begin, 'number too large to fit in target type', whole.length)
    return { type: 'Int', number: Number(sign === '-' ? -magnitude : magnitude) }
  }

  #asRegex(value: Value, begin: number): Value {
    const span = this.#at - begin
    if (value.type !== 'String')
      throw syntaxError(this.#source, begin, 'regex operator can only be used with String operands', span)
    try {
      return { type: 'Regex', pattern: value.text, regex: compileRustRegex(value.text) }
    } catch (error) {
      throw syntaxError(this.#source, begin, `invalid regex: ${(error as Error).message}`, span)
    }
  }

  #skipSpace(): void {
    this.#match(SPACE)
  }

  #takes(text: RegExp): boolean {
    this.#skipSpace()
    return this.#match(text) !== null
  }

  #match(text: RegExp): RegExpExecArray | null {
    text.lastIndex = this.#at
    const match = text.exec(this.#source)
    if (match !== null) this.#at += match[0].length
    return match
  }

  #expected(what: string): never {
    throw syntaxError(this.#source, this.#at, `expected ${what}`)
  }
}
