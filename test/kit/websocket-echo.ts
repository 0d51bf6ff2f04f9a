/** A WebSocket server that sends everything back, and clients for it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { TestContext } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'

const MESSAGE_BYTES_MAX = 32 * 1024 * 1024

export interface EchoServer {
  readonly port: number
  /** Code and reason of each connection that was closed. */
  readonly closes: string[]
  readonly pings: string[]
  readonly sockets: Set<WebSocket>
}

export async function anEchoServer(
  t: TestContext,
  options: { readonly tls?: { readonly cert: string; readonly key: string }; readonly isSilent?: boolean } = {},
): Promise<EchoServer> {
  const http = options.tls === undefined ? createServer() : createSecureServer(options.tls)
  const server = new WebSocketServer({ server: http, maxPayload: MESSAGE_BYTES_MAX })
  const own: EchoServer = { port: 0, closes: [], pings: [], sockets: new Set() }
  server.on('connection', socket => {
    own.sockets.add(socket)
    socket.on(
      'message',
      (data, isBinary) => options.isSilent === true || socket.send(data as Buffer, { binary: isBinary }),
    )
    socket.on('ping', data => void own.pings.push(String(data)))
    socket.on('close', (code, reason) => void own.closes.push(`${code} ${reason}`))
    socket.on('error', () => {})
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.after(() => {
    for (const socket of own.sockets) socket.terminate()
    http.close()
  })
  return Object.assign(own, { port: (http.address() as { port: number }).port })
}

export async function aWebSocket(t: TestContext, url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, {
    rejectUnauthorized: false,
    maxPayload: MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
  })
  socket.on('error', () => {})
  t.after(() => socket.terminate())
  await once(socket, 'open')
  return socket
}

/** The next message, with its kind. */
export async function nextMessage(socket: WebSocket): Promise<{ readonly data: Buffer; readonly isBinary: boolean }> {
  const [data, isBinary] = (await once(socket, 'message')) as [Buffer, boolean]
  return { data, isBinary }
}
