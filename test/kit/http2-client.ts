/** Requests by Node's own HTTP/2 client, so that our framing is read by somebody else's. */
import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2'
import type { TestContext } from 'node:test'

export interface Http2Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly trailers: IncomingHttpHeaders
}

export async function anHttp2Session(t: TestContext, port: number, tls = false): Promise<ClientHttp2Session> {
  const session = connect(`${tls ? 'https' : 'http'}://127.0.0.1:${port}`, { rejectUnauthorized: false })
  session.on('error', () => {})
  t.after(() => session.destroy())
  await once(session, 'connect')
  return session
}

export async function readAnswer(stream: ClientHttp2Stream): Promise<Http2Answer> {
  const pieces: Buffer[] = []
  let trailers: IncomingHttpHeaders = {}
  stream.on('data', (piece: Buffer) => pieces.push(piece))
  stream.on('trailers', headers => (trailers = headers))
  const ended = once(stream, 'end')
  // A stream that fails before its head rejects both; one of them is enough.
  ended.catch(() => {})
  const [headers] = (await Promise.race([
    once(stream, 'response'),
    once(stream, 'close').then(() => Promise.reject(new Error(`reset with ${stream.rstCode}`))),
  ])) as [IncomingHttpHeaders]
  await ended
  return { status: Number(headers[':status']), headers, body: Buffer.concat(pieces), trailers }
}

export function request(
  session: ClientHttp2Session,
  path: string,
  headers: Record<string, string | string[]> = {},
  body: Buffer | string | null = null,
): Promise<Http2Answer> {
  const stream = session.request({ ':path': path, ...headers }, { endStream: body === null })
  const answer = readAnswer(stream)
  if (body !== null) stream.end(body)
  return answer
}
