/** Kong's notation of values and errors in messages. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { luaNotation, luaNumber, quotedList, schemaViolationMessage } from './messages.ts'

const notations: readonly [value: unknown, text: string][] = [
  [{ name: 'x', id: 'y' }, '{id="y",name="x"}'],
  [['a', 'b'], '{"a","b"}'],
  [[null, null, 'c'], '{[3]="c"}'],
  [['a', null, 'c'], '{"a",[3]="c"}'],
  [{ '@entity': ['a'] }, '{["@entity"]={"a"}}'],
  [{ end: 1, 'a-b': true }, '{["a-b"]=true,["end"]=1}'],
  [{ consumer: null, name: 'x' }, '{consumer=null,name="x"}'],
  [{}, '{}'],
  [{ a: 'say "hi"\\' }, '{a="say \\"hi\\"\\\\"}'],
  [{ a: 'x]]y' }, '{a=[=[x]]y]=]}'],
]
for (const [value, text] of notations) {
  test(`luaNotation() prints ${text} when given ${JSON.stringify(value)}`, () => {
    assert.equal(luaNotation(value), text)
  })
}

test('luaNotation() puts members on lines of their own when indented', () => {
  assert.equal(luaNotation({ a: { b: 'c' }, d: 1 }, '  '), '{\n  a = {\n    b = "c"\n  },\n  d = 1\n}')
})

test('luaNumber() prints as LuaJIT when given integers, fractions and large numbers', () => {
  assert.deepEqual([1, 0.1, 1e15, 1.5e-7, 1_795_410_460.432].map(luaNumber), [
    '1',
    '0.1',
    '1e+15',
    '1.5e-07',
    '1795410460.432',
  ])
})

test('quotedList() nests lists in parentheses', () => {
  assert.equal(quotedList(['a', ['b', 'c']]), "'a', ('b', 'c')")
})

const violations: readonly [errors: Record<string, unknown>, text: string][] = [
  [{ host: 'required field missing' }, 'schema violation (host: required field missing)'],
  [{ b: 'x', a: 'y', '@entity': ['whole'] }, '3 schema violations (whole; a: y; b: x)'],
  [{ config: { minute: 'expected a number' } }, 'schema violation (config.minute: expected a number)'],
  [{ hosts: [null, 'bad'] }, 'schema violation (hosts.2: bad)'],
  [{ config: { redis: { host: 'bad' } } }, 'schema violation (config.redis: {\n  host = "bad"\n})'],
  [{ service: { id: 'missing primary key' } }, 'schema violation (service.id: missing primary key)'],
]
for (const [errors, text] of violations) {
  test(`schemaViolationMessage() sums up ${JSON.stringify(errors)}`, () => {
    assert.equal(schemaViolationMessage(errors), text)
  })
}
