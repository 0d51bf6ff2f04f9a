import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChunkedDecoder } from './chunked-decoder.ts'

/** Feeds the text in pieces of a size; returns the payload, or the reason of a refusal. */
function decode(text: string, pieceSize = text.length): { payload: string; decoder: ChunkedDecoder; rest: string } {
  const decoder = new ChunkedDecoder({ isRequest: true })
  let payload = ''
  for (let at = 0; at < text.length && !decoder.done; at += pieceSize) {
    const bytes = Buffer.from(text.slice(at, at + pieceSize), 'latin1')
    const end = decoder.decode(bytes, 0, bytes.length)
    if (end < 0) return { payload: `refused: ${decoder.reason}`, decoder, rest: '' }
    payload += bytes.toString('latin1', 0, end)
    if (decoder.done) return { payload, decoder, rest: text.slice(at + decoder.consumed) }
  }
  return { payload, decoder, rest: '' }
}

const BODIES: readonly (readonly [text: string, payload: string, rest: string])[] = [
  ['0\r\n\r\n', '', ''],
  ['3\r\nabc\r\n0\r\n\r\nGET', 'abc', 'GET'],
  ['1\r\na\r\n2\r\nbc\r\n00\r\n\r\n', 'abc', ''],
  ['a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n', '01234567890123456789', ''],
  ['3;a=b\r\nabc\r\n0;x\r\n\r\n', 'abc', ''],
  ['3;a="\xe4; "\r\nabc\r\n0\r\nX-T: 1\r\nY: 2\r\n\r\nrest', 'abc', 'rest'],
]

for (const [text, payload, rest] of BODIES) {
  test(`decode() unwraps ${JSON.stringify(text)} in whatever pieces it comes`, () => {
    for (let size = 1; size <= text.length; size++) {
      const got = decode(text, size)
      assert.deepEqual([got.payload, got.decoder.done, got.rest], [payload, true, rest], `pieces of ${size}`)
    }
  })
}

const REFUSALS: readonly string[] = [
  '\r\n',
  ' 3\r\nabc\r\n0\r\n\r\n',
  '3 \r\nabc\r\n0\r\n\r\n',
  '3\nabc\n0\n\n',
  '3\rXabc\r\n0\r\n\r\n',
  'g\r\nabc\r\n0\r\n\r\n',
  '0x3\r\nabc\r\n0\r\n\r\n',
  '-3\r\nabc\r\n0\r\n\r\n',
  '+3\r\nabc\r\n0\r\n\r\n',
  '3\r\nabcd\r\n0\r\n\r\n',
  '3\r\nabc\n0\r\n\r\n',
  '3\r\nabc\rX0\r\n\r\n',
  '3;a\nb\r\nabc\r\n0\r\n\r\n',
  '3;\r\nabc\r\n0\r\n\r\n',
  '3;a;\r\nabc\r\n0\r\n\r\n',
  '0\r\nContent-Length: 3\r\n\r\nabc',
  '0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  '3;a\0\r\nabc\r\n0\r\n\r\n',
  '1000000000000\r\n',
  '0000000000000\r\n\r\n',
  '0\r\nX : 1\r\n\r\n',
  '0\r\n X: 1\r\n\r\n',
  '0\r\nX: 1\n\r\n',
  '0\r\nX: a\0\r\n\r\n',
  `3;${'x'.repeat(17_000)}\r\nabc\r\n`,
  `0\r\nX: ${'x'.repeat(9_000)}\r\n\r\n`,
  `0\r\n${'X: 1\r\n'.repeat(40)}\r\n`,
]

for (const text of REFUSALS) {
  test(`decode() refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
    for (const size of [text.length, 7, 1]) assert.match(decode(text, size).payload, /refused: ./, `pieces of ${size}`)
  })
}

test('decode() keeps trailers when the body has some', () => {
  const { decoder } = decode('0\r\nX-Sum: abc\r\n\r\n')
  assert.equal(decoder.trailers?.find('x-sum'), 'abc')
  decoder.reset()
  assert.equal(decoder.trailers, null)
})
