/**
 * Writes to a TCP socket past its stream.
 *
 * A stream write costs a state machine, a callback on the next tick and a turn of the tick queue, a twentieth of a
 * proxied request, and gives nothing here: nearly every write is taken by the kernel at once. So text goes straight to
 * the handle as long as nothing is queued; whatever is queued goes through the stream, and libuv keeps the order of
 * both. This leans on an internal of Node 26, which makes a request object only for writes that the kernel did not take
 * at once. What Node itself does is looked at once; where it does otherwise, all writes go through the stream.
 */
import type { Socket } from 'node:net'
import { fail, isStuck, type StreamHandle } from './send-text.ts'
import { sendInTurn, sendWaiting } from './turn.ts'

let isDirectPossible: boolean | null = null

/**
 * False when no more should be written for now; `drain` follows. The text may leave at the end of the turn: call
 * `sendWaiting` before doing anything else with the socket.
 */
export function writeText(socket: Socket, text: string): boolean {
  const handle = (socket as unknown as { _handle: StreamHandle | null })._handle
  const isReady = handle != null && socket.writableLength === 0 && !socket.writableEnded
  if (isDirectPossible === true && isReady && !isStuck(socket)) {
    sendInTurn(socket, text)
    return true
  }
  sendWaiting()
  if (!isReady || isDirectPossible !== null) return socket.write(text, 'latin1')
  return observe(socket, handle, text)
}

/** Bytes that the kernel has not taken yet; falls as it takes them. */
export function unsentBytes(socket: Socket): number {
  sendWaiting()
  const handle = (socket as unknown as { _handle: StreamHandle | null })._handle
  return handle?.writeQueueSize || socket.writableLength
}

/** Whether the kernel has taken all, but for what leaves with the turn. */
export function isTaken(socket: Socket): boolean {
  return socket.writableLength === 0 && !isStuck(socket)
}

/** The same through the stream: for TLS, whose handle is another thing. */
export function writeStreamText(socket: Socket, text: string): boolean {
  return socket.write(text, 'latin1')
}

/** Lets the stream write, and sees how it asks the handle. */
function observe(socket: Socket, handle: StreamHandle, text: string): boolean {
  const original = handle.writeLatin1String
  if (typeof original !== 'function' || socket.connecting) return socket.write(text, 'latin1')
  handle.writeLatin1String = (request, latin) => {
    isDirectPossible = request === null
    return original.call(handle, request, latin)
  }
  try {
    return socket.write(text, 'latin1')
  } finally {
    delete handle.writeLatin1String
  }
}

/**
 * Writes the first `length` of `bytes`, which the caller will overwrite: what the kernel does not take at once is
 * copied. False when no more should be written for now; `drain` follows.
 */
export function writeShared(socket: Socket, bytes: Buffer, length: number): boolean {
  const isReady = isTaken(socket) && !socket.writableEnded
  if (isReady && isDirectPossible !== false) return writeText(socket, bytes.toString('latin1', 0, length))
  sendWaiting()
  return socket.write(Buffer.copyBytesFrom(bytes, 0, length))
}

/**
 * Writes the first `length` of `bytes` as they lie there. False: the caller must leave them alone until `taken` is
 * called, or until `drain` where the write went through the stream after all.
 */
export function writeInPlace(socket: Socket, bytes: Buffer, length: number, taken: () => void): boolean {
  sendWaiting()
  const handle = (socket as unknown as { _handle: StreamHandle | null })._handle
  const isReady = handle != null && handle.writeQueueSize === 0 && socket.writableLength === 0 && !socket.writableEnded
  if (!isReady || isDirectPossible !== true || handle.writeBuffer === undefined)
    return socket.write(Buffer.copyBytesFrom(bytes, 0, length))
  const data = length === bytes.length ? bytes : bytes.subarray(0, length)
  const result = handle.writeBuffer(null, data)
  if (result === 0) return true
  if (typeof result === 'number' || result.writeStatus != null) {
    fail(socket, typeof result === 'number' ? result : result.writeStatus!)
    return true
  }
  result.buffer = data
  result.oncomplete = status => {
    fail(socket, status)
    taken()
  }
  return false
}
