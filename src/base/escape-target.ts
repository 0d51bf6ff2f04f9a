/** Lets Node's HTTP server take request targets with bytes beyond ASCII, by escaping them before its parser sees them. */
import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

/** A request line whose target has such bytes; a longer one is refused anyway. */
const requestLine = /^[A-Z]+ \/[!-~\x80-\xff]* HTTP\/1\.[01]\r?\n/
const lineBytesMax = 8192

/**
 * RFC 3986 allows ASCII only and Node's parser insists on it. nginx does not, so people type `curl .../routes/円`.
 * Only a line at the start of what arrives in one piece is looked at, and only between two requests: a body is never changed.
 */
export function escapeTargets(server: Server): void {
  const current = new WeakMap<Socket, IncomingMessage>()
  server.prependListener('request', (request: IncomingMessage) => current.set(request.socket, request))
  server.on('tlsClientError' in server ? 'secureConnection' : 'connection', (socket: Socket) => {
    const push = socket.push.bind(socket)
    socket.push = (chunk: unknown, encoding?: BufferEncoding) => {
      const isBetween = Buffer.isBuffer(chunk) && (current.get(socket)?.complete ?? true)
      return push(isBetween ? escapeTarget(chunk) : chunk, encoding)
    }
    // Node's parser reads from the file descriptor itself, past `push`, until somebody listens for data.
    socket.on('data', () => {})
  })
}

export function escapeTarget(chunk: Buffer): Buffer {
  const end = chunk.indexOf(0x0a)
  if (end < 0 || end > lineBytesMax) return chunk
  const line = chunk.toString('latin1', 0, end + 1)
  if (!/[\x80-\xff]/.test(line) || !requestLine.test(line)) return chunk
  const escaped = line.replace(/[\x80-\xff]/g, (byte: string) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`)
  return Buffer.concat([Buffer.from(escaped, 'latin1'), chunk.subarray(end + 1)])
}
