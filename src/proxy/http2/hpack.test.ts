import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/random.ts'
import type { HeaderField } from './header-field.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { HpackEncoder, writeNumber } from './hpack-encoder.ts'
import { decodeHuffman, encodeHuffman, huffmanBytes } from './huffman.ts'

/** RFC 7541 appendix C: a connection each, with its table's limit; blocks, what they say, and the table's size after. */
const REQUESTS = [
  [':method GET|:scheme http|:path /|:authority www.example.com', 57],
  [':method GET|:scheme http|:path /|:authority www.example.com|cache-control no-cache', 110],
  [':method GET|:scheme https|:path /index.html|:authority www.example.com|custom-key custom-value', 164],
] as const
const DATE = 'date Mon, 21 Oct 2013 20:13:21 GMT'
const LOCATION = 'location https://www.example.com'
const COOKIE = 'set-cookie foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'
const ANSWERS = [
  [`:status 302|cache-control private|${DATE}|${LOCATION}`, 222],
  [`:status 307|cache-control private|${DATE}|${LOCATION}`, 222],
  [
    `:status 200|cache-control private|${DATE.replace(':21 G', ':22 G')}|${LOCATION}|content-encoding gzip|${COOKIE}`,
    215,
  ],
] as const
const VECTORS: Readonly<
  Record<string, { readonly limit: number; blocks: string[]; says: readonly (readonly [string, number])[] }>
