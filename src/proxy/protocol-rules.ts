/** What a matched route demands of the protocol, and the answers to requests that come by another one (proxy.md 4). */
import type { Exchange } from './exchange.ts'
import { isGrpcRequest } from './grpc-answer.ts'
import { failureAnswer, type OwnAnswer } from './own-answer.ts'

const NOTHING = Buffer.alloc(0)

/** Null when the request may go on. */
export function protocolAnswer(exchange: Exchange): OwnAnswer | null {
  const route = exchange.matchedRoute!
  if (route.grpc) return grpcAnswer(exchange)
  return route.https && !route.http && forwardedScheme(exchange) !== 'https' ? httpsAnswer(exchange) : null
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

function grpcAnswer(exchange: Exchange): OwnAnswer | null {
  if (!isGrpcRequest(exchange.head)) return failureAnswer(exchange, 'not_grpc')
  if (!exchange.head.isHttp2) return withUpgrade(failureAnswer(exchange, 'http2_required'), 'HTTP/2')
  if (exchange.matchedRoute!.http || forwardedScheme(exchange) === 'https') return null
  return { status: 200, source: 'exit', headers: GRPCS_REQUIRED, body: NOTHING }
}

const GRPCS_REQUIRED = [
  ['content-type', 'application/grpc'],
  ['grpc-status', '1'],
  ['grpc-message', 'gRPC request matched gRPCs route'],
] as const

function withUpgrade(answer: OwnAnswer, protocols: string): OwnAnswer {
  return { ...answer, headers: [...answer.headers, ['Upgrade', protocols]] }
}
