/**
 * An expression as one function of a request or connection. What can be decided without it is decided here: which
 * field is read how, what is compared with what, and which comparison it is.
 *
 * A field without value satisfies nothing, not even `!=`. Of several values (headers, arguments) all must satisfy the
 * comparison, or one with `any()`. As in Kong, what `http.path` matched last is what `strip_path` strips, and the
 * captures of all regexes that matched are the captures of the match.
 */
import { isInNetwork, isSameIp, parseIp } from '../../../entities/expressions/ip-literals.ts'
import type { Expression, IpAddress, Predicate, Value } from '../../../entities/expressions/syntax.ts'
import { asText, execute, lowerUnicode, toBytes } from '../byte-text.ts'

/** What an expression found while it was tried; to be emptied before each one. */
export class Findings {
  path: string | null = null
  captures: Record<string, string> | null = null

  reset(): void {
    this.path = null
    this.captures = null
  }
}

export type Test<Input> = (input: Input, findings: Findings) => boolean

/** How a field is read. A text is one byte per character. Undefined and an empty list: the field is not there. */
export type FieldReader<Input> =
  | { readonly type: 'text'; readonly read: (input: Input) => string | undefined }
  | { readonly type: 'texts'; readonly read: (input: Input) => readonly string[] }
  | { readonly type: 'number'; readonly read: (input: Input) => number | undefined }
  | { readonly type: 'ip'; readonly read: (input: Input) => string }

export type FieldReaders<Input> = (field: string) => FieldReader<Input>

/** The expression must have been checked against the same fields. */
export function compileExpression<Input>(expression: Expression, readers: FieldReaders<Input>): Test<Input> {
  switch (expression.kind) {
    case 'predicate':
      return compilePredicate(expression, readers(expression.field))
    case 'not': {
      const part = compileExpression(expression.part, readers)
      return (input, findings) => !part(input, findings)
    }
    default:
      return joined(
        expression.kind,
        expression.parts.map(part => compileExpression(part, readers)),
      )
  }
}

function joined<Input>(kind: 'and' | 'or', parts: readonly Test<Input>[]): Test<Input> {
  const [a, b] = parts as [Test<Input>, Test<Input>]
  if (parts.length === 2)
    return kind === 'and'
      ? (input, findings) => a(input, findings) && b(input, findings)
      : (input, findings) => a(input, findings) || b(input, findings)
  const enough = kind === 'or'
  return (input, findings) => {
    for (let i = 0; i < parts.length; i++) if (parts[i]!(input, findings) === enough) return enough
    return !enough
  }
}

function compilePredicate<Input>(predicate: Predicate, reader: FieldReader<Input>): Test<Input> {
  switch (reader.type) {
    case 'number':
      return numberTest(predicate, reader.read)
    case 'ip':
      return ipTest(predicate, reader.read)
    case 'text': {
      const holds = textTest(predicate)
      const { read } = reader
      return (input, findings) => {
        const text = read(input)
        return text !== undefined && holds(text, findings)
      }
    }
    default: {
      const holds = textTest(predicate)
      const { read } = reader
      const { any } = predicate
      return (input, findings) => {
        const texts = read(input)
        for (let i = 0; i < texts.length; i++) if (holds(texts[i]!, findings) === any) return any
        return !any && texts.length > 0
      }
    }
  }
}

type TextTest = (text: string, findings: Findings) => boolean

function textTest(predicate: Predicate): TextTest {
  const test = plainTextTest(predicate)
  return predicate.lower ? (text, findings) => test(lowerUnicode(text), findings) : test
}

function plainTextTest({ field, operator, value }: Predicate): TextTest {
  if (value.type === 'Regex') return regexTest(field, value)
  const text = toBytes((value as Extract<Value, { type: 'String' }>).text)
  if (operator === '!=') return sent => sent !== text
  if (operator === 'contains') return sent => sent.includes(text)
  const test = comparison(operator, text)
  if (field !== 'http.path') return test
  return (sent, findings) => {
    if (!test(sent)) return false
    findings.path = text
    return true
  }
}

function comparison(operator: string, text: string): (sent: string) => boolean {
  if (operator === '==') return sent => sent === text
  return operator === '^=' ? sent => sent.startsWith(text) : sent => sent.endsWith(text)
}

function regexTest(field: string, { regex: { regex } }: Extract<Value, { type: 'Regex' }>): TextTest {
  return (sent, findings) => {
    const subject = asText(sent)
    const match = execute(regex, subject)
    if (match === null) return false
    const inBytes = (text: string) => (subject === sent ? text : toBytes(text))
    if (field === 'http.path') findings.path = inBytes(match[0])
    const captures = (findings.captures ??= Object.create(null) as Record<string, string>)
    for (let i = 0; i < match.length; i++) if (match[i] !== undefined) captures[i] = inBytes(match[i]!)
    for (const name in match.groups) if (match.groups[name] !== undefined) captures[name] = inBytes(match.groups[name])
    return true
  }
}

function numberTest<Input>({ operator, value }: Predicate, read: (input: Input) => number | undefined): Test<Input> {
  const { number } = value as Extract<Value, { type: 'Int' }>
  const holds = ORDERS[operator]!
  return input => {
    const sent = read(input)
    return sent !== undefined && holds(sent, number)
  }
}

const ORDERS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
}

function ipTest<Input>({ operator, value }: Predicate, read: (input: Input) => string): Test<Input> {
  const { address } = value as Extract<Value, { type: 'IpAddr' | 'IpCidr' }>
  const prefix = value.type === 'IpCidr' ? value.prefix : 0
  const holds = (sent: IpAddress) =>
    value.type === 'IpCidr' ? isInNetwork(sent, address, prefix) : isSameIp(sent, address)
  const wanted = operator === '==' || operator === 'in'
  return input => {
    const sent = parsedIp(read(input))
    return sent !== null && holds(sent) === wanted
  }
}

let lastText = ''
let lastAddress: IpAddress | null = null

/** Many routes ask for the same address of one request. */
function parsedIp(text: string): IpAddress | null {
  if (text === lastText) return lastAddress
  lastText = text
  lastAddress = parseIp(text)
  return lastAddress
}
