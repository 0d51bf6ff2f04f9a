/**
 * One connection to a peer, used for one exchange after another.
 *
 * It reads responses off the socket and tells its consumer what came, in the consumer's own terms: head, payload,
 * failure. `Owner` is whatever the consumer wants back with each event.
 */
import type { Socket } from 'node:net'
import type { Deadlines, Expiring } from '../deadlines.ts'
import { isTaken, unsentBytes, writeStreamText, writeText } from '../direct-write.ts'
import { ChunkedDecoder } from '../http/chunked-decoder.ts'
import { NEED_MORE } from '../http/head-scanner.ts'
import { TEXT_BYTES_MAX } from '../http/joined-bytes.ts'
import { CHUNKED } from '../http/request-head.ts'
import { ResponseHead, UNTIL_CLOSE } from '../http/response-head.ts'
import { sendWaiting } from '../turn.ts'
import { writePiece } from '../write-piece.ts'
import type { UpstreamConsumer, UpstreamFailure, UpstreamSide } from './upstream-side.ts'

/** Larger response heads are refused, as nginx refuses those above `proxy_buffer_size`, but later. */
const HEAD_BYTES_MAX = 64 * 1024
const HEAD_FIELDS_MAX = 1000
/** Interim responses before the final one; an upstream that sends more means harm. */
const INTERIM_RESPONSES_MAX = 16

/** Errors of connecting that are this machine's fault. */
export const EXHAUSTION = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL'])

export interface ConnectionConsumer<Owner> extends UpstreamConsumer<Owner> {
  /** Over, for whatever reason; pools forget it. */
  closed(connection: UpstreamConnection<Owner>): void
}

type State = 'connecting' | 'idle' | 'head' | 'body' | 'tunnel' | 'closed'

export class UpstreamConnection<Owner> implements UpstreamSide, Expiring {
  readonly isHttp2 = false
  readonly poolKey: string
  readonly head = new ResponseHead(HEAD_FIELDS_MAX)
  requests = 0
  /** Serves an exchange after having served others: it may have gone stale. */
  isReused = false
  /** Any byte of the response to the current request has come. */
  hasAnswered = false
  deadline = 0
  sweepIndex = -1
  readTimeoutMs = 0
  writeTimeoutMs = 0
  readonly #consumer: ConnectionConsumer<Owner>
  readonly #deadlines: Deadlines
  #socket!: Socket
  #writeText = writeText
  #owner: Owner | null = null
  #state: State = 'connecting'
  #isHeadRequest = false
  #remaining = 0
  #interim = 0
  #unsentBytes = 0
  #partialHead: Buffer | null = null
  #decoder: ChunkedDecoder | null = null

  constructor(poolKey: string, consumer: ConnectionConsumer<Owner>, deadlines: Deadlines) {
    this.poolKey = poolKey
    this.#consumer = consumer
    this.#deadlines = deadlines
    deadlines.add(this)
  }

