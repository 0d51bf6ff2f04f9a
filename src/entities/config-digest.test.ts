/** The incremental hash of a configuration: independent of order, undone by undoing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY_CONFIG_HASH } from './config.ts'
import { canonicalJson, rowDigest, toggleDigest } from './config-digest.ts'

test('canonicalJson() orders keys at every depth and leaves out undefined members', () => {
  assert.equal(canonicalJson({ b: [{ d: 1, c: null }], a: undefined, A: 'x' }), '{"A":"x","b":[{"c":null,"d":1}]}')
})
test('rowDigest() is the same when only the order of members differs', () => {
  assert.equal(rowDigest('services', '1', { a: 1, b: 2 }), rowDigest('services', '1', { b: 2, a: 1 }))
})
test('rowDigest() differs when entity, key or row differ', () => {
  const digests = [
    rowDigest('services', '1', { a: 1 }),
    rowDigest('routes', '1', { a: 1 }),
    rowDigest('services', '2', { a: 1 }),
    rowDigest('services', '1', { a: '1' }),
  ]
  assert.equal(new Set(digests).size, 4)
})
test('toggleDigest() gives one hash in any order, and the empty one when all rows are gone', () => {
  const digests = ['1', '2', '3'].map(key => rowDigest('services', key, {}))
  const sum = (list: readonly string[]) => list.reduce(toggleDigest, EMPTY_CONFIG_HASH)
  assert.equal(sum(digests), sum(digests.toReversed()))
  assert.match(sum(digests), /^[0-9a-f]{32}$/)
  assert.equal(sum([...digests, ...digests]), EMPTY_CONFIG_HASH)
})
