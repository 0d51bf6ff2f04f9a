/**
 * Writes bytes to a socket, plain or TLS, past its stream; see direct-write.ts for why, and for what it leans on.
 *
 * Whoever calls this writes nothing else to the socket, and one piece at a time: then there is no order to keep.
 */
import type { Socket } from 'node:net'
import { fail, noteStuck, noteTaken, type StreamHandle } from './send-text.ts'
import { sendWaiting } from './turn.ts'

let isDirectPossible: boolean | null = null

/**
 * True when the bytes are with the kernel, or with TLS, and may be overwritten. False when they must be left alone until
 * `done` is called; it is not called at all when the socket fails, which the socket's own events tell.
 */
export function writeBytes(socket: Socket, bytes: Uint8Array, done: () => void): boolean {
  sendWaiting()
  const handle = (socket as unknown as { _handle: StreamHandle | null })._handle
  const isReady = handle != null && !socket.connecting && socket.writableLength === 0 && !socket.writableEnded
  if (!isReady || isDirectPossible === false) {
    socket.write(bytes, done)
    return false
  }
  if (isDirectPossible === null) return observe(socket, handle, bytes, done)
  const result = handle.writeBuffer!(null, bytes)
  if (result === 0) return true
  if (typeof result === 'number') fail(socket, result)
  else if (result.writeStatus != null) finish(socket, result.writeStatus, done)
  else {
    noteStuck(socket)
    result.oncomplete = status => {
      noteTaken(socket, handle, status)
      finish(socket, status, done)
    }
  }
  return false
}

function finish(socket: Socket, status: number, done: () => void): void {
  if (status < 0) fail(socket, status)
  else done()
}

/** Lets the stream write, and sees how it asks the handle. */
function observe(socket: Socket, handle: StreamHandle, bytes: Uint8Array, done: () => void): false {
  const original = handle.writeBuffer
  if (typeof original !== 'function') {
    isDirectPossible = false
    socket.write(bytes, done)
    return false
  }
  handle.writeBuffer = (request, buffer) => {
    isDirectPossible = request === null
    return original.call(handle, request, buffer)
  }
  try {
    socket.write(bytes, done)
  } finally {
    delete handle.writeBuffer
  }
  return false
}
