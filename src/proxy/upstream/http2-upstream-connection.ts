/** A connection to an upstream that speaks HTTP/2, shared by as many requests as the peer takes at once. */
import { VERIFIED } from './connect.ts'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Deadlines, Expiring } from '../deadlines.ts'
import { CONTROL_COST } from '../http2/flood-guard.ts'
import { NO_ERROR, PREFACE, PROTOCOL_ERROR } from '../http2/frames.ts'
import type { FieldSink } from '../http2/hpack-decoder.ts'
import { Http2Session, IGNORED } from '../http2/http2-session.ts'
import { ENABLE_PUSH } from '../http2/peer-settings.ts'
import { Http2UpstreamStream } from './http2-upstream-stream.ts'
import { EXHAUSTION } from './upstream-connection.ts'
import type { UpstreamConsumer, UpstreamFailure } from './upstream-side.ts'

/** Requests at once on one connection, whatever the peer offers: more would queue behind each other's bytes. */
const STREAMS_MAX = 100
/** Ids are used up after 2^30 streams; long before that a connection is replaced. */
const REQUESTS_MAX = 2 ** 29

export interface Http2UpstreamOptions<Owner> {
  readonly key: string
  readonly isTls: boolean
  readonly deadlines: Deadlines
  readonly consumer: UpstreamConsumer<Owner>
  /** 0 is unlimited. */
  readonly requestsMax: number
  /** 0: not kept when idle. */
  readonly idleTimeoutMs: number
  log(reason: string): void
  closed(connection: Http2UpstreamConnection<Owner>): void
}

export class Http2UpstreamConnection<Owner> extends Http2Session<Http2UpstreamStream<Owner>> implements Expiring {
  readonly key: string
  readonly deadlines: Deadlines
  isConnecting = true
  requests = 0
  deadline = 0
  sweepIndex = -1
  readonly #options: Http2UpstreamOptions<Owner>
  readonly #socket: Socket
  #nextId = 1
  #isGoingAway = false
  #isClosed = false
  #failure: UpstreamFailure = 'connect_failed'
  #reason = 'connection closed by upstream'
  readonly #waiting = new Set<Http2UpstreamStream<Owner>>()
  readonly #newHeads: Http2UpstreamStream<Owner>[] = []

  constructor(socket: Socket, options: Http2UpstreamOptions<Owner>) {
    super(socket, options.deadlines)
    this.resetCost = CONTROL_COST
    this.key = options.key
    this.deadlines = options.deadlines
    this.#options = options
    this.#socket = socket
    this.deadlines.add(this)
    socket.on(options.isTls ? VERIFIED : 'connect', () => this.#connected())
    socket.on('data', (bytes: Buffer) => this.#receive(bytes))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (this.isConnecting && EXHAUSTION.has(error.code ?? '')) this.#failure = 'exhausted'
      this.#reason = error.message
      this.destroy()
    })
    for (const event of ['end', 'close']) socket.on(event, () => this.destroy())
  }

