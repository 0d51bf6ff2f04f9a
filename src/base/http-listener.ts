/** HTTP servers for the node's own endpoints (Admin API, Status API): several addresses, TLS, limits, graceful close. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from './clock.ts'
import { type Openings, readOpenings } from './connection-opening.ts'
import { escapeTargets } from './escape-target.ts'
import { createHttp2Endpoint, type Http2Endpoint } from './http2-endpoint.ts'
import type { ListenAddress } from './listen-address.ts'
import { escapeLogged, timestampOf } from './log-line.ts'
import { http } from './node-http.ts'

export interface TlsIdentity {
  /** PEM, leaf first. */
  readonly cert: string | Buffer
  readonly key: string | Buffer
}

export interface HttpListenerOptions {
  /** A `host` that begins with `unix:` is the path of a socket. */
  readonly listen: readonly ListenAddress[]
  /** One or more (RSA and ECDSA) for the addresses with `ssl`. */
  readonly tls: readonly TlsIdentity[] | null
  /** PEM: clients of TLS addresses are asked for a certificate of these, and served with or without; see `socket.authorized`. */
  readonly clientAuthorities?: readonly string[]
  /** PEM, one list each, of those authorities: with any, a certificate of an authority without list is not authorized. */
  readonly clientRevocationLists?: readonly string[]
  readonly clock: Clock
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
  /** One line per request in nginx's combined format, without newline; null when there is no access log. */
  readonly accessLog: ((line: string) => void) | null
  /** Takes targets with bytes beyond ASCII, escaped: see escape-target.ts. */
  readonly escapesTargets?: boolean
  /** Whose PROXY headers (flag `proxy_protocol`) tell the client's address. */
  readonly trustsPeer: (address: string) => boolean
  /** The whole answer to a request that is not HTTP, or exceeds a limit; the connection is closed after it. */
  readonly refuse?: (status: number) => { readonly headers: readonly string[]; readonly body: string }
}

export interface HttpListener {
  /** All addresses, or none and the reason. Answers what was bound: port 0 becomes the port the system chose. */
  open(): Promise<readonly ListenAddress[]>
  /** Stops accepting, lets requests in flight finish for at most `graceMs`, then closes every connection. */
  close(graceMs: number): Promise<void>
}

type ParseError = NodeJS.ErrnoException & { readonly rawPacket?: Buffer }

/** nginx's `large_client_header_buffers` default, which Kong keeps: 4 of 8 KiB. */
const headBytesMax = 32 * 1024
const headerCountMax = 200
const requestLineLengthMax = 8192
/** A client that dribbles its head or its body holds a socket no longer than this. */
const headTimeoutMs = 60_000
const requestTimeoutMs = 300_000
const keepAliveTimeoutMs = 65_000
/** These endpoints serve operators and scrapers, not traffic. */
const connectionsMax = 4096

/** What serves one address. */
interface Endpoint {
  readonly server: Server
  readonly http2: Http2Endpoint | null
  readonly openings: Openings
}

export function createHttpListener(options: HttpListenerOptions): HttpListener {
  const endpoints: Endpoint[] = []

  async function open(): Promise<readonly ListenAddress[]> {
    const bound: ListenAddress[] = []
    try {
      for (const address of options.listen) {
        const endpoint = createOne(options, address)
        endpoints.push(endpoint)
        bound.push(await listen(endpoint.server, address))
      }
    } catch (error) {
      await close(0)
      throw error
    }
    return bound
  }

  async function close(graceMs: number): Promise<void> {
    const closing = endpoints.splice(0)
    const timer = options.clock.after(graceMs, () => closing.forEach(cut))
    await Promise.all(closing.map(endpoint => closeOne(endpoint, graceMs)))
    timer.cancel()
  }

  return { open, close }
}

function createOne(options: HttpListenerOptions, address: ListenAddress): Endpoint {
  const limits = {
    maxHeaderSize: headBytesMax,
    headersTimeout: headTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    noDelay: true,
    requireHostHeader: true,
  }
  const server = address.ssl ? createTls(options, limits, address.http2) : http.createServer(limits)
  server.maxHeadersCount = headerCountMax
  server.maxConnections = connectionsMax
  if (options.escapesTargets === true) escapeTargets(server)
  const { accessLog, clock } = options
  const onRequest = accessLog === null ? options.onRequest : logged(options.onRequest, accessLog, clock)
  server.on('request', onRequest)
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuse(options, error, socket))
  const http2 = address.http2 ? createHttp2(clock, onRequest) : null
  const openings = readOpenings(server, address.ssl, {
    clock,
    timeoutMs: headTimeoutMs,
    proxyProtocol: address.proxyProtocol,
    trustsPeer: options.trustsPeer,
    onHttp2: http2 === null ? null : http2.accept,
  })
  return { server, http2, openings }
}

