/** Kong's configuration hash: the canonical text by hand, digests by md5 of it. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { configHashes, valueHash } from './config-hash.ts'

const md5 = (text: string | Buffer) => createHash('md5').update(text).digest('hex')
const ZEROS = '0'.repeat(32)

const texts: readonly [value: unknown, text: string][] = [
  [null, '/null/'],
  ['a"b', 'a"b'],
  [1, '1'],
  [1.5, '1.5'],
  [true, 'true'],
  [[], '{}'],
  [{}, '{}'],
  [['a'], 'a'],
  [[1, 2, 3, 4, 5], '1;2;3;4;5'],
  [[1, 2, 3, 4, 5, 6], '1;2;3;4;5;6;'],
  [{ b: 1, a: [null] }, 'a:/null/;b:1;'],
  [[{ id: 'x', on: false }, { id: 'y' }], 'id:x;on:false;;id:y;'],
]
for (const [value, text] of texts) {
  test(`valueHash() digests ${text} when given ${JSON.stringify(value)}`, () =>
    assert.equal(valueHash(value), md5(text)))
}

test('valueHash() digests what it has when the text grows beyond a million bytes', () => {
  const long = 'x'.repeat(1_000_001)
  const start = createHash('md5').update(`${long};`).digest()
  assert.equal(valueHash([long, 'a', 'b']), md5(Buffer.concat([start, Buffer.from('a;b')])))
})
test('configHashes() joins the hashes of the parts', () => {
  const services = [{ id: 'a' }]
  const hashes = configHashes({ _format_version: '3.0', _transform: false, services })
  const rest = md5('_format_version:3.0;_transform:false;')
  assert.equal(hashes.services, md5('id:a;'))
  assert.deepEqual([hashes.routes, hashes.plugins, hashes.upstreams, hashes.targets], [ZEROS, ZEROS, ZEROS, ZEROS])
  assert.equal(hashes.config, md5(ZEROS + hashes.services + ZEROS + ZEROS + ZEROS + rest))
})
