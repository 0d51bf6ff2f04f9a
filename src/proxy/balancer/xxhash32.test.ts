import assert from 'node:assert/strict'
import { test } from 'node:test'
import { xxhash32 } from './xxhash32.ts'

test('xxhash32() gives the published values, and those of the Lua library that Kong hashes with', () => {
  const vectors: Readonly<Record<string, string>> = {
    '': '02cc5d05',
    a: '550d7456',
    abc: '32d153ff',
    abcd: 'a3643705',
    '127.0.0.1::8000 1': 'ddc6df53',
    '127.0.0.1::8000 160': '1e5c3ab6',
    '10.0.0.12::80 7': '277de018',
    'Nobody inspects the spammish repetition': 'e2293b2f',
    '1234567890abcdef': '17fddd25',
    '0123456789abcdef0123456789abcdef0123456789': '386f91d2',
    'a1b2c3d4-e5f6-4711-8899-aabbccddeeff': '5ed37c9d',
    'the quick brown fox': '9adf0164',
    // é as the two bytes of UTF-8.
    '\xc3\xa9t\xc3\xa9': '811aac37',
  }
  for (const [text, hash] of Object.entries(vectors))
    assert.equal(xxhash32(text).toString(16).padStart(8, '0'), hash, JSON.stringify(text))
})

test('xxhash32() hashes text beyond latin1 as UTF-8', () => {
  assert.equal(xxhash32('€'), xxhash32('\xe2\x82\xac'))
})
