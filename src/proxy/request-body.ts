/**
 * The body of a request between client and upstream.
 *
 * It is held until the upstream may have it, up to a limit; from then on it streams. As long as everything received
 * is still held, a failed attempt can be made again with another peer.
 */
import { CHUNKED } from './http/request-head.ts'
import type { TrailerSection } from './http/chunked-decoder.ts'

/** Held at most before it must stream; Kong spills to disk above 8 KiB, we let the client wait instead. */
export const HELD_BYTES_MAX = 64 * 1024

export class BodyTooLargeError extends Error {
  override readonly name = 'BodyTooLargeError'
  readonly status = 413

  constructor() {
    super('request body is larger than what may be buffered')
  }
}

export class BodyIncompleteError extends Error {
  override readonly name = 'BodyIncompleteError'
  readonly status = 400

  constructor() {
    super('client closed the connection before the request body ended')
  }
}

interface Waiter {
  readonly bytesMax: number
  resolve(body: Buffer): void
  reject(error: Error): void
}

export class RequestBody {
  /** Bytes, or CHUNKED. */
  readonly declaredLength: number
  received = 0
  isComplete = false
  /** What arrives next: is kept, goes to the upstream at once, or is dropped. */
  mode: 'hold' | 'stream' | 'discard' = 'hold'
  /** Everything received so far is held. */
  isReplayable = true
  heldBytes = 0
  trailers: TrailerSection | null = null
  #held: Buffer[] = []
  #bytesMax = HELD_BYTES_MAX
  #waiter: Waiter | null = null
  #replacement: Buffer | null = null

  constructor(declaredLength: number) {
    this.declaredLength = declaredLength
  }

  get isChunked(): boolean {
    return this.declaredLength === CHUNKED
  }

  /** No more is wanted for now: the client is paused until the body streams. */
  get isFull(): boolean {
    return this.mode === 'hold' && this.heldBytes >= this.#bytesMax
  }

  hold(bytes: Buffer, from: number, to: number): void {
    if (from === to) return
    this.#held.push(Buffer.copyBytesFrom(bytes, from, to - from))
    this.heldBytes += to - from
    if (this.#waiter !== null && this.heldBytes > this.#waiter.bytesMax) this.#fail(new BodyTooLargeError())
  }

  /** Called when `isComplete` has become true. */
  settle(): void {
    const waiter = this.#waiter
    this.#waiter = null
    waiter?.resolve(this.whole())
  }

  /** The client went away, or the exchange ended, before the body was complete. */
  abandon(): void {
    this.#fail(new BodyIncompleteError())
  }

  #fail(error: Error): void {
    const waiter = this.#waiter
    this.#waiter = null
    waiter?.reject(error)
  }

  /** Resolves with the whole body once it is there. The held limit rises to `bytesMax`. */
  collect(bytesMax: number): Promise<Buffer> {
    if (Math.max(this.declaredLength, this.heldBytes) > bytesMax) return Promise.reject(new BodyTooLargeError())
    if (this.isComplete) return Promise.resolve(this.whole())
    // One byte above, so that a body of exactly the limit is told from a larger one.
    this.#bytesMax = Math.max(this.#bytesMax, bytesMax + 1)
    return new Promise((resolve, reject) => {
      this.#waiter = { bytesMax, resolve, reject }
    })
  }

  /** Sends these bytes to the upstream instead of what the client sent. */
  replace(bytes: Buffer): void {
    this.#replacement = bytes
  }

  get isReplaced(): boolean {
    return this.#replacement !== null
  }

  /** All held bytes as one. */
  whole(): Buffer {
    if (this.#replacement !== null) return this.#replacement
    if (this.#held.length > 1) this.#held = [Buffer.concat(this.#held)]
    return this.#held[0] ?? EMPTY
  }

  /** Nobody wants it any more. */
  discard(): void {
    this.mode = 'discard'
    this.release()
  }

  /** The held bytes are with the upstream and more has followed: they cannot be sent again. */
  release(): void {
    this.isReplayable = false
    this.#held = []
    this.heldBytes = 0
  }
}

const EMPTY = Buffer.alloc(0)
