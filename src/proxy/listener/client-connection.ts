/**
 * A client's connection: finds requests in its bytes, one after another, and writes their answers.
 *
 * At any time there is at most one exchange. Bytes of further (pipelined) requests are held, and the socket is paused,
 * until it is over; so a client that sends without reading costs one read buffer, not more.
 */
import type { Socket } from 'node:net'
import type { Expiring } from '../deadlines.ts'
import { unsentBytes, writeText } from '../direct-write.ts'
import { refusalCode } from '../errors.ts'
import { type ClientSide, Exchange, type ExchangeEvents } from '../exchange.ts'
import { GatheringWriter } from '../gathering-writer.ts'
import { ChunkedDecoder } from '../http/chunked-decoder.ts'
import { HEAD_TOO_LARGE, NEED_MORE } from '../http/head-scanner.ts'
import { joinBytes, TEXT_BYTES_MAX } from '../http/joined-bytes.ts'
import { CHUNKED, RequestHead } from '../http/request-head.ts'
import type { ProxyContext } from '../proxy-context.ts'
import { RequestBody } from '../request-body.ts'
import { RouterView } from '../router-view.ts'
import { sendWaiting } from '../turn.ts'
import type { RouterInput } from '../router/router.ts'
import type { ConnectionOwner, OpenConnection } from './open-connection.ts'
import { writePiece } from '../write-piece.ts'
import { readRequestLine } from './request-line.ts'

/** A body that nobody wants is read to its end up to this size, to keep the connection; a larger one ends it. */
const DISCARDED_BYTES_MAX = 64 * 1024
/** After our last byte the client has this long to close, so that no reset destroys what it has not read yet. */
const LINGER_MS = 2000
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

export interface ClientAddress {
  readonly peerAddress: string
  readonly isPeerTrusted: boolean
  /** The client's address by a PROXY header of a trusted peer. */
  readonly proxiedAddress: string | null
  readonly localPort: number
  readonly publicPort: number
  readonly scheme: 'http' | 'https'
  readonly sni: string
  readonly tls: ClientSide['tls']
}

type State = 'open' | 'lingering' | 'closed'

export class ClientConnection implements ClientSide, OpenConnection, Expiring {
  readonly peerAddress: string
  readonly isPeerTrusted: boolean
  readonly proxiedAddress: string | null
  readonly localPort: number
  readonly publicPort: number
  readonly scheme: 'http' | 'https'
  readonly sni: string
  readonly tls: ClientSide['tls']
  readonly serial: number
  readonly head: RequestHead
  readonly forwardedLines: string
  requests = 0
  deadline = 0
  sweepIndex = -1
  readonly #context: ProxyContext
  readonly #events: ExchangeEvents
  readonly #owner: ConnectionOwner
  readonly #socket: Socket
  readonly #routerView: RouterView
  /** For TLS, which takes one write at a time. */
  readonly #writer: GatheringWriter | null
  #state: State = 'open'
  #exchange: Exchange | null = null
  /** What is left of the request body: bytes, CHUNKED or 0 for nothing. */
  #bodyLeft = 0
  #decoder: ChunkedDecoder | null = null
  #awaitsContinue = false
  /** Bytes that came too early, or the beginning of a head. */
  #held: Buffer | null = null
  #isConsuming = false
  #isPaused = false
  #hasEnded = false
  #mustClose = false
  /** What the client had not taken when its time to do so began. */
  #unsentBytes = 0

