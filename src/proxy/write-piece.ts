/**
 * Sends a head, payload and a tail as one write, from buffers that are used again and again.
 *
 * The payload lies in a buffer that the next read overwrites, so it is copied once. A fresh buffer for each copy costs
 * more than the copy: pages to be zeroed, and collections of garbage that the runtime starts for memory it does not see.
 */
import type { Socket } from 'node:net'
import { writeBytes } from './direct-write-bytes.ts'
import { joinBytes } from './http/joined-bytes.ts'
import { sendWaiting } from './turn.ts'

/** A whole read with what goes around it. */
const PIECE_BYTES = 72 * 1024
/** Kept for later; more are under way only while that many peers take no more for now. */
const FREE_MAX = 64
const free: Buffer[] = []

/** False when no more should be written for now; `drain` follows. `isPlain`: TLS keeps one write at a time. */
export function writePiece(
  socket: Socket,
  isPlain: boolean,
  head: string,
  bytes: Buffer,
  from: number,
  to: number,
  tail: string,
): boolean {
  sendWaiting()
  const length = head.length + to - from + tail.length
  if (length > PIECE_BYTES) return socket.write(joinBytes(head, bytes, from, to, tail))
  const buffer = free.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES)
  buffer.write(head, 0, 'latin1')
  bytes.copy(buffer, head.length, from, to)
  buffer.write(tail, head.length + to - from, 'latin1')
  const piece = buffer.subarray(0, length)
  if (!isPlain) return socket.write(piece, () => giveBack(buffer))
  let isWaiting = false
  let isOver = false
  const isTaken = writeBytes(socket, piece, () => {
    giveBack(buffer)
    isOver = true
    // The stream does not know of this write, so it does not say when it is over; not even when little text that came
    // behind it is still queued there.
    if (isWaiting) socket.emit('drain')
  })
  if (isTaken) giveBack(buffer)
  isWaiting = !isTaken && !isOver
  return !isWaiting
}

function giveBack(buffer: Buffer): void {
  if (free.length < FREE_MAX) free.push(buffer)
}