function createHttp2(clock: Clock, onRequest: HttpListenerOptions['onRequest']): Http2Endpoint {
  const timeouts = { idleTimeoutMs: keepAliveTimeoutMs, requestTimeoutMs }
  return createHttp2Endpoint({ clock, headBytesMax, headerCountMax, ...timeouts, onRequest })
}

function logged(
  onRequest: HttpListenerOptions['onRequest'],
  write: (line: string) => void,
  clock: Clock,
): HttpListenerOptions['onRequest'] {
  return (request, response) => {
    const { socket } = request
    const peer = socket.remoteAddress ?? 'unix:'
    const bytesBefore = socket.bytesWritten
    response.once('close', () => {
      const { method, url = '', httpVersion, httpVersionMajor, headers } = request
      const line = escapeLogged(`${method} ${url} HTTP/${httpVersion}`)
      const rest = `"${escapeLogged(headers.referer ?? '-')}" "${escapeLogged(headers['user-agent'] ?? '-')}"`
      // Streams share the socket's count.
      const bytes = httpVersionMajor === 2 ? declaredBytes(request, response) : socket.bytesWritten - bytesBefore
      write(`${peer} - - [${timestampOf(clock.now())}] "${line}" ${response.statusCode} ${Math.max(0, bytes)} ${rest}`)
    })
    onRequest(request, response)
  }
}

const declaredBytes = ({ method }: IncomingMessage, response: ServerResponse) =>
  method === 'HEAD' ? 0 : Number(response.getHeader('content-length') ?? 0)

function createTls(options: HttpListenerOptions, limits: object, offersHttp2: boolean): Server {
  const identities = options.tls ?? []
  if (identities.length === 0) throw new Error('a listen address with ssl needs a certificate')
  return createTlsServer({
    ...limits,
    cert: identities.map(identity => identity.cert),
    key: identities.map(identity => identity.key),
    minVersion: 'TLSv1.2',
    ...(options.clientAuthorities?.length
      ? askForCertificates(options.clientAuthorities, options.clientRevocationLists)
      : {}),
    ALPNProtocols: offersHttp2 ? ['h2', 'http/1.1'] : ['http/1.1'],
  })
}

function askForCertificates(authorities: readonly string[], revocationLists: readonly string[] = []) {
  const lists = revocationLists.length === 0 ? {} : { crl: [...revocationLists] }
  return { ca: [...authorities], ...lists, requestCert: true, rejectUnauthorized: false }
}

/** Answers what the parser rejected; the codes are those of Node's parser. */
function refuse(options: HttpListenerOptions, error: ParseError, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  let status = 400
  if (error.code === 'HPE_INVALID_METHOD' && isRequestLine(error)) status = 405
  else if (error.code === 'HPE_HEADER_OVERFLOW') status = 431
  else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') status = 408
  const { headers, body } = options.refuse?.(status) ?? { headers: [], body: '' }
  const head = [`HTTP/1.1 ${status} ${http.STATUS_CODES[status]}`, ...headers]
  head.push(`Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close')
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

/** A method that the parser does not know, in a request that is one otherwise. */
function isRequestLine({ rawPacket }: ParseError): boolean {
  return /^[!-~]+ [!-~]+ HTTP\/1\.[01]\r?\n/.test(rawPacket?.toString('latin1', 0, requestLineLengthMax) ?? '')
}

async function listen(server: Server, address: ListenAddress): Promise<ListenAddress> {
  const path = address.host.startsWith('unix:') ? address.host.slice('unix:'.length) : null
  try {
    await bind(server, address, path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const isLeftOver = code === 'EADDRINUSE' && path !== null && lstatSync(path).isSocket() && !(await isServed(path))
    if (!isLeftOver) throw error
    // By a process that was killed: nobody answers there.
    unlinkSync(path)
    await bind(server, address, path)
  }
  // Whoever may connect may change everything, like a port on the loopback; here the file's mode narrows it.
  if (path !== null) chmodSync(path, 0o660)
  const at = server.address()
  return typeof at === 'object' && at !== null ? { ...address, port: at.port } : address
}

function bind(server: Server, address: ListenAddress, path: string | null): Promise<void> {
  const backlog = address.backlog === null ? {} : { backlog: address.backlog }
  // `reuseport` is not passed on: one process serves these endpoints, and a port taken by another node must be an error.
  const target = path === null ? { host: address.host, port: address.port, ipv6Only: address.ipv6only } : { path }
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...target, ...backlog }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function isServed(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket: Socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function closeOne(endpoint: Endpoint, graceMs: number): Promise<void> {
  const { server, http2, openings } = endpoint
  if (!server.listening) return Promise.resolve()
  return new Promise(resolve => {
    server.close(() => resolve())
    server.closeIdleConnections()
    openings.closeAll()
    http2?.close()
    if (graceMs === 0) cut(endpoint)
  })
}

function cut({ server, http2 }: Endpoint): void {
  server.closeAllConnections()
  http2?.destroy()
}
