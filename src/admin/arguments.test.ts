/** Tests of arguments.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { argumentsMax, parsePairs, RequestArguments } from './arguments.ts'

test('parsePairs() decodes names and values in order', () => {
  const cases: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
    ['', []],
    ['a=1', [['a', '1']]],
    ['a', [['a', '']]],
    [
      'a=1&a=2&&b=',
      [
        ['a', '1'],
        ['a', '2'],
        ['b', ''],
      ],
    ],
    ['a%5Bx%5D=1+2', [['a[x]', '1 2']]],
    ['a=b=c', [['a', 'b=c']]],
    ['a=%zz%41', [['a', '%zzA']]],
    ['a=%ff%41', [['a', '\ufffdA']]],
  ]
  for (const [text, expected] of cases) assert.deepEqual(parsePairs(text), expected, text)
})

test('parsePairs() refuses more arguments than the limit', () => {
  const of = (count: number) => Array.from({ length: count }, (_, i) => `a${i}=1`).join('&')
  assert.equal(parsePairs(of(argumentsMax))?.length, argumentsMax)
  assert.equal(parsePairs(of(argumentsMax + 1)), null)
  assert.equal(RequestArguments.parse(of(argumentsMax + 1)), null)
})

test('RequestArguments keeps all values of a name', () => {
  const query = RequestArguments.parse('size=2&size=3&tags=a')!
  assert.deepEqual(query.all('size'), ['2', '3'])
  assert.equal(query.first('tags'), 'a')
  assert.equal(query.first('nope'), undefined)
  assert.equal(query.has('__proto__'), false)
})
