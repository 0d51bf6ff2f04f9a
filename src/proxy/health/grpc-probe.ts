/**
 * One check of a gRPC server: `grpc.health.v1.Health/Check` over HTTP/2. A server without that service is healthy if
 * it says so in gRPC: it is there, and nothing better can be asked of it.
 */
import { type ClientHttp2Session, connect, constants } from 'node:http2'
import type { PeerEvent, PeerIdentity } from './peer-state.ts'
import { type ProbeOptions, tlsOptionsOf } from './probe.ts'

/** A message without fields: uncompressed, no bytes. */
const EMPTY_MESSAGE = Buffer.alloc(5)
/** `status: SERVING` behind the five bytes of the message's head. */
const SERVING = Buffer.from([0, 0, 0, 0, 2, 0x08, 0x01])
const GRPC_UNIMPLEMENTED = '12'
const ANSWER_BYTES_MAX = 4096

export function probeGrpc(peer: PeerIdentity, options: ProbeOptions): Promise<PeerEvent | null> {
  const { rules, clock } = options
  return new Promise((resolve, reject) => {
    const session = openSession(peer, options)
    const end = (event: PeerEvent | null) => {
      timer.cancel()
      session.destroy()
      resolve(event)
    }
    const timer = clock.after(rules.timeoutMs, () => end('timeout'))
    session.once('error', () => end('tcp_failure'))
    session.once('close', () => end('tcp_failure'))
    session.once('connect', () => {
      try {
        ask(session, options, end)
      } catch (error) {
        // Headers that HTTP/2 does not allow.
        reject(error)
        end(null)
      }
    })
  })
}

function openSession({ ip, port, hostname }: PeerIdentity, options: ProbeOptions): ClientHttp2Session {
  const isTls = options.rules.type === 'grpcs'
  const authority = `${isTls ? 'https' : 'http'}://${ip.includes(':') ? `[${ip}]` : ip}:${port}`
  return isTls ? connect(authority, tlsOptionsOf(hostname, options)) : connect(authority)
}

function ask(session: ClientHttp2Session, { rules, hostHeader }: ProbeOptions, end: (event: PeerEvent | null) => void) {
  const stream = session.request({
    ...rules.headers,
    [constants.HTTP2_HEADER_METHOD]: 'POST',
    [constants.HTTP2_HEADER_PATH]: '/grpc.health.v1.Health/Check',
    ...(hostHeader === null ? {} : { [constants.HTTP2_HEADER_AUTHORITY]: hostHeader }),
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  let status = 0
  let grpcStatus: unknown
  let answer = Buffer.alloc(0)
  stream.on('response', headers => {
    status = Number(headers[':status'])
    // An answer without message has its status in the head.
    grpcStatus = headers['grpc-status']
  })
  stream.on('trailers', trailers => (grpcStatus = trailers['grpc-status'] ?? grpcStatus))
  stream.on('data', (bytes: Buffer) => {
    answer = Buffer.concat([answer, bytes])
    if (answer.length > ANSWER_BYTES_MAX) end('http_failure')
  })
  stream.once('error', () => end('tcp_failure'))
  stream.once('end', () => {
    if (status !== 200) return end(rules.statusEvent(status))
    if (grpcStatus === GRPC_UNIMPLEMENTED) return end('success')
    end(grpcStatus === '0' && answer.equals(SERVING) ? 'success' : 'http_failure')
  })
  stream.end(EMPTY_MESSAGE)
}
