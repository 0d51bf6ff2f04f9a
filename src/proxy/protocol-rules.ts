/** What a matched route demands of the protocol, and the answers to requests that come by another one (proxy.md 4). */
import type { Exchange } from './exchange.ts'
import { failureAnswer, type OwnAnswer } from './own-answer.ts'

const NOTHING = Buffer.alloc(0)

/** Null when the request may go on. */
export function protocolAnswer(exchange: Exchange): OwnAnswer | null {
  const route = exchange.matchedRoute!
  if (route.https && !route.http && forwardedScheme(exchange) !== 'https') return httpsAnswer(exchange)
  return route.grpc ? grpcAnswer(exchange) : null
}

/** Without views for plugins, which cost an object, unless the peer may claim a scheme. */
function forwardedScheme(exchange: Exchange): string {
  return exchange.client.isPeerTrusted ? exchange.request.forwardedScheme : exchange.client.scheme
}

function httpsAnswer(exchange: Exchange): OwnAnswer {
  const status = exchange.matchedRoute!.httpsRedirectStatusCode
  if (status === 426) return withUpgrade(failureAnswer(exchange, 'https_required'), 'TLS/1.2, HTTP/1.1')
  const location = `https://${exchange.request.forwardedHost}${exchange.head.target}`
  return { status, source: 'exit', headers: [['Location', location]], body: NOTHING }
}

function grpcAnswer(exchange: Exchange): OwnAnswer {
  const isGrpc = exchange.head.find('content-type')?.startsWith('application/grpc') === true
  if (!isGrpc) return failureAnswer(exchange, 'not_grpc')
  // gRPC needs HTTP/2, which this listener does not speak.
  return withUpgrade(failureAnswer(exchange, 'http2_required'), 'HTTP/2')
}

function withUpgrade(answer: OwnAnswer, protocols: string): OwnAnswer {
  return { ...answer, headers: [...answer.headers, ['Upgrade', protocols]] }
}
