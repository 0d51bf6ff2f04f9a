/**
 * Buffers for copies of what was read, used again and again: a fresh one for each read costs more than the copy, in pages
 * to be zeroed and in collections that the runtime starts for memory it does not see.
 */

/** A read at most. Larger ones save system calls of large bodies; much larger ones fall out of the processor's caches. */
export const READ_BYTES = 128 * 1024
/** A whole read with what goes around it. */
export const PIECE_BYTES = READ_BYTES + 8 * 1024
/** Kept for later; more are in use only while that many peers take no more for now. */
const FREE_MAX = 64
const free: Buffer[] = []

/** Of `PIECE_BYTES`. */
export function takePiece(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES)
}

/** The caller has no use for it any more, and nobody else knows it. */
export function givePiece(buffer: Buffer): void {
  if (free.length < FREE_MAX) free.push(buffer)
}
