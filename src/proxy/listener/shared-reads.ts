/**
 * Lets a TLS socket read into the shared buffer, as raw-accept.ts does for plain ones: Node offers that for sockets that
 * it connects itself only. It saves a buffer from the allocator, an event and a stream push per read. What Node keeps
 * for it are properties under symbols of its own; where it has none, 'data' events do the same work at a higher price.
 */
import type { TLSSocket } from 'node:tls'
import type { Receiver } from './raw-accept.ts'

interface Inside {
  readonly _handle: { useUserBuffer?: (buffer: Buffer) => void } | null
  [property: symbol]: unknown
}

/** Every socket has these properties from the beginning, empty. */
interface Names {
  readonly buffer: symbol
  readonly callback: symbol
}

let names: Names | null | undefined

/** From here on `receive` gets what comes, in a buffer that is overwritten when it returns. True if the short way is in use. */
export function readShared(socket: TLSSocket, readBuffer: Buffer, receive: Receiver): boolean {
  const inside = socket as unknown as Inside
  names ??= namesIn(inside)
  // What the stream holds already came before the buffer was there.
  if (names === null || typeof inside._handle?.useUserBuffer !== 'function' || socket.readableLength > 0) {
    socket.on('data', (bytes: Buffer) => receive(bytes, bytes.length))
    return false
  }
  inside._handle.useUserBuffer(readBuffer)
  inside[names.buffer] = readBuffer
  inside[names.callback] = (length: number, bytes: Buffer) => {
    receive(bytes, length)
    return true
  }
  socket.resume()
  return true
}

function namesIn(socket: Inside): Names | null {
  const symbols = Object.getOwnPropertySymbols(socket)
  const named = (description: string) => symbols.find(symbol => symbol.description === description)
  const buffer = named('kBuffer')
  const callback = named('kBufferCb')
  if (buffer === undefined || callback === undefined || socket[buffer] != null || socket[callback] != null) return null
  return { buffer, callback }
}
