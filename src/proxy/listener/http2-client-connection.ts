/** A client's HTTP/2 connection: streams that are requests, and the way to its end without losing one. */
import type { Socket } from 'node:net'
import type { Expiring } from '../deadlines.ts'
import { refusalCode } from '../errors.ts'
import { Exchange, type ExchangeEvents } from '../exchange.ts'
import { ENHANCE_YOUR_CALM, NO_ERROR, PREFACE, PROTOCOL_ERROR, WINDOW_MAX } from '../http2/frames.ts'
import type { FieldSink } from '../http2/hpack-decoder.ts'
import { Http2Session } from '../http2/http2-session.ts'
import { MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE } from '../http2/peer-settings.ts'
import { Http2RequestHead, MALFORMED } from '../http2/request-head.ts'
import { CHUNKED } from '../http/request-head.ts'
import type { ProxyContext } from '../proxy-context.ts'
import { RequestBody } from '../request-body.ts'
import { type RoutedConnection, RouterView } from '../router-view.ts'
import type { ClientAddress } from './client-connection.ts'
import { Http2ClientStream } from './http2-client-stream.ts'
import type { ConnectionOwner, OpenConnection } from './open-connection.ts'

/** nginx's default. */
const STREAMS_MAX = 128
/** After our last byte the client has this long to close, so that no reset destroys what it has not read yet. */
const LINGER_MS = 2000

/** A client that was asked to begin nothing new may have begun something before it knew: more than a round trip. */
const GOING_AWAY_MS = 1000

/** What a request is read into; used again by later requests of the connection. */
export interface RequestSlot {
  readonly head: Http2RequestHead
  readonly routerView: RouterView
}

/** On the way to the end: all is well; the client was asked to begin nothing new; only what has begun is finished. */
type Stage = 'open' | 'announced' | 'finishing' | 'lingering'

