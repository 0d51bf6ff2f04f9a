/**
 * Answers of upstreams, made of fragments and damaged at random, given to our parser and to Node's own (llhttp, strict).
 *
 * Whatever we take for a whole answer, llhttp must take too, with the same status, number of fields and body: an answer
 * that ends elsewhere for the next one in line is how caches are poisoned. However the bytes are cut, they mean the same.
 */
import assert from 'node:assert/strict'
import type { Random } from '../src/base/random.ts'
import { ChunkedDecoder } from '../src/proxy/http/chunked-decoder.ts'
import { NEED_MORE } from '../src/proxy/http/head-scanner.ts'
import { CHUNKED } from '../src/proxy/http/request-head.ts'
import { ResponseHead, UNTIL_CLOSE } from '../src/proxy/http/response-head.ts'
import { damagedText, pick } from '../test/kit/damaged-text.ts'
import { parseWithNode } from '../test/kit/llhttp.ts'

export const name = 'response-parser'

const STARTS = ['HTTP/1.1 200 OK\r\n', 'HTTP/1.0 404 Not Found\r\n', 'HTTP/1.1 204\r\n', 'HTTP/1.1 304 \r\n']
const FRAGMENTS: readonly string[] = [
  ...STARTS,
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/2.0 200 OK\r\n',
  'HTTP/1.1  200 OK\r\n',
  'HTTP/1.1 2000 OK\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: 5, 5\r\n',
  'Content-Length: +5\r\n',
  'content-length : 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: chunked, chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding:\tchunked \r\n',
  'Connection: close\r\n',
  'Connection: keep-alive\r\n',
  'X-A: b\r\n',
  'X-A:\r\n',
  'X-A: b\r\n c\r\n',
  'Set-Cookie: a=\xe4\r\n',
  '\r\n',
  '\r\n',
  '\n',
  'hello',
  '5\r\nhello\r\n',
  '5;x=y\r\nhello\r\n',
  '5;x="\r\n"\r\nhello\r\n',
  '0005\r\nhello\r\n',
  '5 \r\nhello\r\n',
  'ffffffffffffffff1\r\n',
  '-1\r\n',
  '0x5\r\nhello\r\n',
  '0\r\n\r\n',
  '0\r\nX-T: 1\r\n\r\n',
  '0\r\nContent-Length: 7\r\n\r\n',
]
/** Bytes that parsers have disagreed about. */
const EVIL = [0, 9, 10, 11, 12, 13, 32, 34, 48, 58, 59, 127, 128, 255]

const FRAMING = ['content-length', 'transfer-encoding']

interface Answer {
  readonly status: number
  readonly fields: number
  readonly body: string
}

export function run(random: Random, isOver: () => boolean): number {
  let count = 0
  for (; !isOver(); count++) check(makeInput(random), random)
  return count
}

function makeInput(random: Random): string {
  const start = random.next() < 0.9 ? pick(STARTS, random) : ''
  return damagedText(start, { random, fragments: FRAGMENTS, evil: EVIL })
}

function check(text: string, random: Random): void {
  const bytes = Buffer.from(text, 'latin1')
  const whole = parseOurs(bytes, () => bytes.length)
  const pieces = parseOurs(bytes, () => 1 + Math.floor(random.next() * 20))
  assert.deepEqual(pieces, whole, `in pieces: ${JSON.stringify(text)}`)
  if (whole === null) return
  const [theirs] = parseWithNode(text, 'RESPONSE')
  assert.ok(theirs !== undefined, `only we take it: ${JSON.stringify(text)}`)
  const { status, fields, body } = theirs
  assert.deepEqual(whole, { status, fields, body }, JSON.stringify(text))
}

/** The first answer; null when it is refused or not complete. */
function parseOurs(bytes: Buffer, pieceLength: () => number): Answer | null {
  const head = new ResponseHead(100)
  let end = NEED_MORE
  for (let to = 0; end === NEED_MORE && to < bytes.length; ) {
    to = Math.min(bytes.length, to + pieceLength())
    end = head.parse(bytes, 0, to, false)
  }
  if (end <= NEED_MORE) return null
  const answer = { status: head.status, fields: head.count }
  if (head.bodyLength === UNTIL_CLOSE) return { ...answer, body: bytes.toString('latin1', end) }
  if (head.bodyLength !== CHUNKED) {
    const last = end + head.bodyLength
    return last > bytes.length ? null : { ...answer, body: bytes.toString('latin1', end, last) }
  }
  const decoder = new ChunkedDecoder()
  let body = ''
  for (let at = end; at < bytes.length; ) {
    const piece = Buffer.from(bytes.subarray(at, at + pieceLength()))
    const payloadEnd = decoder.decode(piece, 0, piece.length)
    if (payloadEnd < 0) return null
    body += piece.toString('latin1', 0, payloadEnd)
    at += decoder.consumed
    // llhttp refuses framing among trailers; we forward none of it, and it cannot move the end any more.
    const { trailers } = decoder
    if (trailers !== null && FRAMING.some(field => trailers.find(field) !== undefined)) return null
    if (decoder.done) return { ...answer, body }
  }
  return null
}
