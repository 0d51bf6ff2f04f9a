/** HTTP by hand: clients and upstreams on raw sockets, for what well-behaved libraries cannot send or show. */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

export interface RawAnswer {
  readonly status: number
  readonly statusLine: string
  readonly head: string
  /** By lower-case name; repeated ones joined by `, `. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A client that remembers every byte it got. */
export class RawClient {
  readonly socket: Socket
  received = ''
  hasEnded = false
  isClosed = false
  #consumed = 0
  #wake: (() => void) | null = null

  constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('data', text => {
      this.received += text
      this.#wake?.()
    })
    socket.on('end', () => {
      this.hasEnded = true
      this.#wake?.()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isClosed = true
      this.#wake?.()
    })
  }

  send(text: string): this {
    this.socket.write(text, 'latin1')
    return this
  }

  /** The next answer on this connection, or throws when it ends before. */
  async answer(options: { readonly isHead?: boolean } = {}): Promise<RawAnswer> {
    for (;;) {
      const found = parseAnswer(this.received.slice(this.#consumed), this.hasEnded || this.isClosed, options.isHead)
      if (found !== null) {
        this.#consumed += found.length
        return found.answer
      }
      if (this.isClosed) throw new Error(`connection ended within an answer: ${JSON.stringify(this.unread)}`)
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  get unread(): string {
    return this.received.slice(this.#consumed)
  }

  async closed(): Promise<void> {
    if (!this.isClosed) await once(this.socket, 'close')
  }
}

export async function aClient(t: TestContext, port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1' })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return new RawClient(socket)
}

/** One request on a connection of its own. */
export async function exchangeRaw(t: TestContext, port: number, text: string, isHead = false): Promise<RawAnswer> {
  const client = (await aClient(t, port)).send(text)
  const answer = await client.answer({ isHead })
  client.socket.destroy()
  return answer
}

function parseAnswer(text: string, isOver: boolean, isHead = false): { answer: RawAnswer; length: number } | null {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return null
  const head = text.slice(0, end)
  const [statusLine, ...lines] = head.split('\r\n')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  const status = Number(statusLine!.slice(9, 12))
  const rest = text.slice(end + 4)
  const body = readBody(rest, headers, isHead || status < 200 || status === 204 || status === 304, isOver)
  if (body === null) return null
  return { answer: { status, statusLine: statusLine!, head, headers, body: body.text }, length: end + 4 + body.length }
}

function readBody(rest: string, headers: Record<string, string>, isBodiless: boolean, isOver: boolean) {
  if (isBodiless) return { text: '', length: 0 }
  if (headers['transfer-encoding'] === 'chunked') return readChunks(rest)
  const length = headers['content-length']
  if (length === undefined) return isOver ? { text: rest, length: rest.length } : null
  return rest.length >= Number(length) ? { text: rest.slice(0, Number(length)), length: Number(length) } : null
}

function readChunks(rest: string): { text: string; length: number } | null {
  let text = ''
  let position = 0
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', position)
    if (lineEnd === -1) return null
    const size = Number.parseInt(rest.slice(position, lineEnd), 16)
    if (size === 0) {
      const end = rest.startsWith('\r\n', lineEnd + 2) ? lineEnd : rest.indexOf('\r\n\r\n', lineEnd)
      return end === -1 || rest.length < end + 4 ? null : { text, length: end + 4 }
    }
    if (rest.length < lineEnd + 2 + size + 2) return null
    text += rest.slice(lineEnd + 2, lineEnd + 2 + size)
    position = lineEnd + 2 + size + 2
  }
}

export interface RawUpstream {
  readonly port: number
  readonly server: Server
  /** Whole requests as received, in order. */
  readonly requests: string[]
  connections: number
}

/** An upstream that answers each complete request with what `answer` returns; null to say nothing. */
export async function aRawUpstream(
  t: TestContext,
  answer: (request: string, socket: Socket, count: number) => string | null,
): Promise<RawUpstream> {
  const sockets = new Set<Socket>()
  const requests: string[] = []
  const server = createServer({ allowHalfOpen: true }, socket => {
    upstream.connections++
    sockets.add(socket)
    let buffered = ''
    socket.setEncoding('latin1')
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('end', () => socket.end())
    socket.on('data', text => {
      buffered += text
      for (;;) {
        const length = requestLength(buffered)
        if (length === null) return
        const request = buffered.slice(0, length)
        buffered = buffered.slice(length)
        requests.push(request)
        const reply = answer(request, socket, requests.length)
        if (reply !== null) socket.write(reply, 'latin1')
      }
    })
  })
  const upstream: RawUpstream = { port: 0, server, requests, connections: 0 }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return Object.assign(upstream, { port: (server.address() as { port: number }).port })
}

function requestLength(text: string): number | null {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return null
  const head = text.slice(0, end).toLowerCase()
  const rest = text.slice(end + 4)
  if (/\r\ntransfer-encoding: *chunked/.test(head)) {
    const body = readChunks(rest)
    return body === null ? null : end + 4 + body.length
  }
  const length = Number(/\r\ncontent-length: *(\d+)/.exec(head)?.[1] ?? 0)
  return rest.length < length ? null : end + 4 + length
}

export function okAnswer(body: string, headers = ''): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`
}
