import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NEED_MORE } from './head-scanner.ts'
import { CHUNKED } from './request-head.ts'
import { ResponseHead, UNTIL_CLOSE } from './response-head.ts'

function parse(text: string, isHead = false): { result: number; head: ResponseHead } {
  const head = new ResponseHead(100)
  const bytes = Buffer.from(text, 'latin1')
  return { result: head.parse(bytes, 0, bytes.length, isHead), head }
}

const REFUSALS: readonly string[] = [
  'this is not http\r\n\r\n',
  'HTTP/2 200\r\n\r\n',
  'HTTP/1.2 200 OK\r\n\r\n',
  'HTTP/1.1  200 OK\r\n\r\n',
  'HTTP/1.1 20 OK\r\n\r\n',
  'HTTP/1.1 2000 OK\r\n\r\n',
  'HTTP/1.1 099 OK\r\n\r\n',
  'HTTP/1.1 600 OK\r\n\r\n',
  'HTTP/1.1 200OK\r\n\r\n',
  'HTTP/1.1 200 OK\n\r\n',
  'HTTP/1.1 200 O\0K\r\n\r\n',
  'http/1.1 200 OK\r\n\r\n',
  '\r\nHTTP/1.1 200 OK\r\n\r\n',
  'HTTP/1.1 200 OK\r\nX : 1\r\n\r\n',
  'HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n',
  'HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n',
  'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
]

for (const text of REFUSALS) {
  test(`parse() refuses when the upstream says ${JSON.stringify(text)}`, () => {
    const { result, head } = parse(text)
    assert.ok(result < 0, `took it: ${result}`)
    assert.notEqual(head.reason, '')
  })
}

const BODIES: readonly (readonly [text: string, isHead: boolean, length: number])[] = [
  ['HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n', false, 7],
  ['HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n', true, 0],
  ['HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n', false, CHUNKED],
  ['HTTP/1.1 200 OK\r\n\r\n', false, UNTIL_CLOSE],
  ['HTTP/1.1 200 OK\r\n\r\n', true, 0],
  ['HTTP/1.1 204 No Content\r\n\r\n', false, 0],
  ['HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n', false, 0],
  ['HTTP/1.1 100 Continue\r\n\r\n', false, 0],
]

for (const [text, isHead, length] of BODIES) {
  test(`parse() finds body length ${length} in ${JSON.stringify(text)}${isHead ? ' to HEAD' : ''}`, () => {
    const { result, head } = parse(text, isHead)
    assert.equal(result, text.length)
    assert.equal(head.bodyLength, length)
  })
}

test('parse() keeps the reason phrase as sent, or none', () => {
  assert.equal(parse('HTTP/1.1 404 Nö such\r\n\r\n').head.statusText, '404 Nö such')
  assert.equal(parse('HTTP/1.1 200 \r\n\r\n').head.statusText, '200 ')
  assert.equal(parse('HTTP/1.1 200\r\n\r\n').head.statusText, '200')
})

test('parse() needs more when given any true prefix of a response', () => {
  const text = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\n'
  for (let length = 0; length < text.length; length++) assert.equal(parse(text.slice(0, length)).result, NEED_MORE)
})
