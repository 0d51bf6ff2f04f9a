import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAddedHeader } from './added-header.ts'

for (const [text, parsed] of [
  ['foo-header bar-value', { name: 'foo-header', value: 'bar-value', always: false }],
  ['X "a b" always', { name: 'X', value: 'a b', always: true }],
  ["X 'a b';", { name: 'X', value: 'a b', always: false }],
  ['X "ä"', { name: 'X', value: '\xc3\xa4', always: false }],
  ['X', null],
  ['X a b', null],
  ['X: a', null],
  ['X $host', null],
  ['X "a\r\nSet-Cookie: b"', null],
] as const) {
  test(`parseAddedHeader() of ${JSON.stringify(text)}`, () => assert.deepEqual(parseAddedHeader(text), parsed))
}
