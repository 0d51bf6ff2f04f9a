/** One request of an HTTP/2 client: the exchange's client side, over one stream. */
import type { Expiring } from '../deadlines.ts'
import type { ClientSide, Exchange, ExchangeEvents } from '../exchange.ts'
import { CANCEL, INTERNAL_ERROR, PROTOCOL_ERROR } from '../http2/frames.ts'
import type { FieldSink } from '../http2/hpack-decoder.ts'
import { STREAM_WINDOW } from '../http2/http2-session.ts'
import { Http2Stream } from '../http2/http2-stream.ts'
import { Http2Trailers } from '../http2/request-head.ts'
import type { TrailerSection } from '../http/chunked-decoder.ts'
import { trailerLines } from '../http/joined-bytes.ts'
import type { RequestBody } from '../request-body.ts'
import type { RouterInput } from '../router/router.ts'
import type { Http2ClientConnection, RequestSlot } from './http2-client-connection.ts'

const TRAILER_FIELDS_MAX = 32

export class Http2ClientStream extends Http2Stream implements ClientSide, Expiring {
  readonly connection: Http2ClientConnection
  readonly slot: RequestSlot
  deadline = 0
  sweepIndex = -1
  exchange: Exchange | null = null
  readonly #events: ExchangeEvents
  #declaredLength = 0
  #received = 0
  #hasBegun = false
  #isPaused = true
  #awaitsContinue = false
  /** What came while the body was paused. */
  #inbox: Buffer[] = NO_PIECES
  #hasEndInInbox = false
  #trailers: Http2Trailers | null = null

  constructor(connection: Http2ClientConnection, events: ExchangeEvents, id: number, slot: RequestSlot) {
    super(connection, id, connection.peer.initialWindowSize, STREAM_WINDOW)
    this.connection = connection
    this.slot = slot
    this.#events = events
  }

  get head(): ClientSide['head'] {
    return this.slot.head
  }
  get peerAddress(): string {
    return this.connection.address.peerAddress
  }
  get isPeerTrusted(): boolean {
    return this.connection.address.isPeerTrusted
  }
  get proxiedAddress(): string | null {
    return this.connection.address.proxiedAddress
  }
  get localAddress(): string {
    return this.connection.localAddress
  }
  get localPort(): number {
    return this.connection.address.localPort
  }
  get publicPort(): number {
    return this.connection.address.publicPort
  }
  get scheme(): 'http' | 'https' {
    return this.connection.address.scheme
  }
  get sni(): string {
    return this.connection.address.sni
  }
  get tls(): ClientSide['tls'] {
    return this.connection.address.tls
  }
  get serial(): number {
    return this.connection.serial
  }
  get requests(): number {
    return this.connection.requests
  }
  get bytesWritten(): number {
    return this.connection.bytesWritten
  }
  get forwardedLines(): string {
    return this.connection.forwardedLines
  }

  routerInput(exchange: Exchange): RouterInput {
    return this.slot.routerView.fill(exchange)
  }

  /** Gives the exchange its body, whose beginning may come with the head. */
  expectBody(exchange: Exchange, length: number, bytesMax: number): void {
    this.exchange = exchange
    this.#declaredLength = length
    this.#awaitsContinue = this.head.expectsContinue
    exchange.isBodyTooLarge = bytesMax !== 0 && length > bytesMax
  }

  begin(): void {
    const { exchange } = this
    this.#hasBegun = true
    if (exchange !== null) this.#events.begin(exchange)
  }

  headerSink(): FieldSink {
    return (this.#trailers = new Http2Trailers(TRAILER_FIELDS_MAX))
  }

  headersArrived(isEnd: boolean): void {
    if (!isEnd) return this.session.failStream(this, PROTOCOL_ERROR, 'trailers that do not end the stream')
    if (this.#trailers!.isMalformed) return this.session.failStream(this, PROTOCOL_ERROR, 'malformed trailers')
    this.dataArrived(NOTHING, 0, 0, true)
  }

  dataArrived(bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    this.#received += to - from
    const { exchange } = this
    if (exchange === null) return this.session.consumed(this, to - from)
    if (!this.#isLengthTrue(isEnd)) {
      return this.session.failStream(this, PROTOCOL_ERROR, 'body differs from Content-Length')
    }
    this.#awaitsContinue = false
    const { body } = exchange
    if (body === null) return
    if (!this.#hasBegun) this.#holdFirst(exchange, body, bytes, from, to, isEnd)
    else if (this.#isPaused) {
      if (to > from) this.#keep(bytes, from, to)
      this.#hasEndInInbox = isEnd
    } else this.#deliver(exchange, bytes, from, to, isEnd)
  }

  #isLengthTrue(isEnd: boolean): boolean {
    if (this.#declaredLength < 0) return true
    return isEnd ? this.#received === this.#declaredLength : this.#received <= this.#declaredLength
  }

  /** Came together with the head: held, so that small requests leave in one piece. */
  #holdFirst(exchange: Exchange, body: RequestBody, bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    if (!exchange.isBodyTooLarge) body.hold(bytes, from, to)
    this.#count(exchange, body, to - from, isEnd)
  }

  #count(exchange: Exchange, body: RequestBody, bytes: number, isEnd: boolean): void {
    const { bodyBytesMax, bodyTimeoutMs } = exchange.context.settings.client
    body.received += bytes
    body.isComplete = isEnd
    if (isEnd) body.trailers = this.#trailers
    if (bodyBytesMax !== 0 && body.received > bodyBytesMax) exchange.isBodyTooLarge = true
    this.session.consumed(this, bytes)
    this.#setDeadline(isEnd || this.#isPaused ? 0 : bodyTimeoutMs)
  }

  #deliver(exchange: Exchange, bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    this.#count(exchange, exchange.body!, to - from, isEnd)
    this.#events.bodyArrived(exchange, bytes, from, to)
  }

