/** The Status API: what load balancers, orchestrators and scrapers may ask of a node, and nothing else. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../base/clock.ts'
import { createHttpListener, type HttpListener, type TlsIdentity } from '../base/http-listener.ts'
import type { ListenAddress } from '../base/listen-address.ts'
import type { Logger } from '../base/logger.ts'
import { KONG_VERSION } from '../base/version.ts'

export interface StatusReply {
  readonly status: number
  readonly body?: unknown
  readonly text?: { readonly type: string; readonly content: string }
}

export interface StatusOptions {
  readonly listen: readonly ListenAddress[]
  readonly tls: readonly TlsIdentity[] | null
  /** See HttpListenerOptions. */
  readonly trustsPeer: (address: string) => boolean
  readonly clock: Clock
  readonly logger: Logger
  readonly accessLog: ((line: string) => void) | null
  /** Null when the node may take traffic, else why not. */
  readonly notReady: () => Promise<string | null>
  /** From now on `/status/ready` answers 503, so that no new traffic comes. */
  readonly drain: () => void
  readonly isDraining: () => boolean
  /**
   * Endpoints that the Admin API has as well (`/status`, `/metrics`, upstream health): only GET, answered by the same
   * code. Null when it has no such path.
   */
  readonly read: (path: string, query: string) => Promise<StatusReply | null>
}

/** A request here is a line and a few headers; `status=draining` is the only body. */
const bodyBytesMax = 4096

const notFound: StatusReply = { status: 404, body: { message: 'Not found' } }
const methodNotAllowed: StatusReply = { status: 405, body: { message: 'Method not allowed' } }
const unexpected: StatusReply = { status: 500, body: { message: 'An unexpected error occurred' } }

export function createStatusServer(options: StatusOptions): HttpListener {
  const { clock, logger } = options

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    const startMs = clock.monotonic()
    answer(options, request).then(
      reply => write(response, reply, clock.monotonic() - startMs),
      error => {
        logger.error('status request failed', { error: error instanceof Error ? error.message : String(error) })
        write(response, unexpected, clock.monotonic() - startMs)
      },
    )
  }

  const { listen, tls, accessLog, trustsPeer } = options
  return createHttpListener({ listen, tls, clock, accessLog, trustsPeer, onRequest })
}

async function answer(options: StatusOptions, request: IncomingMessage): Promise<StatusReply> {
  const url = request.url ?? '/'
  const at = url.indexOf('?')
  const sent = at < 0 ? url : url.slice(0, at)
  const path = sent.length > 1 && sent.endsWith('/') ? sent.slice(0, -1) : sent
  const query = at < 0 ? '' : url.slice(at + 1)
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  if (path === '/status/ready') {
    if (isRead) return readiness(options)
    return request.method === 'POST' ? startDraining(options, request, query) : methodNotAllowed
  }
  const reply = await options.read(path, query)
  if (reply === null) return notFound
  return isRead ? reply : methodNotAllowed
}

async function readiness({ isDraining, notReady }: StatusOptions): Promise<StatusReply> {
  if (isDraining()) return { status: 503, body: { message: 'draining' } }
  const reason = await notReady()
  return reason === null ? { status: 200, body: { message: 'ready' } } : { status: 503, body: { message: reason } }
}

async function startDraining(options: StatusOptions, request: IncomingMessage, query: string): Promise<StatusReply> {
  const text = await readBody(request)
  if (text === null) return { status: 413 }
  if (wantsDraining(request.headers['content-type'] ?? '', text) || wantsDraining('form', query)) {
    options.drain()
    return { status: 204 }
  }
  return { status: 400 }
}

function wantsDraining(type: string, text: string): boolean {
  if (!type.startsWith('application/json')) return new URLSearchParams(text).get('status') === 'draining'
  try {
    return (JSON.parse(text) as { status?: unknown } | null)?.status === 'draining'
  } catch {
    return false
  }
}

function readBody(request: IncomingMessage): Promise<string | null> {
  return new Promise((resolve, reject) => {
    let text = ''
    request.setEncoding('latin1')
    request.on('data', (chunk: string) => {
      text += chunk
      if (text.length > bodyBytesMax) resolve(null)
    })
    request.once('end', () => resolve(text))
    request.once('error', reject)
  })
}

function write(response: ServerResponse, reply: StatusReply, elapsedMs: number): void {
  if (response.destroyed) return
  const headers = ['Server', `kong/${KONG_VERSION}`, 'X-Kong-Admin-Latency', String(Math.floor(elapsedMs))]
  headers.push('Access-Control-Allow-Origin', '*')
  const content = contentOf(reply)
  if (content !== null) headers.push('Content-Type', content.type)
  if (reply.status !== 204)
    headers.push('Content-Length', String(content === null ? 0 : Buffer.byteLength(content.text)))
  response.writeHead(reply.status, headers)
  response.end(content?.text)
}

function contentOf({ body, text }: StatusReply): { type: string; text: string } | null {
  if (text !== undefined) return { type: text.type, text: text.content }
  return body === undefined ? null : { type: 'application/json; charset=utf-8', text: JSON.stringify(body) }
}
