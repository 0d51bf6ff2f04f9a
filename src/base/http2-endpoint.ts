/** HTTP/2 for the node's own endpoints: requests look like those of HTTP/1.1 to whoever answers them. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { Clock } from './clock.ts'

export interface Http2EndpointOptions {
  readonly clock: Clock
  /** Of a request's head, decoded. */
  readonly headBytesMax: number
  readonly headerCountMax: number
  readonly idleTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
}

export interface Http2Endpoint {
  /** Takes a connection that speaks HTTP/2, over TLS or not. */
  accept(socket: Socket): void
  /** Asks every client to go; requests in flight are finished, until `destroy`. */
  close(): void
  destroy(): void
}

/** A console or a scraper has a few requests in flight; nginx's own default is 128. */
const concurrentStreamsMax = 128
/** `:method`, `:path`, `:scheme`, `:authority`. */
const pseudoHeaders = 4

/** `node:http2` is loaded here, by those nodes only that need it. */
export function createHttp2Endpoint(options: Http2EndpointOptions): Http2Endpoint {
  const { clock, onRequest, headBytesMax, requestTimeoutMs } = options
  const http2 = process.getBuiltinModule('node:http2')
  const server = http2.createServer({
    maxHeaderListPairs: options.headerCountMax + pseudoHeaders,
    settings: { maxConcurrentStreams: concurrentStreamsMax, maxHeaderListSize: headBytesMax, enablePush: false },
  })
  const sessions = new Set<ServerHttp2Session>()
  server.setTimeout(options.idleTimeoutMs)
  server.on('session', session => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
  })
  // Broken frames end the session; the client that sent them knows why.
  server.on('sessionError', () => {})
  server.on('request', (request, response) => {
    const timer = clock.after(requestTimeoutMs, () => {
      if (!request.complete) response.stream.close(http2.constants.NGHTTP2_CANCEL)
    })
    response.once('close', () => timer.cancel())
    response.once('finish', () => stopBody(request, response))
    onRequest(request as unknown as IncomingMessage, response as unknown as ServerResponse)
  })

  /** A body that nobody read: the answer is whole, the rest need not be sent (RFC 9113, section 8.1). */
  function stopBody(request: Http2ServerRequest, response: Http2ServerResponse): void {
    if (!request.complete) response.stream.close(http2.constants.NGHTTP2_NO_ERROR)
  }

  return {
    accept: socket => void server.emit('connection', socket),
    close() {
      for (const session of sessions) session.close()
    },
    destroy() {
      for (const session of sessions) session.destroy()
    },
  }
}
