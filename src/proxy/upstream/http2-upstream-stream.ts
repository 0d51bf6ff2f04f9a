/** One request to an upstream that speaks HTTP/2, and its answer: one stream of a connection that others use too. */
import type { Expiring } from '../deadlines.ts'
import { CANCEL, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM } from '../http2/frames.ts'
import type { FieldSink } from '../http2/hpack-decoder.ts'
import { STREAM_WINDOW } from '../http2/http2-session.ts'
import { Http2Stream } from '../http2/http2-stream.ts'
import { Http2Trailers } from '../http2/request-head.ts'
import { Http2ResponseHead } from '../http2/response-head.ts'
import type { TrailerSection } from '../http/chunked-decoder.ts'
import { trailerLines } from '../http/joined-bytes.ts'
import { CHUNKED } from '../http/request-head.ts'
import type { Http2UpstreamConnection } from './http2-upstream-connection.ts'
import type { UpstreamConsumer, UpstreamFailure, UpstreamSide } from './upstream-side.ts'

const HEAD_FIELDS_MAX = 1000
const HEAD_BYTES_MAX = 64 * 1024
const INTERIM_RESPONSES_MAX = 16
const TRAILER_FIELDS_MAX = 32

export class Http2UpstreamStream<Owner> extends Http2Stream implements UpstreamSide, Expiring {
  readonly isHttp2 = true
  readonly head = new Http2ResponseHead(HEAD_FIELDS_MAX, HEAD_BYTES_MAX)
  readonly isReused: boolean
  hasAnswered = false
  deadline = 0
  sweepIndex = -1
  readonly #connection: Http2UpstreamConnection<Owner>
  readonly #consumer: UpstreamConsumer<Owner>
  #owner: Owner | null
  #readTimeoutMs = 0
  #writeTimeoutMs = 0
  #isHeadRequest = false
  #interim = 0
  #hasHead = false
  #remaining = CHUNKED
  #trailers: Http2Trailers | null = null
  #isPaused = false
  #inbox: Buffer[] = NO_PIECES
  #hasEndInInbox = false

  constructor(connection: Http2UpstreamConnection<Owner>, consumer: UpstreamConsumer<Owner>, owner: Owner) {
    super(connection, 0, connection.peer.initialWindowSize, STREAM_WINDOW)
    this.#connection = connection
    this.#consumer = consumer
    this.#owner = owner
    this.isReused = connection.requests > 1
    connection.deadlines.add(this)
  }

  get trailers(): TrailerSection | null {
    return this.#trailers
  }

  get isConnecting(): boolean {
    return this.#connection.isConnecting
  }

  get isDrained(): boolean {
    return this.queuedBytes === 0
  }

  assign(_owner: Owner, connectTimeoutMs: number): void {
    if (this.isConnecting) this.deadline = this.#connection.deadlines.in(connectTimeoutMs)
  }