  constructor(
    context: ProxyContext,
    events: ExchangeEvents,
    owner: ConnectionOwner,
    socket: Socket,
    address: ClientAddress,
  ) {
    this.#context = context
    this.#events = events
    this.#owner = owner
    this.#socket = socket
    this.peerAddress = address.peerAddress
    this.isPeerTrusted = address.isPeerTrusted
    this.proxiedAddress = address.proxiedAddress
    this.localPort = address.localPort
    this.publicPort = address.publicPort
    this.scheme = address.scheme
    this.sni = address.sni
    this.tls = address.tls
    this.forwardedLines = `X-Forwarded-Proto: ${address.scheme}\r\nX-Forwarded-Port: ${address.publicPort}\r\n`
    this.serial = ++context.counts.accepted
    this.head = new RequestHead(context.settings.client.headerCountMax, context.settings.client.lineBytesMax)
    this.#writer = address.tls === null ? null : this.#gathers(socket)
    this.#routerView = new RouterView(this.head, this)
    context.deadlines.add(this)
    this.deadline = context.deadlines.in(context.settings.client.headTimeoutMs)
    socket.setNoDelay(true)
    if (this.#writer === null) socket.on('drain', () => this.#drained())
    socket.on('end', () => this.#ended())
    socket.on('error', () => this.#gone())
    socket.on('close', () => this.#gone())
  }

  #gathers(socket: Socket): GatheringWriter {
    return new GatheringWriter(socket, { roomAgain: () => this.#drained(), finished: () => this.#endSocket() })
  }

  get bytesWritten(): number {
    sendWaiting()
    return this.#socket.bytesWritten
  }

  get peerPort(): number {
    return this.#socket.remotePort ?? 0
  }

  get localAddress(): string {
    return this.#socket.localAddress ?? ''
  }

  /** Nothing is lost when it is closed: no byte of a request has come since the last answer. */
  get isReusable(): boolean {
    return this.#exchange === null && this.#held === null && this.#bodyLeft === 0 && this.#state === 'open'
  }

  get state(): 'reading' | 'writing' | 'waiting' {
    if (this.#exchange !== null) return 'writing'
    return this.#held !== null || this.requests === 0 ? 'reading' : 'waiting'
  }

  routerInput(exchange: Exchange): RouterInput {
    return this.#routerView.fill(exchange)
  }

  receive(chunk: Buffer, length: number): void {
    if (this.#state === 'lingering') return
    const held = this.#held
    if (held === null) return this.#consume(chunk, length)
    this.#held = Buffer.concat([held, chunk.subarray(0, length)])
    // The beginning of a head: scanned again only once its end may be there.
    const from = Math.max(0, held.length - 3)
    const isLarge = this.#held.length > this.#context.settings.client.headBytesMax
    if (isLarge || this.#held.indexOf('\r\n\r\n', from) !== -1) this.#consumeHeld()
  }

  #consumeHeld(): void {
    const held = this.#held
    if (held === null) return
    this.#held = null
    this.#consume(held, held.length)
  }

  #consume(bytes: Buffer, to: number): void {
    this.#isConsuming = true
    let from = 0
    while (from < to && this.#state === 'open') {
      const exchange = this.#exchange
      if (exchange !== null && exchange.isTunnel) {
        this.#tunnel(exchange, bytes, from, to)
        break
      }
      if (this.#bodyLeft !== 0) from = this.#readBody(exchange, bytes, from, to)
      else if (exchange === null) from = this.#readHead(bytes, from, to)
      else {
        this.#hold(bytes, from, to)
        this.#pause()
        break
      }
    }
    this.#isConsuming = false
    if (this.#exchange === null && this.#state === 'open') this.#resume()
  }

  #hold(bytes: Buffer, from: number, to: number): void {
    this.#held = Buffer.copyBytesFrom(bytes, from, to - from)
  }

  #readHead(bytes: Buffer, from: number, to: number): number {
    const { settings, deadlines } = this.#context
    const { headBytesMax, lineBytesMax } = settings.client
    const { head } = this
    const end = head.parse(bytes, from, Math.min(to, from + headBytesMax))
    const isTooLarge = end === NEED_MORE && to - from >= headBytesMax
    if (end < 0) this.#refuse(end, head.reason, bytes, from, to)
    else if (isTooLarge) {
      const refusal = isLineTooLong(bytes, from, lineBytesMax) ? -414 : -HEAD_TOO_LARGE
      this.#refuse(refusal, 'head too large', bytes, from, to)
    } else if (end === NEED_MORE) {
      if (this.deadline === 0 || this.requests > 0) this.deadline = deadlines.in(settings.client.headTimeoutMs)
      this.#hold(bytes, from, to)
    } else return this.#begin(bytes, end, to)
    return to
  }

  /** Makes the exchange, gives it what is there of its body, and starts it. */
  #begin(bytes: Buffer, from: number, to: number): number {
    const { head } = this
    const length = head.bodyLength
    this.requests++
    this.deadline = 0
    const body = length === 0 ? null : new RequestBody(length, this.#context.settings.client.heldBodyBytesMax)
    const exchange = new Exchange(this.#context, this, body)
    this.#exchange = exchange
    if (body === null) {
      this.#events.begin(exchange)
      return from
    }
    const { bodyBytesMax } = this.#context.settings.client
    this.#bodyLeft = length
    this.#awaitsContinue = head.expectsContinue
    exchange.isBodyTooLarge = bodyBytesMax !== 0 && length > bodyBytesMax
    if (length === CHUNKED) {
      this.#decoder ??= new ChunkedDecoder({ isRequest: true })
      this.#decoder.reset()
    }
    const end = from < to && !exchange.isBodyTooLarge ? this.#readFirstBody(exchange, body, bytes, from, to) : from
    if (this.#state === 'open' && this.#exchange === exchange) {
      if (!body.isComplete) this.#pause()
      this.#events.begin(exchange)
    }
    return end
  }

  /** What came with the head is held without a word, so that small bodies leave in one piece with their head. */
  #readFirstBody(exchange: Exchange, body: RequestBody, bytes: Buffer, from: number, to: number): number {
    this.#awaitsContinue = false
    const end = this.#takeBody(exchange, bytes, from, to)
    if (end >= 0) body.hold(bytes, from, end)
    return end < 0 ? to : this.#bodyEnd
  }

  #readBody(exchange: Exchange | null, bytes: Buffer, from: number, to: number): number {
    this.#awaitsContinue = false
    const end = this.#takeBody(exchange, bytes, from, to)
    if (end < 0) return to
    if (exchange !== null) this.#events.bodyArrived(exchange, bytes, from, end)
    return this.#bodyEnd
  }

  /** Position behind the body's bytes, as last found by `#takeBody`. */
  #bodyEnd = 0

  /** Takes the framing off. Returns where the payload from `from` ends, or -1 if the body was refused. */
  #takeBody(exchange: Exchange | null, bytes: Buffer, from: number, to: number): number {
    const { client } = this.#context.settings
    let end: number
    if (this.#bodyLeft === CHUNKED) {
      const decoder = this.#decoder!
      end = decoder.decode(bytes, from, to)
      if (end < 0) return this.#refuseBody(exchange, decoder.reason)
      this.#bodyEnd = decoder.consumed
      if (decoder.done) this.#bodyLeft = 0
    } else {
      end = Math.min(to, from + this.#bodyLeft)
      this.#bodyEnd = end
      this.#bodyLeft -= end - from
    }
    this.deadline = this.#bodyLeft === 0 || this.#isPaused ? 0 : this.#context.deadlines.in(client.bodyTimeoutMs)
    const body = exchange?.body
    if (body == null) {
      if (this.#bodyLeft === 0) this.#becomeIdle()
      return end
    }
    body.received += end - from
    body.isComplete = this.#bodyLeft === 0
    if (body.isComplete && body.isChunked) body.trailers = this.#decoder!.trailers
    if (client.bodyBytesMax !== 0 && body.received > client.bodyBytesMax) exchange!.isBodyTooLarge = true
    return end
  }

  /** The framing is broken: nothing that follows can be trusted to be a request. */
  #refuseBody(exchange: Exchange | null, reason: string): -1 {
    this.#context.log.info(`client sent a malformed body: ${reason}`, { client: this.peerAddress })
    if (exchange === null || exchange.sentHead !== '') {
      if (exchange !== null) this.#events.clientGone(exchange)
      this.destroy()
    } else {
      this.#mustClose = true
      this.#events.bodyRefused(exchange, 'bad_request')
    }
    return -1
  }

  #tunnel(exchange: Exchange, bytes: Buffer, from: number, to: number): void {
    const { upstream } = exchange
    if (upstream === null) return
    // As nginx: `read_timeout` is for both directions together, so a side that only listens is not idle.
    if (upstream.write(joinBytes('', bytes, from, to, ''))) upstream.expectAnswer()
    else this.#pause()
  }

  #pause(): void {
    this.deadline = 0
    if (this.#isPaused) return
    this.#isPaused = true
    this.#socket.pause()
  }

  #resume(): void {
    if (!this.#isPaused || this.#state === 'closed') return
    this.#isPaused = false
    this.#socket.resume()
  }

  pauseBody(): void {
    this.#pause()
  }

  readBody(): void {
    if (this.#bodyLeft === 0) {
      if (this.#exchange?.isTunnel) this.#resume()
      return
    }
    if (this.#awaitsContinue) {
      this.#awaitsContinue = false
      this.write(CONTINUE, null, 0, 0, '')
    }
    this.deadline = this.#context.deadlines.in(this.#context.settings.client.bodyTimeoutMs)
    this.#resume()
  }

  canKeepAlive(): boolean {
    const { client } = this.#context.settings
    if (!this.head.keepAlive || this.#context.isDraining || this.#hasEnded || this.#mustClose) return false
    if (client.keepaliveRequestsMax > 0 && this.requests >= client.keepaliveRequestsMax) return false
    if (this.#bodyLeft === 0) return true
    return this.#bodyLeft > 0 && this.#bodyLeft <= DISCARDED_BYTES_MAX && !this.#awaitsContinue
  }

  write(head: string, bytes: Buffer | null, from: number, to: number, tail: string): boolean {
    if (this.#state !== 'open') return true
    let goesOn: boolean
    if (this.#writer !== null) goesOn = this.#gather(this.#writer, head, bytes, from, to, tail)
    else if (bytes !== null && to - from > TEXT_BYTES_MAX) {
      goesOn = writePiece(this.#socket, true, head, bytes, from, to, tail)
    } else {
      const text = bytes === null || from === to ? head + tail : head + bytes.toString('latin1', from, to) + tail
      if (text === '') return true
      goesOn = writeText(this.#socket, text)
    }
    if (!goesOn) this.#awaitDrain()
    return goesOn
  }

  #gather(
    writer: GatheringWriter,
    head: string,
    bytes: Buffer | null,
    from: number,
    to: number,
    tail: string,
  ): boolean {
    const { out } = writer
    out.text(head)
    if (bytes !== null && from < to) out.copy(bytes, from, to)
    out.text(tail)
    if (out.length > 0) writer.schedule()
    return !writer.isFull
  }

  #unsent(): number {
    return (this.#writer?.unsentBytes ?? 0) + unsentBytes(this.#socket)
  }

  /** `send_timeout` is about two pieces that the client takes, not about all that waits for it. */
  #awaitDrain(): void {
    this.#unsentBytes = this.#unsent()
    this.deadline = this.#context.deadlines.in(this.#context.settings.client.sendTimeoutMs)
  }

  finish(keepAlive: boolean): void {
    this.#exchange = null
    this.#context.counts.handled++
    if (this.#state !== 'open') return
    if (!keepAlive || this.#hasEnded) return this.#linger()
    // What is left of the body is read and dropped; only then the next request is looked for.
    if (this.#bodyLeft !== 0) this.deadline = this.#context.deadlines.in(this.#context.settings.client.bodyTimeoutMs)
    else this.#becomeIdle()
    if (this.#isConsuming) return
    this.#consumeHeld()
    if (this.#exchange === null) this.#resume()
  }

  #becomeIdle(): void {
    this.deadline = this.#context.deadlines.in(this.#context.settings.client.keepaliveTimeoutMs)
  }

  /** Our last byte is written; theirs are dropped until they close too. */
  #linger(): void {
    if (this.#state !== 'open') return
    this.#state = 'lingering'
    this.#held = null
    this.deadline = this.#context.deadlines.in(LINGER_MS)
    if (this.#writer !== null) this.#writer.end()
    else this.#endSocket()
    if (this.#isPaused) {
      this.#isPaused = false
      this.#socket.resume()
    }
  }

  #endSocket(): void {
    if (this.#state === 'closed') return
    sendWaiting()
    this.#socket.end()
    if (this.#hasEnded) this.#socket.destroySoon()
  }

  /** A head that is no request: global plugins see its answer, and that is the end. */
  #refuse(refusal: number, reason: string, bytes: Buffer, from: number, to: number): void {
    this.#context.log.info(`client sent an invalid request: ${reason}`, { client: this.peerAddress })
    this.requests++
    this.deadline = 0
    this.#mustClose = true
    const { method, target } = readRequestLine(bytes, from, to, this.#context.settings.client.lineBytesMax)
    this.head.forget(method, target)
    const exchange = new Exchange(this.#context, this, null)
    this.#exchange = exchange
    this.#events.headRefused(exchange, refusalCode(refusal))
  }

  #drained(): void {
    const exchange = this.#exchange
    this.deadline = 0
    if (exchange === null) this.#becomeIdle()
    else this.#events.clientDrained(exchange)
  }

  /** The client has sent its last byte. It may still want its answer. */
  #ended(): void {
    this.#hasEnded = true
    const exchange = this.#exchange
    if (exchange !== null && exchange.isTunnel) this.#events.tunnelHalfClosed(exchange)
    else if (exchange === null || this.#bodyLeft !== 0) this.#gone()
  }

  #gone(): void {
    const exchange = this.#exchange
    if (this.#state === 'closed') return
    this.#exchange = null
    this.destroy()
    if (exchange !== null) this.#events.clientGone(exchange)
  }

  onDeadline(): void {
    const exchange = this.#exchange
    const unsent = this.#unsent()
    if (unsent > 0 && unsent !== this.#unsentBytes) return this.#awaitDrain()
    if (exchange !== null && this.#bodyLeft !== 0 && exchange.sentHead === '' && unsent === 0) {
      this.#mustClose = true
      return this.#events.bodyRefused(exchange, 'request_timeout')
    }
    const held = this.#held
    if (exchange === null && held !== null && this.#state === 'open') {
      this.#held = null
      return this.#refuse(-408, 'head timed out', held, 0, held.length)
    }
    this.#gone()
  }

  /** Nothing more will come of an idle connection; a busy one ends with its answer. */
  drain(): void {
    if (this.#exchange === null && this.#held === null) this.#linger()
  }

  destroy(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#held = null
    this.#context.deadlines.remove(this)
    sendWaiting()
    this.#writer?.flush()
    this.#socket.destroy()
    this.#owner.closed(this)
  }
}

/** Whether it is the first line of a head that does not fit. */
function isLineTooLong(bytes: Buffer, from: number, max: number): boolean {
  const lineEnd = bytes.indexOf(10, from)
  return lineEnd === -1 || lineEnd - from > max
}
