import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mapKey } from './map-key.ts'

test('mapKey() leaves short texts as they are', () => {
  for (const text of ['', 'a', 'ä'.repeat(4096)]) assert.equal(mapKey(text), text)
})

test('mapKey() gives short, differing keys for long texts, also where they differ only in the middle or in length', () => {
  const texts = [9000, 20_000].flatMap(length => [
    'a'.repeat(length),
    'a'.repeat(length / 2) + 'b'.padEnd(length / 2, 'a'),
    'a'.repeat(length + 1),
  ])
  const keys = texts.map(mapKey)
  assert.equal(new Set(keys).size, texts.length)
  for (const key of keys) assert.ok(key.length < 100)
  assert.deepEqual(texts.map(mapKey), keys)
})