> = {
  'C.2.1': {
    limit: 4096,
    says: [['custom-key custom-header', 55]],
    blocks: ['400a637573746f6d2d6b65790d637573746f6d2d686561646572'],
  },
  'C.2.2': { limit: 4096, says: [[':path /sample/path', 0]], blocks: ['040c2f73616d706c652f70617468'] },
  'C.2.3': { limit: 4096, says: [['password secret', 0]], blocks: ['100870617373776f726406736563726574'] },
  'C.2.4': { limit: 4096, says: [[':method GET', 0]], blocks: ['82'] },
  'C.3': {
    limit: 4096,
    says: REQUESTS,
    blocks: [
      '828684410f7777772e6578616d706c652e636f6d',
      '828684be58086e6f2d6361636865',
      '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
    ],
  },
  'C.4': {
    limit: 4096,
    says: REQUESTS,
    blocks: [
      '828684418cf1e3c2e5f23a6ba0ab90f4ff',
      '828684be5886a8eb10649cbf',
      '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
    ],
  },
  'C.5': {
    limit: 256,
    says: ANSWERS,
    blocks: [
      '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d',
      '4803333037c1c0bf',
      '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
    ],
  },
  'C.6': {
    limit: 256,
    says: ANSWERS,
    blocks: [
      '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
      '4883640effc1c0bf',
      '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    ],
  },
}

function decodeAll(decoder: HpackDecoder, block: Buffer): HeaderField[] | string {
  const fields: HeaderField[] = []
  return decoder.decode(block, 0, block.length, { field: field => void fields.push(field) }) ? fields : decoder.reason
}

for (const [section, { limit, blocks, says }] of Object.entries(VECTORS)) {
  test(`reads the examples of RFC 7541 ${section}`, () => {
    const decoder = new HpackDecoder(limit)
    blocks.forEach((block, index) => {
      const fields = decodeAll(decoder, Buffer.from(block, 'hex'))
      assert.ok(Array.isArray(fields), String(fields))
      assert.equal(fields.map(({ name, value }) => `${name} ${value}`).join('|'), says[index]![0])
      assert.equal(decoder.tableSize, says[index]![1])
    })
  })
}

test('writes numbers as in RFC 7541 C.1', () => {
  const out = Buffer.alloc(8)
  assert.deepEqual(out.subarray(0, writeNumber(out, 0, 0, 31, 10)), Buffer.from([10]))
  assert.deepEqual(out.subarray(0, writeNumber(out, 0, 0, 31, 1337)), Buffer.from([31, 154, 10]))
  assert.deepEqual(out.subarray(0, writeNumber(out, 0, 0, 255, 42)), Buffer.from([42]))
})

test('codes every byte with Huffman and back', () => {
  const text = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('')
  const coded = Buffer.alloc(1024)
  const length = encodeHuffman(text, coded, 0)
  assert.equal(length, huffmanBytes(text))
  const target = Buffer.alloc(1024)
  assert.equal(decodeHuffman(coded, 0, length, target), 256)
  assert.equal(target.toString('latin1', 0, 256), text)
})

const FAULTS: readonly (readonly [what: string, hex: string, reason: RegExp])[] = [
  ['index 0', '80', /index beyond/],
  ['an index beyond the table', 'be', /index beyond/],
  ['a name beyond the table', '7e0161', /index beyond/],
  ['a number without end', 'ffffffffffffffffffff', /number too large/],
  ['a number cut off', 'ff', /ends within/],
  ['a string longer than its block', '400a6162', /longer than its block/],
  ['a literal without value', '400161', /before a string/],
  ['a table larger than offered', '3fe21f', /above what was offered/],
  ['a table size after a field', '8220', /after a field/],
  ['Huffman padding of more than seven bits', '00821fff0161', /Huffman/],
  ['Huffman padding with zeros', '0081180161', /Huffman/],
  ['the end-of-string symbol inside', '0084ffffffff0161', /Huffman/],
]
for (const [what, hex, reason] of FAULTS) {
  test(`refuses ${what}`, () =>
    assert.match(String(decodeAll(new HpackDecoder(4096), Buffer.from(hex, 'hex'))), reason))
}

test('keeps nothing larger than the table, and never more than it may', () => {
  const decoder = new HpackDecoder(100)
  const literal = (name: string, value: string) =>
    Buffer.concat([
      Buffer.from([0x40, name.length]),
      Buffer.from(name),
      Buffer.from([value.length]),
      Buffer.from(value),
    ])
  assert.ok(Array.isArray(decodeAll(decoder, literal('a', 'x'.repeat(30)))))
  assert.equal(decoder.tableSize, 63)
  assert.ok(Array.isArray(decodeAll(decoder, literal('b', 'x'.repeat(30)))))
  assert.equal(decoder.tableSize, 63)
  assert.ok(Array.isArray(decodeAll(decoder, literal('c', 'x'.repeat(100)))))
  assert.equal(decoder.tableSize, 0)
})

test('what one side writes the other reads, whatever sizes the table takes', () => {
  const seed = Math.floor(performance.now() * 1000)
  const random = seededRandom(seed)
  const pick = <T>(list: readonly T[]) => list[Math.floor(random.next() * list.length)]!
  const encoder = new HpackEncoder()
  const decoder = new HpackDecoder(4096)
  const names = [
    'Content-Type',
    'x-a',
    'X-B',
    'date',
    'x-kong-request-id',
    'authorization',
    'set-cookie',
    'etag',
    'via',
  ]
  for (let round = 0; round < 2000; round++) {
    if (random.next() < 0.05) encoder.limit(pick([0, 50, 100, 300, 4096, 65536]))
    const out = Buffer.alloc(64 * 1024)
    let at = encoder.begin(out, 0)
    const status = pick([200, 204, 418, 503])
    at = encoder.status(out, at, status)
    const expected = [`:status ${status}`]
    for (let i = 0; i < 8; i++) {
      const name = random.next() < 0.9 ? pick(names) : `x-${Math.floor(random.next() * 100)}`
      const value =
        random.next() < 0.1 ? '\xe4'.repeat(Math.floor(random.next() * 600)) : `v${Math.floor(random.next() * 5)}`
      at = encoder.field(out, at, name, value)
      expected.push(`${name.toLowerCase()} ${value}`)
    }
    const fields = decodeAll(decoder, out.subarray(0, at))
    assert.ok(Array.isArray(fields), `seed ${seed}, round ${round}: ${fields}`)
    assert.deepEqual(
      fields.map(({ name, value }) => `${name} ${value}`),
      expected,
      `seed ${seed}, round ${round}`,
    )
  }
})

test('sends secrets so that nobody keeps them, and a repeated line as one byte', () => {
  const encoder = new HpackEncoder()
  const out = Buffer.alloc(1000)
  const bytesOf = (name: string, value: string) => {
    const end = encoder.field(out, 0, name, value)
    return Buffer.from(out.subarray(0, end))
  }
  assert.equal(bytesOf('Set-Cookie', 'a=b')[0]! & 0xf0, 0x10)
  assert.ok(bytesOf('Server', 'kong/3.9.1').length > 5)
  assert.equal(bytesOf('Server', 'kong/3.9.1').length, 1)
})
