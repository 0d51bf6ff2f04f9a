/** Requests of a command to the Admin API of the node that runs in the same prefix. */
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import type { ListenAddress } from '../base/listen-address.ts'
import { http } from '../base/node-http.ts'
import { formatEndpoint, isSocketEntry } from '../settings/listen-address.ts'
import { CliError } from './command.ts'

export interface AdminAnswer {
  readonly status: number
  readonly body: unknown
}

/** The node is on this machine, and says even "no" at once. */
const TIMEOUT_MS = 10_000
/** Nothing that a command asks for is larger. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024

/**
 * URL of the first listener, plain ones first, or `unix:/path`; null when there is none. Throws CliError when all of them
 * wait for what a load balancer says first.
 */
export function listenerUrl(listeners: readonly ListenAddress[]): string | null {
  const direct = listeners.filter(address => !address.proxyProtocol)
  const listener = direct.find(address => !address.ssl) ?? direct[0]
  if (listener === undefined) {
    if (listeners.length === 0) return null
    const places = listeners.map(formatEndpoint).join(', ')
    throw new CliError(`commands need an address without proxy_protocol, such as one on loopback, beside ${places}`)
  }
  if (isSocketEntry(listener.host)) return listener.host
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[listener.host] ?? listener.host
  return `${listener.ssl ? 'https' : 'http'}://${formatEndpoint({ host, port: listener.port })}`
}

/** Where an API is, and what it asks for. */
export interface ApiAddress {
  readonly url: string
  /** Sent as bearer token; null where none is needed. Never printed. */
  readonly token: string | null
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>
}

/** Rejects with CliError when nobody answers; any status counts as an answer. */
export function callAdmin(
  address: string | ApiAddress,
  method: string,
  path: string,
  body?: object,
): Promise<AdminAnswer> {
  const {
    url: base,
    token,
    headers = {},
  }: ApiAddress = typeof address === 'string' ? { url: address, token: null } : address
  const socket = isSocketEntry(base) ? { socketPath: base.slice('unix:'.length) } : {}
  const url = new URL((isSocketEntry(base) ? 'http://localhost' : base.replace(/\/+$/, '')) + path)
  const payload = body === undefined ? null : JSON.stringify(body)
  const options = {
    ...socket,
    method,
    timeout: TIMEOUT_MS,
    headers: {
      ...headers,
      ...(payload === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
  }
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(new CliError(`no answer from ${base}: ${error.message}`))
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, rejectUnauthorized: !isOwnMachine(url.hostname) })
        : http.request(url, options)
    request.on('timeout', () => request.destroy(new Error(`none within ${TIMEOUT_MS / 1000} seconds`)))
    request.on('error', fail)
    request.on('response', response => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        if ((bytes += chunk.length) > ANSWER_BYTES_MAX) request.destroy(new Error('the answer is too large'))
      })
      response.on('error', fail)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: readJson(Buffer.concat(chunks)) }))
    })
    request.end(payload)
  })
}

/** The certificate that a node makes for itself is trusted by nobody; to the own machine nobody listens in. */
function isOwnMachine(host: string): boolean {
  const address = host.replace(/^\[|\]$/g, '')
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'))
}

function readJson(bytes: Buffer): unknown {
  try {
    return bytes.length === 0 ? null : JSON.parse(bytes.toString('utf8'))
  } catch {
    return null
  }
}

/** The error text of an answer, as the Admin API words it. */
export function answerMessage({ status, body }: AdminAnswer): string {
  const message = typeof body === 'object' && body !== null ? (body as { message?: unknown }).message : undefined
  return typeof message === 'string' ? message : `unexpected answer with status ${status}`
}