  connected(): void {
    if (this.#owner !== null) this.#consumer.connected(this.#owner, this)
  }

  begin(isHeadRequest: boolean, readTimeoutMs: number, writeTimeoutMs: number): void {
    this.#isHeadRequest = isHeadRequest
    this.#readTimeoutMs = readTimeoutMs
    this.#writeTimeoutMs = writeTimeoutMs
    this.expectAnswer()
  }

  /** The whole head of an HTTP/1.1 request, to be said in HTTP/2. */
  sendHead(text: string, isEnd: boolean): void {
    this.noteFlags(this.#connection.sendRequestHead(this.id, text))
    if (isEnd) this.endSending()
  }

  write(data: string | Buffer): boolean {
    const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data
    return this.sendBody(bytes, 0, bytes.length)
  }

  sendBody(bytes: Buffer, from: number, to: number): boolean {
    const goesOn = this.sendData(bytes, from, to)
    this.deadline = this.#connection.deadlines.in(goesOn ? this.#readTimeoutMs : this.#writeTimeoutMs)
    return goesOn
  }

  endBody(trailers: TrailerSection | null): void {
    const lines = trailers === null ? '' : trailerLines(trailers)
    this.endSending(lines === '' ? null : `\r\n${lines}`)
  }

  end(): void {
    this.endSending()
  }

  expectAnswer(): void {
    this.deadline = this.#connection.deadlines.in(this.#readTimeoutMs)
  }

  becomeTunnel(): void {}

  headerSink(): FieldSink {
    if (this.#hasHead) return (this.#trailers = new Http2Trailers(TRAILER_FIELDS_MAX))
    this.head.begin()
    return this.head
  }

  headersArrived(isEnd: boolean): void {
    this.hasAnswered = true
    if (this.#hasHead) return this.#takeTrailers(isEnd)
    const fault = this.head.complete(this.#isHeadRequest)
    if (fault !== '') return this.#invalid(fault)
    const owner = this.#owner
    if (owner === null) return
    this.expectAnswer()
    if (this.head.status < 200) {
      if (isEnd || ++this.#interim > INTERIM_RESPONSES_MAX) return this.#invalid('too many interim responses')
      return this.#consumer.interim(owner, this)
    }
    this.#hasHead = true
    this.#remaining = this.head.bodyLength
    this.#consumer.head(owner, this)
    if (isEnd) this.dataArrived(NOTHING, 0, 0, true)
    else if (this.#owner !== null) this.#connection.noteHead(this)
  }

  /** The end of a read: the head must not wait for a body that may be long in coming. */
  readEnd(): void {
    if (this.#owner !== null && this.#inbox.length === 0) this.#consumer.readEnd(this.#owner, this)
  }

  #takeTrailers(isEnd: boolean): void {
    if (!isEnd || this.#trailers!.isMalformed) return this.#invalid('malformed trailers')
    this.dataArrived(NOTHING, 0, 0, true)
  }

  dataArrived(bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    if (!this.#hasHead) return this.#invalid('payload before a head')
    if (this.#remaining !== CHUNKED) {
      this.#remaining -= to - from
      const isHeadless = this.#isHeadRequest || this.head.status === 204 || this.head.status === 304
      if (this.#remaining < 0 || (isEnd && this.#remaining > 0 && !isHeadless)) return this.#invalid('wrong length')
    }
    if (this.#isPaused) {
      if (to > from) this.#keep(bytes, from, to)
      this.#hasEndInInbox = isEnd
    } else this.#deliver(bytes, from, to, isEnd)
  }

  #deliver(bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    const owner = this.#owner
    if (to > from) this.session.consumed(this, to - from)
    if (owner === null) return
    if (isEnd) {
      this.#owner = null
      this.deadline = 0
    } else this.expectAnswer()
    this.#consumer.payload(owner, this, bytes, from, to, isEnd)
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    if (this.#inbox === NO_PIECES) this.#inbox = []
    this.#inbox.push(Buffer.copyBytesFrom(bytes, from, to - from))
  }

  pause(): void {
    this.#isPaused = true
    this.deadline = 0
  }

  resume(): void {
    if (this.#owner === null) return
    this.#isPaused = false
    this.expectAnswer()
    while (this.#inbox.length > 0 && !this.#isPaused) {
      const piece = this.#inbox.shift()!
      this.#deliver(piece, 0, piece.length, this.#hasEndInInbox && this.#inbox.length === 0)
    }
    if (this.#hasEndInInbox && !this.#isPaused && this.#owner !== null) this.#deliver(NOTHING, 0, 0, true)
  }

  /** The answer is complete. A request that is not is of no use any more. */
  release(): void {
    this.#owner = null
    if (!this.isLocalClosed) this.reset(CANCEL)
  }

  drained(): void {
    if (this.#owner !== null) this.#consumer.drained(this.#owner, this)
  }

  #invalid(reason: string): void {
    const owner = this.#owner
    this.#owner = null
    this.reset(PROTOCOL_ERROR)
    if (owner !== null) this.#consumer.failed(owner, this, 'invalid_response', reason)
  }

  ended(code: number): void {
    // An answer that is whole stands, even if the rest of the request was not wanted.
    if (this.isRemoteClosed && code === NO_ERROR) return
    this.fail(code === REFUSED_STREAM ? 'refused' : 'closed', `stream was reset with code ${code}`)
  }

  fail(failure: UpstreamFailure, reason: string): void {
    const owner = this.#owner
    this.#owner = null
    this.#inbox = NO_PIECES
    this.#connection.deadlines.remove(this)
    if (owner !== null) this.#consumer.failed(owner, this, failure, reason)
  }

  onDeadline(): void {
    const wasConnecting = this.isConnecting
    this.#connection.forgetWaiting(this)
    this.reset(CANCEL)
    this.fail(wasConnecting ? 'connect_timed_out' : 'timed_out', 'timed out')
  }

  destroy(): void {
    this.#owner = null
    this.#inbox = NO_PIECES
    this.#connection.forgetWaiting(this)
    this.reset(CANCEL)
  }
}

const NOTHING = Buffer.alloc(0)
/** Nearly all streams keep none. */
const NO_PIECES: Buffer[] = []
