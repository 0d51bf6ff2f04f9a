/**
 * Accepts connections so that they read into one shared buffer.
 *
 * Node offers `onread` for outgoing connections only. It saves a buffer, an event and a stream push per read, a third
 * of the CPU of a proxied request. So `onconnection` of the server's handle is replaced, which does little else than
 * making the socket. Where a Node version has no such handle, public 'connection' and 'data' events do the same work
 * at a higher price.
 */
import { type Server, Socket } from 'node:net'

/** Receives bytes that are overwritten as soon as it returns. */
export interface Receiver {
  (bytes: Buffer, length: number): void
  /** With `swapsBuffers`: where the next read goes to; undefined keeps the buffer that there is. */
  nextBuffer?: () => Buffer | undefined
}

export interface AcceptOptions {
  readonly server: Server
  readonly readBuffer: Buffer
  /** Makes whatever the socket belongs to; null closes the connection at once. */
  readonly accept: (socket: Socket) => Receiver | null
  /** Tests force the fallback. */
  readonly isRawAllowed?: boolean
  /** Receivers may have buffers of their own; asking them costs a call per read. */
  readonly swapsBuffers?: boolean
}

interface ServerHandle {
  onconnection?: (status: number, clientHandle: unknown) => void
}

/** Call once the server listens. True if the raw way is in use. */
export function acceptInto(options: AcceptOptions): boolean {
  const { server, readBuffer, accept, isRawAllowed = true, swapsBuffers = false } = options
  const handle = (server as unknown as { _handle: ServerHandle | null })._handle
  if (!isRawAllowed || typeof handle?.onconnection !== 'function') {
    server.on('connection', socket => attachEvents(socket, accept))
    return false
  }
  handle.onconnection = (status, clientHandle) => {
    // A failed accept (out of file descriptors) has no handle; the next one may succeed.
    if (status !== 0 || clientHandle === undefined) return
    let receive: Receiver | null = null
    const socketOptions = {
      handle: clientHandle,
      allowHalfOpen: true,
      onread: {
        buffer: swapsBuffers ? () => (receive === null ? readBuffer : receive.nextBuffer?.()) : readBuffer,
        callback(length: number, bytes: Buffer) {
          receive?.(bytes, length)
          return true
        },
      },
    }
    const socket = new Socket(socketOptions as unknown as ConstructorParameters<typeof Socket>[0])
    receive = accept(socket)
    if (receive === null) socket.destroy()
  }
  return true
}

function attachEvents(socket: Socket, accept: AcceptOptions['accept']): void {
  const receive = accept(socket)
  if (receive === null) socket.destroy()
  else socket.on('data', (bytes: Buffer) => receive(bytes, bytes.length))
}