export class Http2ClientConnection
  extends Http2Session<Http2ClientStream>
  implements OpenConnection, RoutedConnection, Expiring
{
  readonly context: ProxyContext
  readonly address: ClientAddress
  readonly serial: number
  readonly forwardedLines: string
  requests = 0
  deadline = 0
  sweepIndex = -1
  readonly #events: ExchangeEvents
  readonly #owner: ConnectionOwner
  readonly #socket: Socket
  readonly #slots: RequestSlot[] = []
  #pending: RequestSlot | null = null
  /** Streams whose head has come in this read; they begin at its end, with as much of their bodies as came. */
  #fresh: Http2ClientStream[] = []
  #prefaceRead = 0
  #stage: Stage = 'open'
  readonly #grace: Expiring = { deadline: 0, sweepIndex: -1, onDeadline: () => this.#finish() }
  #isClosed = false

  constructor(
    context: ProxyContext,
    events: ExchangeEvents,
    owner: ConnectionOwner,
    socket: Socket,
    address: ClientAddress,
  ) {
    super(socket, context.deadlines)
    this.context = context
    this.address = address
    this.#events = events
    this.#owner = owner
    this.#socket = socket
    this.serial = ++context.counts.accepted
    this.forwardedLines = `X-Forwarded-Proto: ${address.scheme}\r\nX-Forwarded-Port: ${address.publicPort}\r\n`
    context.deadlines.add(this)
    this.deadline = context.deadlines.in(context.settings.client.headTimeoutMs)
    socket.setNoDelay(true)
    for (const event of ['end', 'error', 'close']) socket.on(event, () => this.destroy())
    this.start(null, [
      [MAX_CONCURRENT_STREAMS, STREAMS_MAX],
      [MAX_HEADER_LIST_SIZE, context.settings.client.headBytesMax],
    ])
  }

  get bytesWritten(): number {
    return this.#socket.bytesWritten
  }

  get scheme(): 'http' | 'https' {
    return this.address.scheme
  }

  get sni(): string {
    return this.address.sni
  }

  get publicPort(): number {
    return this.address.publicPort
  }

  get peerPort(): number {
    return this.#socket.remotePort ?? 0
  }

  get localAddress(): string {
    return this.#socket.localAddress ?? ''
  }

  get isReusable(): boolean {
    return this.isOpen && this.requests > 0 && this.streams.size === 0 && !this.isWithinBlock
  }

  get state(): 'reading' | 'writing' | 'waiting' {
    if (this.streams.size > 0) return 'writing'
    return this.requests === 0 || this.isWithinBlock ? 'reading' : 'waiting'
  }

  receive(bytes: Buffer, length: number): void {
    let from = 0
    if (this.#prefaceRead < PREFACE.length) {
      while (from < length && this.#prefaceRead < PREFACE.length) {
        if (bytes[from++] === PREFACE[this.#prefaceRead++]) continue
        return this.fail(PROTOCOL_ERROR, 'invalid connection preface')
      }
    }
    const wasWithin = this.isWithinBlock
    this.read(bytes, from, length)
    this.#beginFresh()
    if (this.isOpen) this.#watch(wasWithin)
  }

  #beginFresh(): void {
    if (this.#fresh.length === 0) return
    const fresh = this.#fresh
    this.#fresh = []
    for (const stream of fresh) stream.begin()
  }

  /** A frame or header block must end in time; between requests there is more of it. Streams have deadlines of their own. */
  #watch(wasWithin: boolean): void {
    const { deadlines, settings } = this.context
    if (this.isWithinBlock) {
      if (!wasWithin || this.deadline === 0) this.deadline = deadlines.in(settings.client.headTimeoutMs)
    } else if (this.streams.size > 0) this.deadline = 0
    else if (this.deadline === 0 || wasWithin) this.#becomeIdle()
  }

  #becomeIdle(): void {
    this.deadline = this.context.deadlines.in(this.context.settings.client.keepaliveTimeoutMs)
  }

  protected isIdleId(id: number): boolean {
    return id > this.lastPeerStreamId || id % 2 === 0
  }

  protected openStream(id: number): FieldSink | null {
    if (id % 2 === 0 || id <= this.lastPeerStreamId) {
      this.fail(PROTOCOL_ERROR, 'stream identifier is no new one')
      return null
    }
    // Said to be too late: whoever sent it knows that nothing has come of it.
    if (this.#stage === 'finishing') return NOTHING
    this.lastPeerStreamId = id
    if (this.streams.size >= STREAMS_MAX) return this.refuseStream(id)
    const slot = this.#slots.pop() ?? this.#newSlot()
    slot.head.begin()
    this.#pending = slot
    return slot.head
  }

  #newSlot(): RequestSlot {
    const { headerCountMax, headBytesMax, lineBytesMax } = this.context.settings.client
    const head = new Http2RequestHead(headerCountMax, headBytesMax, lineBytesMax)
    return { head, routerView: new RouterView(head, this) }
  }

  protected streamOpened(id: number, isEnd: boolean): void {
    const slot = this.#pending
    this.#pending = null
    if (slot === null) return
    const stream = new Http2ClientStream(this, this.#events, id, slot)
    stream.isRemoteClosed = isEnd
    this.streams.set(id, stream)
    const verdict = slot.head.complete(isEnd)
    if (verdict === MALFORMED) return this.failStream(stream, PROTOCOL_ERROR, slot.head.reason)
    this.requests++
    if (verdict < 0) this.#refuse(stream, verdict, slot.head.reason)
    else {
      const length = slot.head.bodyLength
      const body = isEnd || length === 0 ? null : new RequestBody(length, this.context.settings.client.heldBodyBytesMax)
      const exchange = new Exchange(this.context, stream, body)
      stream.expectBody(exchange, isEnd ? 0 : length, this.context.settings.client.bodyBytesMax)
      this.#fresh.push(stream)
    }
    const { keepaliveRequestsMax } = this.context.settings.client
    if (keepaliveRequestsMax > 0 && this.requests === keepaliveRequestsMax) this.#announce()
  }

  /** A head that is no request: of plugins, the global ones see its answer. */
  #refuse(stream: Http2ClientStream, refusal: number, reason: string): void {
    this.context.log.info(`client sent an invalid request: ${reason}`, { client: this.address.peerAddress })
    stream.slot.head.forgetFields()
    const exchange = new Exchange(this.context, stream, null)
    stream.expectBody(exchange, CHUNKED, 0)
    this.#events.headRefused(exchange, refusalCode(refusal))
  }

  /** An answer is out before its request was: the rest is not wanted (RFC 9113 section 8.1). */
  override localClosed(stream: Http2ClientStream): void {
    super.localClosed(stream)
    if (!stream.isRemoteClosed) this.resetStream(stream, NO_ERROR)
  }

  protected forgotten(stream: Http2ClientStream): void {
    this.context.deadlines.remove(stream)
    // Not while it is in use still: the answer's log is written before the stream ends, save when the client ends it.
    if (stream.exchange === null && this.#slots.length < STREAMS_MAX) this.#slots.push(stream.slot)
    if (this.streams.size > 0 || !this.isOpen) return
    if (this.#stage === 'finishing') this.endSocket()
    else this.#becomeIdle()
  }

  protected settingsArrived(): void {}
  protected goneAway(): void {}

  protected logError(reason: string): void {
    this.context.log.info(`client broke HTTP/2: ${reason}`, { client: this.address.peerAddress })
  }

  /** Nothing new, please; what is on its way is still taken (RFC 9113 section 6.8). */
  #announce(): void {
    if (this.#stage !== 'open') return
    this.#stage = 'announced'
    this.write.goAway(WINDOW_MAX, NO_ERROR)
    this.#grace.deadline = this.context.deadlines.in(GOING_AWAY_MS)
    this.context.deadlines.add(this.#grace)
  }

  #finish(): void {
    this.context.deadlines.remove(this.#grace)
    if (!this.isOpen) return
    this.#stage = 'finishing'
    this.write.goAway(this.lastPeerStreamId, NO_ERROR)
    if (this.streams.size === 0) this.endSocket()
  }

  drain(): void {
    this.#announce()
  }

  protected sessionClosed(): void {
    if (this.#isClosed) return
    this.#stage = 'lingering'
    this.isOpen = false
    this.#socket.end()
    this.deadline = this.context.deadlines.in(LINGER_MS)
  }

  onDeadline(): void {
    if (this.#stage === 'lingering') return this.destroy()
    if (this.isWithinBlock) this.fail(ENHANCE_YOUR_CALM, 'head timed out')
    else if (this.streams.size === 0) this.#finish()
    // Whoever does not read our last words does not get them.
    this.deadline = this.context.deadlines.in(LINGER_MS)
    this.#stage = 'lingering'
  }

  destroy(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.context.deadlines.remove(this)
    this.context.deadlines.remove(this.#grace)
    this.#socket.destroy()
    this.socketGone()
    this.#owner.closed(this)
  }
}

const NOTHING: FieldSink = { field() {} }
