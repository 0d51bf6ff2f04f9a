/** A scanner that is used again and again takes fields that come again by comparison: it must see what a new one sees. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { seededRandom } from '../../base/random.ts'
import type { HeadScanner } from './head-scanner.ts'
import { HOST } from './header-ids.ts'
import { RequestHead } from './request-head.ts'
import { ResponseHead } from './response-head.ts'

const REQUEST_LINES = [
  'GET / HTTP/1.1',
  'GET /a?b=c HTTP/1.1',
  'POST /long/er/path HTTP/1.1',
  'GET / HTTP/1.0',
  'get / HTTP/1.1',
]
const STATUS_LINES = ['HTTP/1.1 200 OK', 'HTTP/1.1 404 Not Found', 'HTTP/1.1 204 No Content', 'HTTP/1.1 2O0 OK']
/** Many of the same length, some that differ in their last byte alone, some that are refused. */
const FIELDS = [
  'Host: a\r\n',
  'Host: b\r\n',
  'Host: a\r\nX: 1\r\n',
  'Host: a\r\nY: 1\r\n',
  'Host: a\r\nX: 2\r\n',
  'Host: a\r\nConnection: close\r\n',
  'Host: a\r\nContent-Length: 3\r\n',
  'Host: a\r\nContent-Length: 4\r\n',
  'Host: a\r\nTransfer-Encoding: chunked\r\n',
  'Host: a\r\nContent-Length: x\r\n',
  'Host: a\r\nX\x01: 1\r\n',
  'Host: a\r\nHost: a\r\n',
  '',
]

function seen(head: HeadScanner, result: number, isParsed: boolean): unknown {
  if (!isParsed) return { result, reason: result < 0 ? head.reason : '' }
  const own = { ...(head as unknown as Record<string, unknown>) }
  delete own['reason']
  const { ids: _ids, ...plain } = own
  const fields = Array.from({ length: head.count }, (_, index) => [
    head.ids[index],
    head.nameAt(index),
    head.valueAt(index),
    head.lineAt(index),
  ])
  return { result, plain, fields, host: head.known(HOST), list: head.knownList(HOST), end: head.lineAt(head.count) }
}

function compare<Head extends HeadScanner>(
  lines: readonly string[],
  make: () => Head,
  parse: (head: Head, bytes: Buffer, from: number, to: number) => number,
): void {
  const seed = randomInt(2 ** 31)
  const random = seededRandom(seed)
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random.next() * of.length)]!
  const used = make()
  for (let i = 0; i < 5_000; i++) {
    const padding = ' '.repeat(Math.floor(random.next() * 3))
    const text = `${pick(lines)}\r\n${pick(FIELDS)}\r\n`
    const bytes = Buffer.from(padding + text + pick(['', 'GET / HTTP/1.1\r\n', '\r\n', 'abc']), 'latin1')
    // Often all of it, else cut somewhere.
    const to = random.next() < 0.8 ? bytes.length : padding.length + Math.floor(random.next() * text.length)
    const fresh = make()
    const [expected, result] = [parse(fresh, bytes, padding.length, to), parse(used, bytes, padding.length, to)]
    const what = `seed ${seed}, head ${i}: ${JSON.stringify(text)}`
    assert.deepEqual(seen(used, result, result > 0), seen(fresh, expected, expected > 0), what)
  }
}

test('a request head means the same after whatever other heads', () => {
  compare(
    REQUEST_LINES,
    () => new RequestHead(100),
    (head, bytes, from, to) => head.parse(bytes, from, to),
  )
})

test('a response head means the same after whatever other heads', () => {
  compare(
    STATUS_LINES,
    () => new ResponseHead(100),
    (head, bytes, from, to) => head.parse(bytes, from, to, false),
  )
})