  #setDeadline(ms: number): void {
    const { deadlines } = this.connection.context
    this.deadline = deadlines.in(ms)
    if (ms > 0 && this.sweepIndex === -1) deadlines.add(this)
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    if (this.#inbox === NO_PIECES) this.#inbox = []
    this.#inbox.push(Buffer.copyBytesFrom(bytes, from, to - from))
  }

  pauseBody(): void {
    this.#isPaused = true
    this.#setDeadline(0)
  }

  readBody(): void {
    const { exchange } = this
    if (exchange === null || exchange.body === null || exchange.body.isComplete) return
    if (this.#awaitsContinue) {
      this.#awaitsContinue = false
      this.sendHeaders(100, '')
    }
    this.#isPaused = false
    this.#setDeadline(exchange.context.settings.client.bodyTimeoutMs)
    while (this.#inbox.length > 0 && this.#mayRead(exchange)) {
      const piece = this.#inbox.shift()!
      this.#deliver(exchange, piece, 0, piece.length, this.#hasEndInInbox && this.#inbox.length === 0)
    }
    const isOnlyEnd = this.#hasEndInInbox && this.#inbox.length === 0 && this.#mayRead(exchange)
    if (isOnlyEnd && !exchange.body.isComplete) this.#deliver(exchange, NOTHING, 0, 0, true)
  }

  /** Whoever takes a piece may pause, or end the exchange. */
  #mayRead(exchange: Exchange): boolean {
    return !this.#isPaused && this.exchange === exchange
  }

  /** Whether a connection serves further requests is its own business here. */
  canKeepAlive(): boolean {
    return true
  }

  write(head: string, bytes: Buffer | null, from: number, to: number): boolean {
    if (this.isLocalClosed) return true
    if (head !== '') this.sendHeaders(Number(head.slice(9, 12)), head)
    if (bytes === null || from === to) return true
    const goesOn = this.sendData(bytes, from, to)
    if (!goesOn) this.#setDeadline(this.connection.context.settings.client.sendTimeoutMs)
    return goesOn
  }

  /** Progress of a client that reads slowly. */
  override wroteData(flagsAt: number, bytes: number): void {
    super.wroteData(flagsAt, bytes)
    if (this.queuedBytes > 0) this.#setDeadline(this.connection.context.settings.client.sendTimeoutMs)
  }

  drained(): void {
    const { exchange } = this
    if (exchange === null) return
    this.deadline = 0
    this.#events.clientDrained(exchange)
  }

  finish(): void {
    const { exchange } = this
    if (exchange === null) return
    this.exchange = null
    this.#inbox = NO_PIECES
    this.connection.context.counts.handled++
    const { answerTrailers } = exchange
    this.endSending(answerTrailers === null || exchange.hasBodilessAnswer ? null : linesOf(answerTrailers))
    if (this.queuedBytes > 0) this.#setDeadline(this.connection.context.settings.client.sendTimeoutMs)
    else this.deadline = 0
  }

  ended(): void {
    const { exchange } = this
    this.exchange = null
    this.#inbox = NO_PIECES
    if (exchange !== null) this.#events.clientGone(exchange)
  }

  onDeadline(): void {
    const { exchange } = this
    const awaitsBody = exchange !== null && !this.isRemoteClosed && exchange.sentHead === '' && !this.#isPaused
    if (awaitsBody) return this.#events.bodyRefused(exchange, 'request_timeout')
    this.reset(CANCEL)
    this.ended()
  }

  destroy(): void {
    this.exchange = null
    this.reset(INTERNAL_ERROR)
  }
}

function linesOf(trailers: TrailerSection): string | null {
  const lines = trailerLines(trailers)
  return lines === '' ? null : `\r\n${lines}`
}

const NOTHING = Buffer.alloc(0)
/** Nearly all streams keep none. */
const NO_PIECES: Buffer[] = []
