/** A small gRPC server and client on Node's own HTTP/2: messages are bytes, methods are functions of streams. */
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  createSecureServer,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { TestContext } from 'node:test'

/** The five bytes in front of each message: not compressed, and its length. */
export function encodeMessage(text: string): Buffer {
  const body = Buffer.from(text)
  const head = Buffer.alloc(5)
  head.writeUInt32BE(body.length, 1)
  return Buffer.concat([head, body])
}

/** Messages as they come, whatever frames they come in. */
export async function* messagesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let held = Buffer.alloc(0)
  for await (const piece of stream) {
    held = Buffer.concat([held, piece])
    while (held.length >= 5 && held.length >= 5 + held.readUInt32BE(1)) {
      const end = 5 + held.readUInt32BE(1)
      yield held.toString('utf8', 5, end)
      held = held.subarray(end)
    }
  }
}

export interface GrpcServer {
  readonly port: number
  readonly calls: IncomingHttpHeaders[]
  readonly sessions: Set<ServerHttp2Session>
  readonly streams: ServerHttp2Stream[]
  /** Calls that their callers gave up. */
  readonly cancelled: string[]
}

export async function aGrpcServer(
  t: TestContext,
  options: {
    readonly tls?: { readonly cert: string; readonly key: string }
    readonly maxConcurrentStreams?: number
  } = {},
): Promise<GrpcServer> {
  const settings =
    options.maxConcurrentStreams === undefined ? {} : { maxConcurrentStreams: options.maxConcurrentStreams }
  const server =
    options.tls === undefined ? createServer({ settings }) : createSecureServer({ ...options.tls, settings })
  const own: GrpcServer = { port: 0, calls: [], sessions: new Set(), streams: [], cancelled: [] }
  server.on('session', session => {
    own.sessions.add(session)
    session.on('close', () => own.sessions.delete(session))
  })
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    own.calls.push(headers)
    own.streams.push(stream)
    stream.on('error', () => {})
    stream.on('aborted', () => own.cancelled.push(headers[':path']!))
    serve(stream, headers[':path']!.split('/').pop()!).catch(() => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const session of own.sessions) session.destroy()
    server.close()
  })
  return Object.assign(own, { port: (server.address() as { port: number }).port })
}

function answer(stream: ServerHttp2Stream, trailers: Record<string, string> = { 'grpc-status': '0' }): void {
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
}

async function serve(stream: ServerHttp2Stream, method: string): Promise<void> {
  if (method === 'Refuse')
    return void stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '7', 'grpc-message': 'no' },
      { endStream: true },
    )
  if (method === 'Silent') return
  if (method === 'Broken') {
    answer(stream)
    stream.write(encodeMessage('half'), () => stream.close(2))
    return
  }
  if (method === 'Early') {
    answer(stream, { 'grpc-status': '8', 'grpc-message': 'enough' })
    return void stream.end()
  }
  if (method === 'Bidi') {
    answer(stream)
    for await (const message of messagesOf(stream)) stream.write(encodeMessage(`echo ${message}`))
    return void stream.end()
  }
  const messages: string[] = []
  for await (const message of messagesOf(stream)) messages.push(message)
  answer(stream, { 'grpc-status': '0', 'x-own': 'trailer' })
  if (method === 'ServerStream')
    for (let i = 0; i < Number(messages[0]); i++) stream.write(encodeMessage(`message ${i}`))
  else stream.write(encodeMessage(messages.length === 1 ? `echo ${messages[0]}` : `${messages.length} messages`))
  stream.end()
}

export interface GrpcAnswer {
  readonly headers: IncomingHttpHeaders
  readonly messages: string[]
  /** Of the trailers, or of the head if it is all there is. */
  readonly status: string | undefined
  readonly message: string | undefined
  readonly trailers: IncomingHttpHeaders
}

export function openCall(session: ClientHttp2Session, method: string, headers: Record<string, string> = {}) {
  return session.request({
    ':method': 'POST',
    ':path': `/test.Echo/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  })
}

export async function readCall(stream: ReturnType<typeof openCall>): Promise<GrpcAnswer> {
  let trailers: IncomingHttpHeaders = {}
  stream.on('trailers', fields => (trailers = fields))
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  const messages: string[] = []
  for await (const message of messagesOf(stream)) messages.push(message)
  const told = { ...headers, ...trailers }
  return { headers, messages, trailers, status: told['grpc-status'] as string, message: told['grpc-message'] as string }
}

/** A call with these messages. */
export function call(
  session: ClientHttp2Session,
  method: string,
  messages: readonly string[],
  headers: Record<string, string> = {},
): Promise<GrpcAnswer> {
  const stream = openCall(session, method, headers)
  const answer = readCall(stream)
  for (const message of messages) stream.write(encodeMessage(message))
  stream.end()
  return answer
}
