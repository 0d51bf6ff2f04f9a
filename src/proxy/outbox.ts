/** Bytes on their way to a socket, gathered so that one write sends many; and the one time per turn at which it does. */

const BUFFER_BYTES = 16 * 1024
const POOL_MAX = 256
/** A whole read with what goes around it, behind what had gathered before. */
const LARGE_BYTES = 144 * 1024
const LARGE_POOL_MAX = 32
const pool: Buffer[] = []
const largePool: Buffer[] = []

export class Outbox {
  bytes: Buffer = NOTHING
  length = 0
  /** Counts what was taken out: positions found in an earlier epoch are gone. */
  epoch = 0

  /** Makes room for so many bytes at `length`, which the caller moves on. */
  reserve(bytes: number): number {
    const needed = this.length + bytes
    if (needed > this.bytes.length) this.#grow(needed)
    return this.length
  }

  #grow(needed: number): void {
    const before = this.bytes
    if (needed <= BUFFER_BYTES) this.bytes = pool.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES)
    else if (needed <= LARGE_BYTES) this.bytes = largePool.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES)
    else this.bytes = Buffer.allocUnsafeSlow(Math.max(needed, before.length * 2))
    before.copy(this.bytes, 0, 0, this.length)
    release(before)
  }

  /** Adds text in latin1. */
  text(text: string): void {
    if (text === '') return
    const at = this.reserve(text.length)
    this.bytes.write(text, at, 'latin1')
    this.length = at + text.length
  }

  /** Adds a copy. */
  copy(bytes: Buffer, from: number, to: number): void {
    const at = this.reserve(to - from)
    bytes.copy(this.bytes, at, from, to)
    this.length = at + to - from
  }

  /** All bytes; give them back with `release` once they are written. */
  take(): Buffer {
    const taken = this.bytes.subarray(0, this.length)
    this.bytes = NOTHING
    this.length = 0
    this.epoch++
    return taken
  }
}

const NOTHING = Buffer.alloc(0)

/** A buffer that nobody reads any more, for others to use. */
export function release(bytes: Buffer): void {
  const { buffer } = bytes
  if (buffer.byteLength === BUFFER_BYTES && pool.length < POOL_MAX) pool.push(Buffer.from(buffer))
  if (buffer.byteLength === LARGE_BYTES && largePool.length < LARGE_POOL_MAX) largePool.push(Buffer.from(buffer))
}

export interface Flushable {
  flush(): void
}

const waiting: Flushable[] = []

/**
 * Flushes once all sockets that are ready now have been read: answers that come from several upstreams in one turn of
 * the event loop leave in one write.
 */
export function flushSoon(member: Flushable): void {
  if (waiting.push(member) === 1) setImmediate(flushAll)
}

function flushAll(): void {
  const members = waiting.splice(0)
  for (const member of members) member.flush()
}
