/** Everything that can go wrong with a request, with what the client is told. Texts and codes are Kong's. */
import { HEAD_TOO_LARGE } from './http/head-scanner.ts'

export interface Failure {
  readonly status: number
  readonly message: string
  /**
   * How the body's form is chosen (proxy.md 7): `gateway` by Accept, else JSON; `nginx` by Accept, else the request's
   * Content-Type, else `error_default_type`.
   */
  readonly style: 'gateway' | 'nginx'
}

export const FAILURES = {
  no_configuration: gateway(503, 'no configuration received yet'),
  no_route: gateway(404, 'no Route matched with those values'),
  no_service: gateway(503, 'no Service found with those values'),
  https_required: gateway(426, 'Please use HTTPS protocol'),
  http2_required: gateway(426, 'Please use HTTP2 protocol'),
  not_grpc: gateway(415, 'Non-gRPC request matched gRPC route'),
  no_live_target: gateway(503, 'failure to get a peer from the ring-balancer'),
  name_resolution_failed: gateway(503, 'name resolution failed'),
  dns_error: gateway(500, 'An unexpected error occurred'),
  plugin_failed: gateway(500, 'An unexpected error occurred'),
  bad_request: nginx(400, 'Bad request'),
  method_not_allowed: nginx(405, 'Method not allowed'),
  request_timeout: nginx(408, 'Request timeout'),
  body_too_large: nginx(413, 'Payload too large'),
  uri_too_long: nginx(414, 'URI too long'),
  expectation_failed: nginx(417, 'Expectation failed'),
  // 494 in nginx, which Kong turns into 400.
  head_too_large: nginx(400, 'Request header or cookie too large'),
  internal: nginx(500, 'An unexpected error occurred'),
  not_implemented: nginx(501, 'Not implemented'),
  upstream_invalid: nginx(502, 'An invalid response was received from the upstream server'),
  upstream_timeout: nginx(504, 'The upstream server is timing out'),
  version_not_supported: nginx(505, 'HTTP version not supported'),
} as const satisfies Record<string, Failure>

export type FailureCode = keyof typeof FAILURES

/** What a refusal of the parser, a negated status, is called here. */
export function refusalCode(refusal: number): FailureCode {
  if (refusal === -HEAD_TOO_LARGE) return 'head_too_large'
  for (const [code, { status, style }] of Object.entries(FAILURES)) {
    if (style === 'nginx' && status === -refusal) return code as FailureCode
  }
  return 'bad_request'
}

function gateway(status: number, message: string): Failure {
  return { status, message, style: 'gateway' }
}

function nginx(status: number, message: string): Failure {
  return { status, message, style: 'nginx' }
}
