import assert from 'node:assert/strict'
import { test } from 'node:test'
import { manualClock } from '../../test/kit/config-rows.ts'
import { TokenBuckets } from './token-bucket.ts'

test('take() allows a burst, then a steady pace, per key', () => {
  const clock = manualClock()
  const buckets = new TokenBuckets({ clock, perSecond: 2, burst: 3 })
  assert.deepEqual([buckets.take('a'), buckets.take('a'), buckets.take('a'), buckets.take('a')], [0, 0, 0, 1])
  assert.equal(buckets.take('b'), 0)
  clock.advance(500)
  assert.deepEqual([buckets.take('a'), buckets.take('a')], [0, 1])
  clock.advance(60_000)
  assert.deepEqual([buckets.take('a'), buckets.take('a'), buckets.take('a'), buckets.take('a')], [0, 0, 0, 1])
})

test('wait() takes nothing', () => {
  const buckets = new TokenBuckets({ clock: manualClock(), perSecond: 1, burst: 1 })
  assert.deepEqual([buckets.wait('a'), buckets.wait('a'), buckets.take('a'), buckets.wait('a')], [0, 0, 0, 1])
})

test('take() remembers 10,000 keys, not more', () => {
  const buckets = new TokenBuckets({ clock: manualClock(), perSecond: 1, burst: 1 })
  assert.equal(buckets.take('first'), 0)
  for (let i = 0; i < 9_999; i++) buckets.take(`key-${i}`)
  assert.equal(buckets.take('first'), 1)
  for (let i = 0; i < 10_000; i++) buckets.take(`other-${i}`)
  assert.equal(buckets.take('first'), 0)
})