  /** `connectEvent` tells that the socket can be written to. Bytes come through `receive`, whichever way the socket delivers them. */
  bind(socket: Socket, connectEvent: string): void {
    this.#socket = socket
    if (connectEvent !== 'connect') this.#writeText = writeStreamText
    socket.on(connectEvent, () => this.#connected())
    socket.on('drain', () => this.#drained())
    socket.on('end', () => this.#ended('closed'))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#state === 'connecting' && EXHAUSTION.has(error.code ?? '')) this.#fail('exhausted', error.message)
      else this.#ended(this.#state === 'connecting' ? 'connect_failed' : 'closed', error.message)
    })
    socket.on('close', () => this.#ended(this.#state === 'connecting' ? 'connect_failed' : 'closed'))
  }

  get socket(): Socket {
    return this.#socket
  }

  get isDrained(): boolean {
    return isTaken(this.#socket)
  }

  get isIdle(): boolean {
    return this.#state === 'idle'
  }

  get isConnecting(): boolean {
    return this.#state === 'connecting'
  }

  get trailers(): ChunkedDecoder['trailers'] {
    return this.#state === 'closed' ? null : (this.#decoder?.trailers ?? null)
  }

  /** Gives the connection to an exchange. */
  assign(owner: Owner, connectTimeoutMs: number): void {
    this.#owner = owner
    if (this.#state === 'connecting') this.deadline = this.#deadlines.in(connectTimeoutMs)
  }

  #connected(): void {
    if (this.#state !== 'connecting') return
    this.#state = 'idle'
    this.deadline = 0
    if (this.#owner !== null) this.#consumer.connected(this.#owner, this)
  }

  /** From here on a response is expected. */
  begin(isHeadRequest: boolean, readTimeoutMs: number, writeTimeoutMs: number): void {
    this.requests++
    this.hasAnswered = false
    this.#isHeadRequest = isHeadRequest
    this.#interim = 0
    this.#state = 'head'
    this.readTimeoutMs = readTimeoutMs
    this.writeTimeoutMs = writeTimeoutMs
    this.deadline = this.#deadlines.in(readTimeoutMs)
  }

  /** Writes text, or bytes that the caller will not touch again. False when no more should be written for now. */
  write(data: string | Buffer): boolean {
    const goesOn = typeof data === 'string' ? this.#writeText(this.#socket, data) : this.#writeStream(data)
    if (!goesOn) this.#awaitDrain()
    return goesOn
  }

  #writeStream(data: Buffer): boolean {
    sendWaiting()
    return this.#socket.write(data)
  }

  /** The same for payload that the caller will overwrite, and what goes around it. */
  writePiece(head: string, bytes: Buffer, from: number, to: number, tail: string): boolean {
    if (to - from <= TEXT_BYTES_MAX) return this.write(head + bytes.toString('latin1', from, to) + tail)
    const goesOn = writePiece(this.#socket, this.#writeText === writeText, head, bytes, from, to, tail)
    if (!goesOn) this.#awaitDrain()
    return goesOn
  }

  /** `write_timeout` is about two pieces that the peer takes. */
  #awaitDrain(): void {
    this.#unsentBytes = unsentBytes(this.#socket)
    this.deadline = this.#deadlines.in(this.writeTimeoutMs)
  }

  /** Nothing more will be written; what comes back is still read. */
  end(): void {
    sendWaiting()
    this.#socket.end()
  }

  /** The request is out; what is awaited now is the response. */
  expectAnswer(): void {
    this.deadline = this.#deadlines.in(this.readTimeoutMs)
  }

  pause(): void {
    this.deadline = 0
    this.#socket.pause()
  }

  resume(): void {
    this.deadline = this.#deadlines.in(this.readTimeoutMs)
    this.#socket.resume()
  }

  receive(chunk: Buffer, length: number): void {
    let bytes = chunk
    let to = length
    if (this.#partialHead !== null) {
      const held = this.#partialHead.length
      bytes = Buffer.concat([this.#partialHead, chunk.subarray(0, length)])
      to = bytes.length
      this.#partialHead = null
      // A head that comes byte by byte is scanned again only once its end may be there.
      if (this.#state === 'head' && to <= HEAD_BYTES_MAX && bytes.indexOf('\r\n\r\n', Math.max(0, held - 3)) === -1) {
        this.#partialHead = bytes
        this.deadline = this.#deadlines.in(this.readTimeoutMs)
        return
      }
    }
    this.deadline = this.#deadlines.in(this.readTimeoutMs)
    let from = 0
    while (this.#state === 'head' && from < to) from = this.#readHead(bytes, from, to)
    if (this.#state === 'body') this.#readBody(bytes, from, to)
    else if (this.#state === 'tunnel') {
      if (from < to) this.#consumer.tunnelled(this.#owner!, this, bytes, from, to)
    } else if (this.#state === 'idle' || this.#state === 'connecting') {
      // Nobody asked: a response without request would answer somebody else's.
      this.destroy()
    }
  }

  /** Returns where the head ends, or `to` when more is needed or it was refused. */
  #readHead(bytes: Buffer, from: number, to: number): number {
    this.hasAnswered = true
    const { head } = this
    const end = head.parse(bytes, from, to, this.#isHeadRequest)
    if (end < 0) {
      this.#fail('invalid_response', head.reason)
      return to
    }
    if (end === NEED_MORE ? to - from > HEAD_BYTES_MAX : end - from > HEAD_BYTES_MAX) {
      this.#fail('invalid_response', 'response head too large')
      return to
    }
    if (end === NEED_MORE) {
      this.#partialHead = Buffer.copyBytesFrom(bytes, from, to - from)
      return to
    }
    if (head.status < 200) return this.#takeInterim(end, to)
    this.#state = 'body'
    this.#remaining = head.bodyLength
    if (head.bodyLength === CHUNKED) {
      this.#decoder ??= new ChunkedDecoder()
      this.#decoder.reset()
    }
    this.#consumer.head(this.#owner!, this)
    return end
  }

  #takeInterim(end: number, to: number): number {
    if (++this.#interim > INTERIM_RESPONSES_MAX) {
      this.#fail('invalid_response', 'too many interim responses')
      return to
    }
    this.#consumer.interim(this.#owner!, this)
    return end
  }

  /** The peer agreed to another protocol: what follows is passed on untouched. */
  becomeTunnel(): void {
    this.#state = 'tunnel'
  }

  #readBody(bytes: Buffer, from: number, to: number): void {
    const owner = this.#owner!
    if (this.#remaining >= 0) {
      const take = Math.min(this.#remaining, to - from)
      this.#remaining -= take
      if (this.#remaining === 0) return this.#complete(owner, bytes, from, from + take, from + take < to)
      if (take === 0) this.#consumer.readEnd(owner, this)
      else this.#consumer.payload(owner, this, bytes, from, from + take, false)
    } else if (this.#remaining === UNTIL_CLOSE) {
      if (from === to) this.#consumer.readEnd(owner, this)
      else this.#consumer.payload(owner, this, bytes, from, to, false)
    } else this.#readChunks(owner, bytes, from, to)
  }

  #readChunks(owner: Owner, bytes: Buffer, from: number, to: number): void {
    const decoder = this.#decoder!
    const end = decoder.decode(bytes, from, to)
    if (end < 0) return this.#fail('invalid_response', decoder.reason)
    if (decoder.done) return this.#complete(owner, bytes, from, end, decoder.consumed < to)
    if (end === from) this.#consumer.readEnd(owner, this)
    else this.#consumer.payload(owner, this, bytes, from, end, false)
  }

  #complete(owner: Owner, bytes: Buffer, from: number, to: number, hasMore: boolean): void {
    this.#state = 'idle'
    this.#owner = null
    this.deadline = 0
    // Bytes beyond the response belong to no request of ours: never use this connection again.
    if (hasMore) this.head.keepAlive = false
    this.#consumer.payload(owner, this, bytes, from, to, true)
  }

  #drained(): void {
    if (this.#owner !== null) this.#consumer.drained(this.#owner, this)
  }

  #ended(failure: UpstreamFailure, reason = 'connection closed by upstream'): void {
    const owner = this.#owner
    if (this.#state === 'tunnel' && owner !== null) {
      this.#owner = null
      this.#consumer.tunnelEnded(owner, this)
      return
    }
    const endsBody = this.#state === 'body' && this.#remaining === UNTIL_CLOSE && failure === 'closed'
    if (endsBody && owner !== null && reason === 'connection closed by upstream') {
      this.head.keepAlive = false
      this.#complete(owner, EMPTY, 0, 0, false)
      this.destroy()
      return
    }
    this.#fail(failure, reason)
  }

  onDeadline(): void {
    const unsent = unsentBytes(this.#socket)
    if (unsent > 0 && unsent !== this.#unsentBytes) return this.#awaitDrain()
    if (this.#owner === null) this.destroy()
    else this.#fail(this.#state === 'connecting' ? 'connect_timed_out' : 'timed_out', 'timed out')
  }

  #fail(failure: UpstreamFailure, reason: string): void {
    const owner = this.#owner
    this.destroy()
    if (owner !== null) this.#consumer.failed(owner, this, failure, reason)
  }

  destroy(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#owner = null
    this.#deadlines.remove(this)
    sendWaiting()
    this.#socket.destroy()
    this.#consumer.closed(this)
  }
}

const EMPTY = Buffer.alloc(0)
