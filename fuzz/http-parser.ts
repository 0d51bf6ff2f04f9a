/**
 * Requests made of fragments and damaged at random, given to our parser and to Node's own (llhttp, strict).
 *
 * Whatever we accept, llhttp must accept too, with the same method, target, number of fields and body; and what we
 * would send on must be read back, by both, as exactly one request with the same body. Accepting more than llhttp is
 * how requests are smuggled. Where we knowingly do, `KNOWN_DIFFERENCES` says so and why it is safe.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { METHODS } from 'node:http'
import type { Random } from '../src/base/random.ts'
import { type ClientSide, Exchange } from '../src/proxy/exchange.ts'
import { ChunkedDecoder } from '../src/proxy/http/chunked-decoder.ts'
import { NEED_MORE } from '../src/proxy/http/head-scanner.ts'
import { CHUNKED, RequestHead } from '../src/proxy/http/request-head.ts'
import { buildUpstreamHead } from '../src/proxy/http/upstream-request-head.ts'
import type { ProxyContext } from '../src/proxy/proxy-context.ts'
import { RequestBody } from '../src/proxy/request-body.ts'
import { damagedText, pick } from '../test/kit/damaged-text.ts'
import { parseWithNode } from '../test/kit/llhttp.ts'
import { proxySettings } from '../test/kit/proxy-gateway.ts'

export const name = 'http-parser'

interface Message {
  readonly method: string
  readonly target: string
  readonly fields: number
  readonly body: string
}

const FRAGMENTS: readonly string[] = [
  'GET / HTTP/1.1\r\n',
  'POST /a?b=c HTTP/1.1\r\n',
  'GET http://a.test/x HTTP/1.1\r\n',
  'PUT / HTTP/1.0\r\n',
  'OPTIONS * HTTP/1.1\r\n',
  'Host: a\r\n',
  'Host: a.test:80\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 5, 5\r\n',
  'Content-Length:\t5 \r\n',
  'Content-Length: +5\r\n',
  'content-length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding:chunked \r\n',
  'Transfer-Encoding\r\n : chunked\r\n',
  'Transfer-Encoding : chunked\r\n',
  'Transfer_Encoding: chunked\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive, X-A\r\n',
  'Connection: Content-Length\r\n',
  'Expect: 100-continue\r\n',
  'X-A: b\r\n',
  'X-A:\r\n',
  'X-A: b\r\n c\r\n',
  'X-A: \xe4\r\n',
  '\r\n',
  '\r\n',
  '\n',
  '\r',
  'hello',
  '5\r\nhello\r\n',
  '05;x=y\r\nhello\r\n',
  '5 \r\nhello\r\n',
  '0\r\n\r\n',
  '0\r\nX-T: 1\r\n\r\n',
  '0;a="\n"\r\n\r\n',
]

/** Bytes that parsers have disagreed about. */
const EVIL = [0, 9, 10, 11, 12, 13, 32, 34, 44, 47, 58, 59, 63, 127, 128, 160, 255]

/** Text is what we took and llhttp did not. */
const KNOWN_DIFFERENCES: readonly ((message: Message) => boolean)[] = [
  // Extension methods: llhttp has a list, RFC 9110 (section 16.1) has a registry, Kong's nginx takes any letters.
  // We send them on as they are, and their framing does not depend on the method.
  ({ method }) => !METHODS.includes(method),
  // Bytes above 127 in targets: nginx takes them. In paths we escape them; in queries they are no delimiters.
  ({ target }) => /[^\x00-\x7f]/.test(target),
]

/** What has fooled parsers before is what new mutations start from. */
function smugglingCorpus(): string[] {
  return readFileSync('test/conformance/smuggling/corpus.txt', 'utf8')
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(line => JSON.parse(line.slice(line.indexOf('\t') + 1)) as string)
}

export function run(random: Random, isOver: () => boolean): number {
  const corpus = [
    ...globSync('fuzz/corpus/http-parser/*').map(file => readFileSync(file, 'latin1')),
    ...smugglingCorpus(),
  ]
  let count = 0
  for (; !isOver() || count < corpus.length; count++) check(corpus[count] ?? makeInput(random), random)
  return count
}