  /** Whether one more request may be sent on it. */
  get hasRoom(): boolean {
    const { requestsMax } = this.#options
    if (!this.isOpen || this.#isGoingAway) return false
    if (this.requests >= REQUESTS_MAX || (requestsMax > 0 && this.requests >= requestsMax)) return false
    return this.streams.size + this.#waiting.size < Math.min(STREAMS_MAX, this.peer.maxConcurrentStreams)
  }

  openRequest(owner: Owner): Http2UpstreamStream<Owner> {
    this.requests++
    this.deadline = 0
    const stream = new Http2UpstreamStream(this, this.#options.consumer, owner)
    if (this.isConnecting) this.#waiting.add(stream)
    else this.#number(stream)
    return stream
  }

  /** Ids must be used in their order, so a stream gets its own right before its head is sent. */
  #number(stream: Http2UpstreamStream<Owner>): void {
    stream.id = this.#nextId
    this.#nextId += 2
    this.streams.set(stream.id, stream)
  }

  /** Connecting goes on as long as somebody waits for it. */
  forgetWaiting(stream: Http2UpstreamStream<Owner>): void {
    if (!this.#waiting.delete(stream)) return
    this.deadlines.remove(stream)
    if (this.#waiting.size === 0 && this.isConnecting) this.destroy()
  }

  #connected(): void {
    if (this.#options.isTls && (this.#socket as TLSSocket).alpnProtocol === 'http/1.1') {
      this.#reason = 'upstream does not speak HTTP/2'
      return this.destroy()
    }
    this.isConnecting = false
    this.#failure = 'closed'
    this.start(PREFACE, [[ENABLE_PUSH, 0]])
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const stream of waiting) {
      this.#number(stream)
      stream.connected()
    }
  }

  #receive(bytes: Buffer): void {
    this.read(bytes, 0, bytes.length)
    if (this.#newHeads.length > 0) for (const stream of this.#newHeads.splice(0)) stream.readEnd()
  }

  noteHead(stream: Http2UpstreamStream<Owner>): void {
    this.#newHeads.push(stream)
  }

  /** Returns where the flags of the frame are. */
  sendRequestHead(id: number, text: string): number {
    const [method, path] = text.slice(0, text.indexOf('\r\n')).split(' ')
    const hostAt = text.indexOf('\r\nHost: ') + 8
    const pseudo: [string, string][] = [
      [':method', method!],
      [':scheme', this.#options.isTls ? 'https' : 'http'],
      [':path', path!],
      [':authority', text.slice(hostAt, text.indexOf('\r\n', hostAt))],
    ]
    return this.write.requestHead(id, pseudo, text)
  }

  protected isIdleId(id: number): boolean {
    return id % 2 === 0 || id >= this.#nextId
  }

  /** Servers may push only to those who ask for it, and answers come on streams that we have opened. */
  protected openStream(id: number): FieldSink | null {
    if (!this.isIdleId(id)) return IGNORED
    this.fail(PROTOCOL_ERROR, 'HEADERS on a stream that is not ours')
    return null
  }

  protected streamOpened(): void {}
  protected settingsArrived(): void {}

  protected forgotten(stream: Http2UpstreamStream<Owner>): void {
    this.deadlines.remove(stream)
    if (this.streams.size > 0 || this.isConnecting || !this.isOpen) return
    const { requestsMax, idleTimeoutMs } = this.#options
    const isUsedUp = this.#isGoingAway || idleTimeoutMs === 0 || (requestsMax > 0 && this.requests >= requestsMax)
    if (isUsedUp) this.#leave()
    else this.deadline = this.deadlines.in(idleTimeoutMs)
  }

  #leave(): void {
    this.#isGoingAway = true
    this.write.goAway(0, NO_ERROR)
    this.endSocket()
  }

  /** Streams that the peer has not looked at may be tried elsewhere (RFC 9113 section 6.8). */
  protected goneAway(lastId: number): void {
    this.#isGoingAway = true
    for (const stream of [...this.streams.values()]) {
      if (stream.id <= lastId) continue
      this.streams.delete(stream.id)
      stream.isLocalClosed = true
      stream.fail('refused', 'upstream went away')
    }
    if (this.streams.size === 0 && this.isOpen) this.#leave()
  }

  protected sessionClosed(): void {
    this.destroy()
  }

  protected logError(reason: string): void {
    this.#options.log(reason)
  }

  onDeadline(): void {
    if (this.streams.size === 0) this.destroy()
  }

  destroy(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.deadlines.remove(this)
    this.#socket.destroy()
    this.#options.closed(this)
    const open = [...this.streams.values(), ...this.#waiting]
    this.streams.clear()
    this.#waiting.clear()
    for (const stream of open) stream.isLocalClosed = true
    this.isOpen = false
    this.isConnecting = false
    for (const stream of open) stream.fail(this.#failure, this.#reason)
  }
}
