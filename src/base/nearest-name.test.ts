/** Which known name somebody meant who mistyped it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { editDistance, nearestName } from './nearest-name.ts'

test('editDistance() counts insertions, deletions, replacements and swaps', () => {
  const cases: readonly [string, string, number][] = [
    ['', '', 0],
    ['a', '', 1],
    ['', 'ab', 2],
    ['abc', 'abc', 0],
    ['abc', 'acb', 1],
    ['kitten', 'sitting', 3],
    ['ab', 'ba', 1],
  ]
  for (const [a, b, distance] of cases) {
    assert.equal(editDistance(a, b), distance, `${a} ${b}`)
    assert.equal(editDistance(b, a), distance, `${b} ${a}`)
  }
})

test('nearestName() finds the nearest name, and none when all are far', () => {
  const known = ['proxy_listen', 'admin_listen', 'log_level', 'role']
  assert.equal(nearestName('proxy_lisen', known), 'proxy_listen')
  assert.equal(nearestName('loglevel', known), 'log_level')
  assert.equal(nearestName('rol', known), 'role')
  assert.equal(nearestName('something', known), null)
  assert.equal(nearestName('x', known), null)
})
