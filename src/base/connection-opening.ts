/** What comes before HTTP on a connection to a node's own endpoints: a PROXY header, or the preface of HTTP/2. */
import type { Server as HttpServer } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Clock } from './clock.ts'
import { parseProxyHeader } from './proxy-header.ts'

export interface OpeningOptions {
  readonly clock: Clock
  /** For the header and the preface together. */
  readonly timeoutMs: number
  /** Flag `proxy_protocol`: a header comes first on every connection, or the connection is closed. */
  readonly proxyProtocol: boolean
  /** Whether the client's address in the header of this peer counts; else the peer's own does, as in nginx. */
  readonly trustsPeer: (address: string) => boolean
  /** Takes the connections that speak HTTP/2; null with flag `http2` unset. */
  readonly onHttp2: ((socket: Socket) => void) | null
}

export interface Openings {
  /** Closes the connections that have not said yet what they are. */
  closeAll(): void
}

type Step = { readonly state: 'incomplete' } | { readonly state: 'malformed' } | { readonly rest: Buffer }
type ConnectionListener = (socket: Socket) => void

/** RFC 9113, section 3.4. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/**
 * Puts itself before what `server` does with a connection. The server stays the one that listens, so its own limits,
 * time-outs and closing hold for whatever is handed on to it.
 */
export function readOpenings(server: HttpServer, isTls: boolean, options: OpeningOptions): Openings {
  const { proxyProtocol, onHttp2 } = options
  const waiting = new Set<Socket>()
  const addresses = new WeakMap<Socket, string>()
  if (proxyProtocol || (onHttp2 !== null && !isTls)) {
    intercept(server, 'connection', (socket, handOn) => {
      const readHeader = (bytes: Buffer) => readProxyHeader(bytes, socket, options, addresses)
      const sniff = (rest: Buffer) => (onHttp2 === null || isTls ? give(socket, rest, handOn) : choose(rest))
      const choose = (first: Buffer) =>
        readUntil(socket, first, waiting, options, readPreface, bytes => give(socket, bytes, protocolOf(bytes, handOn)))
      if (proxyProtocol) readUntil(socket, NOTHING, waiting, options, readHeader, sniff)
      else choose(NOTHING)
    })
  }
  if (isTls && (proxyProtocol || onHttp2 !== null)) {
    intercept(server, 'secureConnection', (socket, handOn) => {
      const address = addresses.get(socketUnder(socket as TLSSocket) ?? socket)
      if (address !== undefined) setRemoteAddress(socket, address)
      const isHttp2 = onHttp2 !== null && (socket as TLSSocket).alpnProtocol === 'h2'
      if (isHttp2) onHttp2(socket)
      else handOn(socket)
    })
  }

  function protocolOf(bytes: Buffer, http1: ConnectionListener): ConnectionListener {
    return bytes.length >= PREFACE.length && bytes.indexOf(PREFACE) === 0 ? onHttp2! : http1
  }

  return {
    closeAll() {
      for (const socket of waiting) socket.destroy()
    },
  }
}

const NOTHING = Buffer.alloc(0)
const INCOMPLETE: Step = { state: 'incomplete' }

function intercept(
  server: HttpServer,
  event: 'connection' | 'secureConnection',
  open: (socket: Socket, handOn: ConnectionListener) => void,
): void {
  const listeners = server.listeners(event) as ConnectionListener[]
  server.removeAllListeners(event)
  const handOn = (socket: Socket) => {
    for (const listener of listeners) listener.call(server, socket)
  }
  server.on(event, (socket: Socket) => open(socket, handOn))
}

/** `then` gets what has been read and is not used up. The connection is closed for what is malformed or too slow. */
function readUntil(
  socket: Socket,
  first: Buffer,
  waiting: Set<Socket>,
  { clock, timeoutMs }: OpeningOptions,
  step: (bytes: Buffer) => Step,
  then: (rest: Buffer) => void,
): void {
  let held = first
  const ignoreError = () => {}
  const timer = clock.after(timeoutMs, () => socket.destroy())
  const release = () => {
    timer.cancel()
    waiting.delete(socket)
    socket.off('readable', read).off('end', close).off('close', release).off('error', ignoreError)
  }
  const close = () => socket.destroy()
  const advance = () => {
    const result = step(held)
    if ('rest' in result) {
      release()
      then(result.rest)
    } else if (result.state === 'malformed') socket.destroy()
  }
  const read = () => {
    const before = held.length
    for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
      held = Buffer.concat([held, chunk])
    }
    if (held.length > before) advance()
  }
  waiting.add(socket)
  socket.on('readable', read).on('end', close).on('close', release).on('error', ignoreError)
  if (first.length > 0) advance()
}

/** As if the bytes came now. `push`, not `unshift`: the next owner may look at what is pushed. */
function give(socket: Socket, rest: Buffer, next: ConnectionListener): void {
  next(socket)
  if (rest.length > 0 && !socket.destroyed) socket.push(rest)
}

function readProxyHeader(
  bytes: Buffer,
  socket: Socket,
  { trustsPeer }: OpeningOptions,
  addresses: WeakMap<Socket, string>,
): Step {
  const header = parseProxyHeader(bytes, bytes.length)
  if (header.state !== 'complete') return header.state === 'malformed' ? { state: 'malformed' } : INCOMPLETE
  if (header.addresses !== null && trustsPeer(peerOf(socket))) {
    addresses.set(socket, header.addresses.sourceAddress)
    setRemoteAddress(socket, header.addresses.sourceAddress)
  }
  return { rest: bytes.subarray(header.end) }
}

function readPreface(bytes: Buffer): Step {
  const compared = Math.min(bytes.length, PREFACE.length)
  const isLike = bytes.compare(PREFACE, 0, compared, 0, compared) === 0
  return isLike && compared < PREFACE.length ? INCOMPLETE : { rest: bytes }
}

/** An IPv4 client of a socket that takes both families is written in IPv6's way. */
const peerOf = ({ remoteAddress = 'unix:' }: Socket) => remoteAddress.replace(/^::ffff:(?=\d+\.)/, '')

/** Where Node's servers, HTTP/2's stand-ins for sockets too, and all who ask them look for it. */
function setRemoteAddress(socket: Socket, address: string): void {
  Object.defineProperty(socket, 'remoteAddress', { value: address, configurable: true })
}

/** What a TLS server's socket was made of. */
function socketUnder(socket: TLSSocket): Socket | null {
  return (socket as unknown as { _parent?: Socket | null })._parent ?? null
}