function makeInput(random: Random): string {
  const start = random.next() < 0.7 ? `${pick(FRAGMENTS.slice(0, 4), random)}Host: a\r\n` : ''
  return damagedText(start, { random, fragments: FRAGMENTS, evil: EVIL })
}

function check(text: string, random: Random): void {
  const ours = parseOurs(text, random)
  const theirs = parseNode(text)
  for (const [index, message] of ours.entries()) {
    // llhttp has stopped there.
    if (KNOWN_DIFFERENCES.some(isKnown => isKnown(message))) break
    assert.deepEqual(message, theirs[index], `message ${index} of ${JSON.stringify(text)}`)
  }
  for (const { sent, body } of ours.slice(0, 1).map(() => forwarded(text))) {
    const again = parseOurs(sent, random)
    assert.equal(again.length, 1, `sent on as ${again.length} messages: ${JSON.stringify(sent)}`)
    assert.equal(again[0]!.body, body)
    if (KNOWN_DIFFERENCES.some(isKnown => isKnown(again[0]!))) continue
    assert.deepEqual(parseNode(sent), again, `sent on: ${JSON.stringify(sent)}`)
  }
}

/** All complete messages up to the first that is refused, incomplete, or the last of its connection. */
function parseOurs(text: string, random: Random): Message[] {
  const bytes = Buffer.from(text, 'latin1')
  const head = new RequestHead(100)
  const messages: Message[] = []
  let at = 0
  while (at < bytes.length) {
    const end = head.parse(bytes, at, bytes.length)
    if (end <= NEED_MORE) break
    const body = readBody(bytes, end, head.bodyLength, random)
    if (body === null) break
    const target = head.text.slice(head.method.length + 1, head.text.indexOf(' HTTP/'))
    messages.push({ method: head.method, target, fields: head.count, body: body.text })
    if (!head.keepAlive || head.upgradesToWebsocket) break
    at = body.end
  }
  return messages
}

/** Chunked bodies are fed in random pieces. */
function readBody(bytes: Buffer, from: number, length: number, random: Random): { text: string; end: number } | null {
  if (length !== CHUNKED) {
    const end = from + length
    return end > bytes.length ? null : { text: bytes.toString('latin1', from, end), end }
  }
  const decoder = new ChunkedDecoder({ isRequest: true })
  let text = ''
  for (let at = from; at < bytes.length; ) {
    const piece = Buffer.from(bytes.subarray(at, at + 1 + Math.floor(random.next() * 20)))
    const end = decoder.decode(piece, 0, piece.length)
    if (end < 0) return null
    text += piece.toString('latin1', 0, end)
    at += decoder.consumed
    if (decoder.done) return { text, end: at }
  }
  return null
}

/** The first request as it would be sent to an upstream. */
function forwarded(text: string): { sent: string; body: string } {
  const bytes = Buffer.from(text, 'latin1')
  const head = new RequestHead(100)
  const end = head.parse(bytes, 0, bytes.length)
  const { text: body } = readBody(bytes, end, head.bodyLength, { next: () => 0.5 } as Random)!
  const context = {
    settings: proxySettings,
    clock: { now: () => 0 },
    requestIds: { next: () => '0'.repeat(32) },
  } as unknown as ProxyContext
  const client = { head, peerAddress: '127.0.0.1', isPeerTrusted: false, forwardedLines: '' } as unknown as ClientSide
  const exchange = new Exchange(context, client, head.bodyLength === 0 ? null : new RequestBody(head.bodyLength, 65536))
  const framing = head.bodyLength === 0 ? '' : `Content-Length: ${body.length}\r\n`
  return { sent: buildUpstreamHead(exchange, 'upstream.test', framing) + body, body }
}

function parseNode(text: string): Message[] {
  return parseWithNode(text, 'REQUEST').map(({ method, target, fields, body }) => ({ method, target, fields, body }))
}
