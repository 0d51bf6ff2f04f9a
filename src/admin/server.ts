/** The Admin API's server: from a request on a socket to an endpoint, and from its reply to one write. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createHttpListener, type HttpListener } from '../base/http-listener.ts'
import { KONG_VERSION } from '../base/version.ts'
import type { AdminOptions } from './admin-options.ts'
import { adminEndpoints } from './admin-endpoints.ts'
import { RequestArguments } from './arguments.ts'
import { readBody, refusedType } from './body.ts'
import { corsHeaders, originsOf } from './cors.ts'
import type { Endpoint, Method } from './endpoint.ts'
import { errorReply } from './error-reply.ts'
import { createPathRouter } from './path-router.ts'
import { message, methodNotAllowed, notFound, type Reply } from './reply.ts'

/** Each path once; `open` and `close` as in HttpListener. */
export interface AdminServer extends HttpListener {
  readonly endpoints: readonly Endpoint[]
}

const methodsWithBody = new Set(['POST', 'PUT', 'PATCH'])
/** A body that nobody reads: up to this Node takes it off the connection, beyond it the connection is not worth it. */
const unreadBytesMax = 64 * 1024
/** What is read and thrown away after a refused body, so that the client sees the answer and not a reset. */
const drainBytesMax = 32 * 1024 * 1024
const drainMs = 5_000

export function createAdminServer(options: AdminOptions): AdminServer {
  const endpoints = adminEndpoints(options)
  const router = createPathRouter(endpoints)
  const { clock, logger } = options
  const corsOrigins = originsOf(options.managerUrls)
  const listener = createHttpListener({
    listen: options.listen,
    tls: options.tls,
    clientAuthorities: options.clientAuthorities,
    clientRevocationLists: options.clientRevocationLists,
    trustsPeer: options.trustsPeer,
    clock,
    accessLog: options.accessLog,
    escapesTargets: true,
    onRequest,
    refuse: status => ({
      headers: headerLines(commonHeaders(undefined, 0)),
      body: JSON.stringify(status === 405 ? methodNotAllowed.body : { message: 'Bad request' }),
    }),
  })

  /** A flat list of names and values. */
  function commonHeaders(origin: string | undefined, elapsedMs: number): string[] {
    const headers = corsHeaders(corsOrigins, origin)
    if (options.sendServerHeader) headers.push('Server', serverToken)
    if (options.sendLatencyHeader) headers.push('X-Kong-Admin-Latency', String(Math.floor(elapsedMs)))
    return headers
  }

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    const startMs = clock.monotonic()
    answer(request).then(
      reply => write(request, response, reply, startMs),
      error => {
        // A client that left in the middle of its body gets no answer, and is no fault of ours.
        if (request.errored !== null) response.destroy()
        else write(request, response, errorReply(error, logger), startMs)
      },
    )
  }

  async function answer(request: IncomingMessage): Promise<Reply> {
    const url = request.url ?? '/'
    const at = url.indexOf('?')
    const path = at < 0 ? url : url.slice(0, at)
    const admitted = await options.access.admit(request)
    if ('refusal' in admitted) return admitted.refusal
    const match = router.find(path)
    const method = request.method ?? 'GET'
    if (methodsWithBody.has(method)) {
      const refused = refusedType(request, match?.endpoint.yaml === true)
      if (refused !== null) return refused
    }
    if (match === null) return notFound
    if (method === 'OPTIONS') return optionsReply(match.endpoint, request)
    const name = (method === 'HEAD' ? 'GET' : method) as Method
    const handler = Object.hasOwn(match.endpoint.methods, name) ? match.endpoint.methods[name] : undefined
    if (handler === undefined) return methodNotAllowed
    const query = RequestArguments.parse(at < 0 ? '' : url.slice(at + 1))
    if (query === null) return message(400, 'Too many arguments')
    const result = methodsWithBody.has(method) ? await readBody(request, options.bodyBytesMax) : noBody
    if (!result.ok) return result.reply
    const trimmed = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
    const handle = async () => handler({ method: name, params: match.params, path: trimmed, query, body: result.body })
    if (options.audit === null || name === 'GET' || match.endpoint.changesNothing === true) return handle()
    return options.audit.watch(request, trimmed, admitted.actor, handle)
  }

  function write(request: IncomingMessage, response: ServerResponse, reply: Reply, startMs: number): void {
    if (response.destroyed) return
    const headers = commonHeaders(request.headers.origin, clock.monotonic() - startMs)
    for (const [name, value] of Object.entries(reply.headers ?? {})) headers.push(name, value)
    const content = contentOf(reply)
    if (content !== null) headers.push('Content-Type', content.type)
    const hasLength = reply.status !== 204 && reply.status !== 304
    if (hasLength) headers.push('Content-Length', String(content === null ? 0 : Buffer.byteLength(content.text)))
    // Of HTTP/2 only the stream is given up, and the listener does that.
    const isUnread = request.httpVersionMajor === 1 && !request.complete && declaredBytes(request) > unreadBytesMax
    if (isUnread) headers.push('Connection', 'close')
    response.writeHead(reply.status, headers)
    // Head and body leave in one write: Node joins a string to the head that has not been sent yet.
    if (isUnread) drain(request, response, content?.text ?? '')
    else response.end(content?.text)
  }

  /** Answers at once, but keeps reading: closing on unread bytes would reset the connection before the client has read. */
  function drain(request: IncomingMessage, response: ServerResponse, text: string): void {
    if (text === '') response.flushHeaders()
    else response.write(text)
    let left = drainBytesMax
    const finish = () => {
      timer.cancel()
      if (!response.writableEnded) response.end()
    }
    const timer = clock.after(drainMs, finish)
    request.on('data', (chunk: Buffer) => {
      left -= chunk.length
      if (left < 0) finish()
    })
    for (const event of ['end', 'error', 'close']) request.once(event, finish)
  }

  return { endpoints, open: listener.open, close: listener.close }
}

const serverToken = `kong/${KONG_VERSION}`
const jsonType = 'application/json; charset=utf-8'
const noBody = { ok: true, body: { kind: 'none' } } as const

/** Of the body; without a length it may be any. */
function declaredBytes({ headers }: IncomingMessage): number {
  if (headers['transfer-encoding'] !== undefined) return Number.POSITIVE_INFINITY
  return Number(headers['content-length'] ?? 0)
}

function headerLines(flat: readonly string[]): string[] {
  const lines = [`Content-Type: ${jsonType}`]
  for (let i = 0; i < flat.length; i += 2) lines.push(`${flat[i]}: ${flat[i + 1]}`)
  return lines
}

function contentOf(reply: Reply): { type: string; text: string } | null {
  if (reply.text !== undefined) return { type: reply.text.type, text: reply.text.content }
  if (reply.body === undefined) return null
  return { type: jsonType, text: JSON.stringify(reply.body) }
}

function optionsReply(endpoint: Endpoint, request: IncomingMessage): Reply {
  const methods = [...Object.keys(endpoint.methods), 'OPTIONS']
  if (endpoint.methods.GET !== undefined) methods.push('HEAD')
  const allowed = methods.sort().join(', ')
  const asked = request.headers['access-control-request-headers']
  const headers = {
    Allow: allowed,
    'Access-Control-Allow-Methods': allowed,
    'Access-Control-Allow-Headers': asked === undefined ? 'Content-Type' : String(asked),
  }
  return { status: 204, headers }
}
