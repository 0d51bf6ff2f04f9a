/** YAML scalars as libyaml's Lua binding reads them, limits, and what is written. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPlainYaml } from './plain-yaml.ts'
import { parseYaml, toYaml, YamlError } from './yaml.ts'

const scalars: readonly [text: string, value: unknown][] = [
  ['~', null],
  ['null', null],
  ['', null],
  ['yes', true],
  ['Off', false],
  ['y', 'y'],
  ['n', 'n'],
  ['12', 12],
  ['-1_000', -1000],
  ['0777', 511],
  ['089', 89],
  ['0x1F', 31],
  ['0b101', 5],
  ['1.5', 1.5],
  ['1e3', 1000],
  ['.inf', Number.POSITIVE_INFINITY],
  ['190:20:30', 685_230],
  ['1.2.3.4', '1.2.3.4'],
  ['127.0.0.1:8000', '127.0.0.1:8000'],
  ['2020-01-02', '2020-01-02'],
  ['"12"', '12'],
  ["'yes'", 'yes'],
  ['!!str 12', '12'],
]
for (const [text, value] of scalars) {
  test(`parseYaml() reads ${JSON.stringify(value)} when given ${text}`, () =>
    assert.deepEqual(parseYaml(`a: ${text}`), { a: value }))
}

test('parseYaml() expands aliases and merge keys', () => {
  const text = 'base: &b {x: 1, y: 2}\nmine:\n  x: 5\n  <<: *b\nsame: *b\n'
  assert.deepEqual(parseYaml(text), { base: { x: 1, y: 2 }, mine: { x: 5, y: 2 }, same: { x: 1, y: 2 } })
})
test('parseYaml() takes the last of two equal keys and the first of two documents', () => {
  assert.deepEqual(parseYaml('a: 1\na: 2\n---\nb: 1\n'), { a: 2 })
})
test('parseYaml() makes a member of its own when a key is __proto__', () => {
  assert.ok(Object.hasOwn(parseYaml('__proto__: {a: 1}') as object, '__proto__'))
})
test('parseYaml() says line and column when the text is malformed', () => {
  assert.throws(
    () => parseYaml('a: 1\nb: [\n'),
    (error: Error) => error instanceof YamlError && /^\d+:\d+: /.test(error.message),
  )
})
test('parseYaml() refuses aliases that would expand beyond measure', () => {
  const levels = Array.from(
    { length: 12 },
    (_, at) => `l${at + 1}: &l${at + 1} [${Array(10).fill(`*l${at}`).join(', ')}]`,
  )
  assert.throws(() => parseYaml(`l0: &l0 [x]\n${levels.join('\n')}\n`), { message: 'aliases expand to too many nodes' })
})
test('toYaml() writes block style with ~ for null and quotes where needed', () => {
  const value = {
    version: '3.0',
    list: ['a', 'yes', '12'],
    none: null,
    empty: [],
    nested: [{ a: 1, b: true }],
    text: 'x: y',
  }
  assert.equal(
    toYaml(value),
    "version: '3.0'\nlist:\n- a\n- 'yes'\n- '12'\nnone: ~\nempty: []\nnested:\n- a: 1\n  b: true\ntext: 'x: y'\n",
  )
  assert.deepEqual(parseYaml(toYaml(value)), value)
})
test('parseYaml() reads back texts of every kind that toYaml() wrote', () => {
  const texts = [
    '',
    ' a',
    'a\nb\n',
    '- x',
    '#x',
    '0777',
    '1:2',
    'é',
    '~',
    '<<',
    "it's",
    '"q"',
    '{vault://env/x}',
    'y',
    '2020-01-01',
  ]
  assert.deepEqual(parseYaml(toYaml({ texts })), { texts })
})

test('readPlainYaml() reads what we export, and gives up on what only the whole grammar can read', () => {
  const value = { a: [{ b: 1, c: null, d: ['x', "it's: so", '- y'] }, { e: {} }], f: [], g: 'yes', h: '~/x[0-9]+' }
  assert.deepEqual(readPlainYaml(toYaml(value))?.value, value)
  const unusual = [
    'a: &x 1',
    'a: *x',
    'a: !!str 1',
    'a: |\n  b',
    'a: b\n  c',
    '{a: 1}',
    'a:\tb',
    'a: b: c',
    '? a',
    'a: [b,',
    '%YAML 1.1',
    'a: "\\x41"',
  ]
  for (const text of unusual) assert.equal(readPlainYaml(text), null, text)
})
