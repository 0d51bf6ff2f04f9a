/**
 * Expressions made of fragments: reading one ends, with an expression or with an ExpressionError that has a place in the
 * text; what was read, written again, reads the same; and the router answers as the expression alone does.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import type { Random } from '../src/base/random.ts'
import { amendedSource, checkedExpression } from '../src/entities/expressions/check.ts'
import { parseExpression } from '../src/entities/expressions/parse.ts'
import { type Expression, ExpressionError, type IpAddress, type Value } from '../src/entities/expressions/syntax.ts'
import type { CompiledRoute } from '../src/proxy/compiled.ts'
import { compileExpression, Findings } from '../src/proxy/router/expressions/compile.ts'
import { httpField } from '../src/proxy/router/expressions/http-fields.ts'
import { IndexedRouter } from '../src/proxy/router/indexed-router.ts'
import type { RouterInput } from '../src/proxy/router/router.ts'
import { routerInput } from '../test/kit/config-rows.ts'
import { pick } from '../test/kit/random-json.ts'

export const name = 'expressions'

const FIELDS = [
  'http.method',
  'http.host',
  'http.path',
  'http.path.segments.0',
  'http.path.segments.0_1',
  'http.path.segments.len',
  'http.headers.x_a',
  'http.queries.q',
  'net.protocol',
  'net.src.ip',
  'net.dst.port',
  'net.port',
  'tls.sni',
]
const OPERATORS = ['==', '!=', '~', '^=', '=^', '>', '>=', '<', '<=', 'in', 'not in', 'contains']
const VALUES = [
  '"/a"',
  '"GET"',
  '"a.b"',
  'r#"/a/b"#',
  'r#"^/(a|b)+"#',
  '"(a*)*b"',
  '""',
  '"\\\\\\"\\n"',
  '80',
  '-1',
  '0x50',
  '017',
  '10.0.0.1',
  '10.0.0.0/8',
  '::1',
  'fd00::/8',
]
const NOISE = [
  '(',
  ')',
  '!',
  '&&',
  '||',
  ' ',
  '\n',
  '"',
  'r#"',
  '"#',
  '\\',
  '.',
  '_',
  'é',
  '\0',
  '/',
  '9'.repeat(30),
  'not',
]

export function run(random: Random, isOver: () => boolean): number {
  const corpus = globSync('fuzz/corpus/expressions/*').map(file => readFileSync(file, 'utf8'))
  let count = 0
  for (; !isOver() || count < corpus.length; count++) check(corpus[count] ?? damaged(random, made(random, 3)), random)
  return count
}

function made(random: Random, depth: number): string {
  if (depth === 0 || random.next() < 0.3) {
    const field = pick(random, FIELDS)
    const left = pick(random, [field, field, `lower(${field})`, `any( ${field})`, `any(lower(${field}))`])
    return `${left} ${pick(random, OPERATORS)} ${pick(random, VALUES)}`
  }
  const parts = Array.from({ length: 1 + Math.floor(random.next() * 3) }, () => made(random, depth - 1))
  const text = parts.join(pick(random, [' && ', '||', '\n&&']))
  return pick(random, [text, `(${text})`, `!(${text})`])
}

function damaged(random: Random, text: string): string {
  let result = text
  for (let damages = Math.floor(random.next() * 3); damages > 0; damages--) {
    const at = Math.floor(random.next() * (result.length + 1))
    result = result.slice(0, at) + pick(random, NOISE) + result.slice(at + Math.floor(random.next() * 3))
  }
  return result
}

function check(source: string, random: Random): void {
  const expression = attempt(source, () => parseExpression(amendedSource(source)))
  if (expression === null) return
  assert.deepEqual(bare(parseExpression(written(expression))), bare(expression), source)
  const checked = attempt(source, () => checkedExpression(source, 'http'))
  if (checked === null) return
  const router = new IndexedRouter('expressions')
  router.add({ id: 'r', row: { id: 'r', expression: source, priority: 0 } } as unknown as CompiledRoute)
  const test = compileExpression(checked, httpField)
  for (let i = 0; i < 5; i++) {
    const input = anInput(random)
    assert.equal(router.match(input) !== null, test(input, new Findings()), `${source} for ${JSON.stringify(input)}`)
  }
}

function attempt(source: string, read: () => Expression): Expression | null {
  try {
    return read()
  } catch (error) {
    assert.ok(error instanceof ExpressionError, source)
    assert.ok(error.line >= 1 && error.column >= 1 && error.reason !== '', source)
    return null
  }
}

function anInput(random: Random): RouterInput {
  const values = [pick(random, ['/a', 'a.b', 'A.B', ''])]
  return routerInput({
    method: pick(random, ['GET', 'PUT']),
    host: pick(random, ['a.b', 'x.a.b', '']),
    path: pick(random, ['/', '/a', '/a/b', '/b/a/', `/${'a'.repeat(300)}`, '/\xc3\xa9']),
    port: pick(random, [80, 15]),
    sourceIp: pick(random, ['10.0.0.1', '::1', 'fd00::2', '']),
    headerValues: name => (name === 'x-a' ? values : []),
    queryValues: () => values,
  })
}

/** Without places in the text, and with patterns for regexes. */
function bare(expression: Expression): unknown {
  return JSON.parse(
    JSON.stringify(expression, (key, value) => (key === 'at' || key === 'end' || key === 'regex' ? undefined : value)),
  )
}

function written(expression: Expression): string {
  if (expression.kind === 'not') return `!(${written(expression.part)})`
  if (expression.kind !== 'predicate') {
    const parts = expression.parts.map(part =>
      part.kind === 'predicate' || part.kind === 'not' ? written(part) : `(${written(part)})`,
    )
    return parts.join(expression.kind === 'and' ? ' && ' : ' || ')
  }
  const { field, lower, any, operator, value } = expression
  const lowered = lower ? `lower(${field})` : field
  return `${any ? `any(${lowered})` : lowered} ${operator} ${valueText(value)}`
}

function valueText(value: Value): string {
  switch (value.type) {
    case 'Int':
      return String(value.number)
    case 'IpAddr':
      return addressText(value.address)
    case 'IpCidr':
      return `${addressText(value.address)}/${value.prefix}`
    default: {
      const text = value.type === 'Regex' ? value.pattern : value.text
      const escaped = text
        .replace(/["\\]/g, '\\$&')
        .replaceAll('\n', '\\n')
        .replaceAll('\r', '\\r')
        .replaceAll('\t', '\\t')
      return `"${escaped}"`
    }
  }
}

function addressText(address: IpAddress): string {
  if (address.length === 4) return address.join('.')
  const groups = Array.from({ length: 8 }, (_, i) => (address[i * 2]! * 256 + address[i * 2 + 1]!).toString(16))
  return groups.join(':')
}
