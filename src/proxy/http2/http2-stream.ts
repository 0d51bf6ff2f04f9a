/** One stream of a connection, seen from either end: its two halves, its windows, and what waits for them. */
import { CANCEL, END_STREAM } from './frames.ts'
import type { FieldSink } from './hpack-decoder.ts'
import type { Http2Session } from './http2-session.ts'

export abstract class Http2Stream {
  /** 0 until the stream has one. */
  id: number
  /** What the peer lets us send; below zero when it made its windows smaller. */
  sendWindow: number
  /** What we let the peer send. */
  receiveWindow: number
  /** Taken from the receive window and used up, but not yet given back. */
  unacknowledged = 0
  isRemoteClosed = false
  isLocalClosed = false
  readonly #session: Http2Session
  /** Payload that waits for a window, and what follows it. */
  #queue: Buffer[] | null = null
  queuedBytes = 0
  #endsAfterQueue = false
  #trailers: string | null = null
  /** Where the flags of our last frame are, and in which epoch of the outbox. */
  #flagsAt = 0
  #flagsEpoch = -1

  constructor(session: Http2Session, id: number, sendWindow: number, receiveWindow: number) {
    this.#session = session
    this.id = id
    this.sendWindow = sendWindow
    this.receiveWindow = receiveWindow
  }

  /** A header block begins: where its fields go. */
  abstract headerSink(): FieldSink
  /** The block is complete. */
  abstract headersArrived(isEnd: boolean): void
  /** Payload; once it is used, it is to be given back by `Http2Session.consumed`. */
  abstract dataArrived(bytes: Buffer, from: number, to: number, isEnd: boolean): void
  /** The peer reset the stream, or the connection is gone, or we had to reset it for an error of the peer's. */
  abstract ended(code: number): void
  /** The queue is empty again after `sendData` said no. */
  abstract drained(): void

  protected get session(): Http2Session {
    return this.#session
  }

  /** Writes a header block; `fill` gives its fields. Returns nothing: blocks are not subject to flow control. */
  sendHeaders(status: number, head: string): void {
    this.noteFlags(this.#session.write.answerHead(this.id, status, head))
  }

  protected noteFlags(position: number): void {
    this.#flagsAt = position
    this.#flagsEpoch = this.#session.out.epoch
  }

  /** Copies what it needs. False when no more should be sent for now; `drained` follows. */
  sendData(bytes: Buffer, from: number, to: number): boolean {
    if (this.isLocalClosed || from === to) return true
    let at = from
    if (this.queuedBytes === 0) {
      at += this.#session.writeData(this, bytes, from, to)
      if (at === to) return !this.#session.isFull
    }
    this.#queue ??= []
    this.#queue.push(Buffer.copyBytesFrom(bytes, at, to - at))
    this.queuedBytes += to - at
    return false
  }

  /** Nothing more will be sent, but these trailers, if any, given as lines behind a first line that is ignored. */
  endSending(trailers: string | null = null): void {
    if (this.isLocalClosed || this.#endsAfterQueue) return
    this.#trailers = trailers
    this.#endsAfterQueue = true
    if (this.queuedBytes === 0) this.#sendEnd()
  }

  get isEnding(): boolean {
    return this.#endsAfterQueue
  }

  #sendEnd(): void {
    const { out } = this.#session
    if (this.#trailers !== null) this.#session.write.trailers(this.id, this.#trailers)
    else if (this.#flagsEpoch === out.epoch) out.bytes[this.#flagsAt]! |= END_STREAM
    else this.#session.write.data(this.id, NOTHING, 0, 0, END_STREAM)
    this.isLocalClosed = true
    this.#session.localClosed(this)
  }

  /** A window has opened: sends what fits. */
  pump(): void {
    const queue = this.#queue
    if (queue === null || this.queuedBytes === 0) return
    while (queue.length > 0) {
      const piece = queue[0]!
      const sent = this.#session.writeData(this, piece, 0, piece.length)
      this.queuedBytes -= sent
      if (sent < piece.length) {
        queue[0] = piece.subarray(sent)
        return
      }
      queue.shift()
    }
    if (this.#endsAfterQueue) this.#sendEnd()
    else if (!this.#session.isFull) this.drained()
  }

  /** Called by the session for each DATA frame written. */
  wroteData(flagsAt: number, bytes: number): void {
    this.sendWindow -= bytes
    this.noteFlags(flagsAt)
  }

  /** Ends the stream from our side. */
  reset(code: number = CANCEL): void {
    this.#session.resetStream(this, code)
  }

  /** Forgets what waits. */
  discardQueue(): void {
    this.#queue = null
    this.queuedBytes = 0
  }
}

const NOTHING = Buffer.alloc(0)
