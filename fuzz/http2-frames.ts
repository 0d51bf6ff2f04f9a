/**
 * Streams of HTTP/2 frames, made and damaged at random, given to a session with streams that answer everything.
 *
 * However the bytes are cut into reads, the session does the same; it never throws, keeps no stream that has ended, and
 * after an error of the connection it takes nothing more.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Random } from '../src/base/random.ts'
import { type FieldSink, HpackDecoder } from '../src/proxy/http2/hpack-decoder.ts'
import { Http2Session } from '../src/proxy/http2/http2-session.ts'
import { Http2Stream } from '../src/proxy/http2/http2-stream.ts'
import { block, frame, GET, uint32 } from '../test/kit/http2-frames.ts'

export const name = 'http2-frames'

const ANSWER = Buffer.alloc(100, 'x')
const SINK: FieldSink = { field() {} }

class EchoStream extends Http2Stream {
  readonly #seen: string[]
  constructor(session: FuzzSession, id: number, seen: string[]) {
    super(session, id, session.peer.initialWindowSize, 256 * 1024)
    this.#seen = seen
  }
  headerSink(): FieldSink {
    return SINK
  }
  headersArrived(isEnd: boolean): void {
    this.#seen.push(`trailers ${this.id} ${isEnd}`)
    if (isEnd) this.answer()
  }
  dataArrived(_bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    this.#seen.push(`data ${this.id} ${to - from} ${isEnd}`)
    this.session.consumed(this, to - from)
    if (isEnd) this.answer()
  }
  answer(): void {
    this.sendHeaders(200, 'HTTP/1.1 200 OK\r\nServer: fuzz\r\n\r\n')
    this.sendData(ANSWER, 0, ANSWER.length)
    this.endSending()
  }
  ended(code: number): void {
    this.#seen.push(`ended ${this.id} ${code}`)
  }
  drained(): void {}
}

class FuzzSession extends Http2Session<EchoStream> {
  readonly seen: string[] = []
  constructor() {
    // Never written to: frames leave in a later turn, and there is none for a session.
    super({ destroyed: true } as unknown as Socket, { now: 0 })
  }
  protected openStream(id: number): FieldSink | null {
    if (id % 2 === 0 || id <= this.lastPeerStreamId) {
      this.fail(1, 'no new stream')
      return null
    }
    this.lastPeerStreamId = id
    return this.streams.size >= 128 ? this.refuseStream(id) : SINK
  }
  protected streamOpened(id: number, isEnd: boolean): void {
    const stream = new EchoStream(this, id, this.seen)
    stream.isRemoteClosed = isEnd
    this.streams.set(id, stream)
    this.seen.push(`open ${id} ${isEnd}`)
    if (isEnd) stream.answer()
  }
  protected isIdleId(id: number): boolean {
    return id > this.lastPeerStreamId || id % 2 === 0
  }
  protected goneAway(): void {
    this.seen.push('goaway')
  }
  protected forgotten(stream: EchoStream): void {
    assert.ok(!this.streams.has(stream.id))
  }
  protected sessionClosed(): void {}
  protected settingsArrived(): void {}
  protected logError(reason: string): void {
    this.seen.push(reason)
  }
}

export function run(random: Random, isOver: () => boolean): number {
  const corpus = globSync('fuzz/corpus/http2-frames/*')
    .sort()
    .map(file => readFileSync(file))
  let count = 0
  for (; !isOver() || count < corpus.length; count++) check(corpus[count] ?? makeInput(random, corpus), random)
  return count
}

function makeInput(random: Random, corpus: readonly Buffer[]): Buffer {
  const number = (below: number) => Math.floor(random.next() * below)
  const pieces: Buffer[] = [random.next() < 0.5 ? corpus[number(corpus.length)]! : frame('SETTINGS', 0, 0)]
  for (let frames = number(20); frames > 0; frames--) {
    const id = random.next() < 0.8 ? number(8) : number(2 ** 31)
    const payloads = [block(GET), Buffer.alloc(number(300)), uint32(number(2 ** 32)), Buffer.alloc(8), Buffer.alloc(0)]
    pieces.push(frame(number(11), number(256), id, payloads[number(payloads.length)]!))
  }
  const bytes = Buffer.concat(pieces)
  for (let damages = number(3); damages > 0; damages--) bytes[number(bytes.length)] = number(256)
  return bytes
}

function check(bytes: Buffer, random: Random): void {
  const whole = new FuzzSession()
  whole.read(bytes, 0, bytes.length)
  const pieces = new FuzzSession()
  for (let at = 0; at < bytes.length; ) {
    const piece = Buffer.from(bytes.subarray(at, at + 1 + Math.floor(random.next() * 40)))
    pieces.read(piece, 0, piece.length)
    at += piece.length
  }
  assert.deepEqual(pieces.seen, whole.seen, bytes.toString('hex'))
  assert.deepEqual(pieces.out.bytes.subarray(0, pieces.out.length), whole.out.bytes.subarray(0, whole.out.length))
  assert.ok(whole.streams.size <= 128)
  if (!whole.isOpen) assert.equal(whole.streams.size, 0, bytes.toString('hex'))
  readFrames(whole.out.bytes.subarray(0, whole.out.length))
}

/** What was written is frames, and its header blocks are such. */
function readFrames(bytes: Buffer): void {
  const decoder = new HpackDecoder(4096)
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUIntBE(at, 3)
    const end = at + 9 + length
    assert.ok(end <= bytes.length)
    if (bytes[at + 3] === 1) assert.ok(decoder.decode(bytes, at + 9, end, SINK), decoder.reason)
    at = end
  }
}
