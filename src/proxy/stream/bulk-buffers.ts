/**
 * Read buffers of their own for directions that carry much.
 *
 * What is read into the buffer that all sockets share must be copied unless the kernel takes it at once, and whether it
 * will is known only afterwards. A direction with a buffer of its own is written from it without a copy, and simply
 * does not read on before all of it is taken. Buffers are few, and go back as soon as a direction grows quiet.
 */

/** The larger, the fewer system calls and wake-ups of peers: 512 KiB cost half of 64 KiB, per byte. */
const BUFFER_BYTES = 512 * 1024
/** At most so many at once in a worker: 16 MiB. Directions beyond share, and copy. */
const BUFFERS_MAX = 32
/** A direction that has carried so much is likely to carry more. */
const BULK_AFTER_BYTES = 256 * 1024
/** A read of less says that the direction has grown quiet. */
const QUIET_READ_BYTES = 4 * 1024

export class BulkBuffers {
  readonly #free: Buffer[] = []
  #count = 0

  take(): Buffer | null {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#count >= BUFFERS_MAX) return null
    this.#count++
    return Buffer.allocUnsafeSlow(BUFFER_BYTES)
  }

  give(buffer: Buffer): void {
    this.#free.push(buffer)
  }

  /** A buffer that somebody may still read from: another one takes its place when one is needed. */
  forsake(): void {
    this.#count--
  }
}

/** One direction of a session: which buffer its next read goes to. */
export class BulkDirection {
  readonly #pool: BulkBuffers
  readonly #shared: Buffer
  #own: Buffer | null = null
  #bytes = 0
  #lastRead = 0
  /** The kernel is still taking what is in our own buffer. */
  isPending = false

  constructor(pool: BulkBuffers, shared: Buffer) {
    this.#pool = pool
    this.#shared = shared
  }

  owns(bytes: Buffer): boolean {
    return this.#own === bytes
  }

  noteRead(length: number): void {
    this.#bytes += length
    this.#lastRead = length
  }

  /** Asked after each read; undefined keeps the buffer that there is. */
  nextBuffer(): Buffer | undefined {
    const isQuiet = this.#lastRead < QUIET_READ_BYTES
    if (this.#own === null) {
      if (isQuiet || this.#bytes < BULK_AFTER_BYTES) return undefined
      this.#own = this.#pool.take()
      return this.#own ?? undefined
    }
    if (!isQuiet || this.isPending) return undefined
    this.release()
    this.#bytes = 0
    return this.#shared
  }

  release(): void {
    if (this.#own === null) return
    if (this.isPending) this.#pool.forsake()
    else this.#pool.give(this.#own)
    this.#own = null
  }
}
