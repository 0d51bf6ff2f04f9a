/** Writes text to the handle of a socket, past its stream; see direct-write.ts for why, and for what it leans on. */
import type { Socket } from 'node:net'

export interface PendingWrite {
  oncomplete?: (status: number) => void
  /** Set when the write was over before `oncomplete` was. */
  writeStatus?: number | null
  /** Keeps the bytes alive until they are written. */
  buffer?: Buffer
}

export interface StreamHandle {
  readonly writeQueueSize?: number
  /** An error number, 0 for done, or what is pending. */
  writeLatin1String?: (request: object | null, text: string) => number | PendingWrite
  writeBuffer?: (request: object | null, bytes: Uint8Array) => number | PendingWrite
}

/** Those with something that the kernel has not taken yet: asking their handles would cost a call out of JavaScript each. */
const stuck = new Set<Socket>()

export function isStuck(socket: Socket): boolean {
  return stuck.size !== 0 && stuck.has(socket)
}

export function noteStuck(socket: Socket): void {
  stuck.add(socket)
}

/** A write is over. The handle takes them in order: nothing is stuck when nothing is left. */
export function noteTaken(socket: Socket, handle: StreamHandle, status: number): void {
  if (status < 0 || handle.writeQueueSize === 0) stuck.delete(socket)
}

/** Nothing is written to a socket that is gone. */
export function sendText(socket: Socket, text: string): void {
  const handle = (socket as unknown as { _handle: StreamHandle | null })._handle
  if (handle == null) return
  const result = handle.writeLatin1String!(null, text)
  if (result !== 0) notDone(socket, handle, result)
}

function notDone(socket: Socket, handle: StreamHandle, result: number | PendingWrite): void {
  if (typeof result === 'number') return fail(socket, result)
  if (result.writeStatus != null) return fail(socket, result.writeStatus)
  noteStuck(socket)
  result.oncomplete = status => {
    noteTaken(socket, handle, status)
    fail(socket, status)
  }
}

/** As the stream would: the socket ends with an error. Nothing is to be done for a status that is none. */
export function fail(socket: Socket, status: number): void {
  if (status < 0 && !socket.destroyed) socket.destroy(new Error(`write failed with status ${status}`))
}
