/**
 * Sends a head, payload and a tail as one write, from buffers that are used again and again.
 *
 * The payload lies in a buffer that the next read overwrites, so it is copied once.
 */
import type { Socket } from 'node:net'
import { writeBytes } from './direct-write-bytes.ts'
import { joinBytes } from './http/joined-bytes.ts'
import { givePiece, PIECE_BYTES, takePiece } from './piece-buffers.ts'
import { sendWaiting } from './turn.ts'

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
  const buffer = takePiece()
  buffer.write(head, 0, 'latin1')
  bytes.copy(buffer, head.length, from, to)
  buffer.write(tail, head.length + to - from, 'latin1')
  const piece = buffer.subarray(0, length)
  if (!isPlain) return socket.write(piece, () => givePiece(buffer))
  let isWaiting = false
  let isOver = false
  const isTaken = writeBytes(socket, piece, () => {
    givePiece(buffer)
    isOver = true
    // The stream does not know of this write, so it does not say when it is over; not even when little text that came
    // behind it is still queued there.
    if (isWaiting) socket.emit('drain')
  })
  if (isTaken) givePiece(buffer)
  isWaiting = !isTaken && !isOver
  return !isWaiting
}
