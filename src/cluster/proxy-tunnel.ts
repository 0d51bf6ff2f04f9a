/** The way to a control plane through an HTTP proxy (`cluster_use_proxy`): CONNECT (RFC 9110 section 9.3.6), then bytes. */
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { Clock } from '../base/clock.ts'

export interface Endpoint {
  readonly host: string
  readonly port: number
}

export interface ProxyServer {
  /** `http(s)://[user:password@]host[:port]`, checked when settings are loaded. */
  readonly url: string
  /** Whether the certificate of an https proxy is verified. */
  readonly verifies: boolean
  /** PEM to verify it against; null is the system's. */
  readonly authorities: string | null
}

/** Rejects when the proxy cannot be reached, or does not let us through; never with the credentials. */
export type Tunnel = (endpoint: Endpoint) => Promise<Socket>

/** Connecting, shaking hands and the answer, all together. */
const TIMEOUT_MS = 10_000
const HEAD_BYTES_MAX = 16 * 1024

export function createTunnel(proxy: ProxyServer, clock: Clock): Tunnel {
  const request = (endpoint: Endpoint) => connectRequest(new URL(proxy.url), endpoint)
  return endpoint =>
    new Promise((resolve, reject) => {
      const socket = open(proxy)
      const timer = clock.after(TIMEOUT_MS, () => socket.destroy(new Error('proxy_server does not answer')))
      let head = Buffer.alloc(0)
      const fail = (error: Error) => {
        timer.cancel()
        socket.destroy()
        reject(new Error(`proxy_server: ${error.message}`))
      }
      const closed = () => fail(new Error('it closed the connection'))
      const take = (bytes: Buffer) => {
        head = Buffer.concat([head, bytes])
        const answer = readAnswer(head)
        if (answer === 'incomplete') return
        if (answer !== 'open') return fail(new Error(answer))
        timer.cancel()
        socket.pause()
        socket.off('data', take).off('error', fail).off('close', closed)
        resolve(socket)
      }
      socket.on('error', fail).on('close', closed).on('data', take)
      socket.once(proxy.url.startsWith('https:') ? 'secureConnect' : 'connect', () => socket.write(request(endpoint)))
    })
}

/** What `tls.connect` would do, over a tunnel where there is one. */
export function connectOver(tunnel: Socket | null, options: ConnectionOptions): TLSSocket {
  if (tunnel === null) return connectTls(options)
  const { host = '', servername = isIP(host) === 0 ? host : '' } = options
  // `path` is that of the request, which would be taken for a unix socket.
  const { path: _path, ...rest } = options as ConnectionOptions & { path?: string }
  return connectTls({ ...rest, servername, socket: tunnel })
}

function open({ url, verifies, authorities }: ProxyServer): Socket {
  const { protocol, hostname, port } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  if (protocol === 'http:') return connectPlain({ host, port: Number(port || 80), noDelay: true })
  return connectTls({
    host,
    port: Number(port || 443),
    ...(isIP(host) === 0 ? { servername: host } : {}),
    rejectUnauthorized: verifies,
    ...(authorities === null ? {} : { ca: authorities }),
  })
}

function connectRequest({ username, password }: URL, { host, port }: Endpoint): string {
  const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const authorization =
    credentials === ':' ? '' : `Proxy-Authorization: Basic ${Buffer.from(credentials).toString('base64')}\r\n`
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${authorization}\r\n`
}

/** `open` when the proxy agreed, or what is wrong. */
function readAnswer(head: Buffer): string {
  const end = head.indexOf('\r\n\r\n')
  if (end < 0) return head.length > HEAD_BYTES_MAX ? 'its answer is too large' : 'incomplete'
  const status = /^HTTP\/1\.[01] (\d{3})[ \r]/.exec(head.toString('latin1', 0, end + 2))?.[1]
  if (status === undefined) return 'its answer is no HTTP'
  if (!status.startsWith('2')) return `it answered CONNECT with ${status}`
  // The control plane says nothing before the client does.
  return head.length > end + 4 ? 'it sent bytes after its answer' : 'open'
}
