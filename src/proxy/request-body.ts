/**
 * The body of a request between client and upstream.
 *
 * It is held until the upstream may have it: in memory up to a limit, from there on, where the route wants the whole
 * body first, in a file; else it streams. As long as everything received
 * is still held, a failed attempt can be made again with another peer. Held bytes are one growing buffer, so that a
 * body that comes byte by byte takes no more memory than one that comes at once.
 */
import { CHUNKED } from './http/request-head.ts'
import type { TrailerSection } from './http/chunked-decoder.ts'
import { givePiece, PIECE_BYTES, takePiece } from './piece-buffers.ts'
import { SpoolFile } from './spool-file.ts'

/** Read from the file at once. */
const SPOOL_PIECE_BYTES = 64 * 1024

/** Smaller bodies are held in what the runtime has for small ones. */
const POOLED_BYTES_MIN = 16 * 1024

const EMPTY = Buffer.alloc(0)

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
  #held: Buffer = EMPTY
  /** `#held` is one that others will use again, as long as nobody else was given it. */
  #isPooled = false
  #bytesMax: number
  #waiter: Waiter | null = null
  #spoolFolder: string | null = null
  #spool: SpoolFile | null = null
  /** Bytes of the spool that the upstream of the current try has got. */
  spoolSent = 0
  #replacement: Buffer | null = null

  /** `bytesMax`: held at most before it must stream. */
  constructor(declaredLength: number, bytesMax: number) {
    this.declaredLength = declaredLength
    this.#bytesMax = bytesMax
  }

  get isChunked(): boolean {
    return this.declaredLength === CHUNKED
  }

  /** No more is wanted for now: the client is paused until the body streams. */
  get isFull(): boolean {
    return this.mode === 'hold' && this.#spoolFolder === null && this.heldBytes >= this.#bytesMax
  }

  /** From here on, what memory may not hold goes to a file in this folder. */
  spoolTo(folder: string): void {
    this.#spoolFolder = folder
  }

  /** What is held in the file. */
  get spooledBytes(): number {
    return this.#spool === null ? 0 : this.#spool.length
  }

  /** The next piece of the file, or null when there is no more. Throws when it cannot be read. */
  nextSpooled(): Buffer | null {
    if (this.#spool === null || this.spoolSent === this.#spool.length) return null
    const piece = this.#spool.read(this.spoolSent, SPOOL_PIECE_BYTES)
    this.spoolSent += piece.length
    return piece
  }

  /** Throws when a file is needed and cannot be written. */
  hold(bytes: Buffer, from: number, to: number): void {
    if (from === to) return
    if (this.#spoolFolder !== null && (this.#spool !== null || this.heldBytes + to - from > this.#bytesMax)) {
      this.#spool ??= new SpoolFile(this.#spoolFolder)
      return this.#spool.append(bytes, from, to)
    }
    const total = this.heldBytes + to - from
    if (total > this.#held.length) this.#grow(total)
    bytes.copy(this.#held, this.heldBytes, from, to)
    this.heldBytes = total
    if (this.#waiter !== null && this.heldBytes > this.#waiter.bytesMax) this.#fail(new BodyTooLargeError())
  }

  /** The first piece, nearly always all of it, gets what it needs; from the second on there is room for more. */
  #grow(total: number): void {
    if (this.heldBytes === 0 && total > POOLED_BYTES_MIN && total <= PIECE_BYTES) {
      this.#held = takePiece()
      this.#isPooled = true
      return
    }
    const grown = Buffer.allocUnsafe(this.heldBytes === 0 ? total : Math.max(total, 2 * this.#held.length))
    this.#held.copy(grown, 0, 0, this.heldBytes)
    this.#giveBack()
    this.#held = grown
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
    this.#closeSpool()
  }

  #closeSpool(): void {
    this.#spool?.close()
    this.#spool = null
    this.#spoolFolder = null
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

  #giveBack(): void {
    if (this.#isPooled) givePiece(this.#held)
    this.#isPooled = false
  }

  /** Sends these bytes to the upstream instead of what the client sent. */
  replace(bytes: Buffer): void {
    this.#replacement = bytes
  }

  get isReplaced(): boolean {
    return this.#replacement !== null
  }

  /** All bytes held in memory as one; the caller may keep them. */
  whole(): Buffer {
    this.#isPooled = false
    return this.lentWhole()
  }

  /** The same for a caller that is done with them, or has a copy, before the body is released. */
  lentWhole(): Buffer {
    if (this.#replacement !== null) return this.#replacement
    return this.#held.length === this.heldBytes ? this.#held : this.#held.subarray(0, this.heldBytes)
  }

  /** Nobody wants it any more. */
  discard(): void {
    this.mode = 'discard'
    this.release()
  }

  /** The held bytes are with the upstream and more has followed: they cannot be sent again. */
  release(): void {
    this.isReplayable = false
    this.#giveBack()
    this.#held = EMPTY
    this.heldBytes = 0
    this.#closeSpool()
  }
}
