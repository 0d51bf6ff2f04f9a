/** `headers` and `headers_upstream`: which of our own headers each token stands for. */

export interface ResponseHeaders {
  readonly server: boolean
  readonly via: boolean
  readonly proxyLatency: boolean
  readonly upstreamLatency: boolean
  readonly responseLatency: boolean
  readonly adminLatency: boolean
  readonly upstreamStatus: boolean
  readonly requestId: boolean
}

const TOKENS: Readonly<Record<string, readonly (keyof ResponseHeaders)[]>> = {
  server_tokens: ['server', 'via'],
  latency_tokens: ['proxyLatency', 'upstreamLatency', 'responseLatency', 'adminLatency'],
  server: ['server'],
  via: ['via'],
  'x-kong-proxy-latency': ['proxyLatency'],
  'x-kong-upstream-latency': ['upstreamLatency'],
  'x-kong-response-latency': ['responseLatency'],
  'x-kong-admin-latency': ['adminLatency'],
  'x-kong-upstream-status': ['upstreamStatus'],
  'x-kong-request-id': ['requestId'],
}

export const isResponseHeaderToken = (token: string): boolean =>
  token === 'off' || Object.hasOwn(TOKENS, token.toLowerCase())

export const isUpstreamHeaderToken = (token: string): boolean =>
  token === 'off' || token.toLowerCase() === 'x-kong-request-id'

/** A leading `off` switches all off. */
export function responseHeaders(tokens: readonly string[]): ResponseHeaders {
  const enabled = new Set(tokens[0] === 'off' ? [] : tokens.flatMap(token => TOKENS[token.toLowerCase()] ?? []))
  return {
    server: enabled.has('server'),
    via: enabled.has('via'),
    proxyLatency: enabled.has('proxyLatency'),
    upstreamLatency: enabled.has('upstreamLatency'),
    responseLatency: enabled.has('responseLatency'),
    adminLatency: enabled.has('adminLatency'),
    upstreamStatus: enabled.has('upstreamStatus'),
    requestId: enabled.has('requestId'),
  }
}

export function upstreamRequestId(tokens: readonly string[]): boolean {
  return tokens[0] !== 'off' && tokens.some(token => token.toLowerCase() === 'x-kong-request-id')
}
