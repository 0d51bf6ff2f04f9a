/** The access log of the proxy: a line per request in the format of the settings. */
import { hostname } from 'node:os'
import type { LogFormat, LogVariable } from '../base/log-format.ts'
import { escapeLogged, timestampOf } from '../base/log-line.ts'
import { accessLogLine, PROTOCOLS, remoteUser, requestLine } from './access-log-line.ts'
import type { Exchange } from './exchange.ts'
import { parseQuery } from './http/query-arguments.ts'
import { upstreamAddresses, upstreamStatuses } from './log-entry.ts'

export interface AccessLog {
  exchange(exchange: Exchange): void
}

type Read = (exchange: Exchange, argument: string) => string | undefined

/** No format is Kong's own. */
export function createAccessLog(write: (line: string) => void, format: LogFormat | null): AccessLog {
  if (format === null) {
    return { exchange: exchange => write(accessLogLine(exchange)) }
  }
  const escaped = ESCAPES[format.escape]
  const readers = format.parts.map(part =>
    typeof part === 'string' ? part : { ...part, read: READERS[part.variable as LogVariable] },
  )
  return {
    exchange(exchange) {
      let line = ''
      for (const part of readers) line += typeof part === 'string' ? part : escaped(part.read(exchange, part.argument))
      write(line)
    },
  }
}

/** nginx's: `-` for what there is not, in JSON nothing. */
const ESCAPES: Readonly<Record<LogFormat['escape'], (value: string | undefined) => string>> = {
  default: value => (value === undefined || value === '' ? '-' : escapeLogged(value)),
  json: value => (value === undefined ? '' : JSON.stringify(value).slice(1, -1)),
  none: value => value ?? '',
}

const seconds = (ms: number) => (Math.max(0, ms) / 1000).toFixed(3)
const nowOf = (exchange: Exchange) => exchange.context.clock.now()
const nameOf = (row: { readonly [field: string]: unknown } | null) => (row?.['name'] ?? undefined) as string | undefined
const idOf = (row: { readonly [field: string]: unknown } | null) => row?.['id'] as string | undefined
/** `user_agent` for User-Agent. */
const headerName = (argument: string) => argument.replaceAll('_', '-')
const bodyBytes = (exchange: Exchange) => `${Math.max(0, exchange.responseBytes - exchange.sentHead.length)}`

const READERS: Readonly<Record<LogVariable, Read>> = {
  args: exchange => exchange.rawQuery,
  arg_: (exchange, name) => parseQuery(exchange.rawQuery).find(([key]) => key.toLowerCase() === name)?.[1] ?? undefined,
  body_bytes_sent: bodyBytes,
  bytes_sent: exchange => `${exchange.responseBytes}`,
  connection: exchange => `${exchange.client.serial}`,
  connection_requests: exchange => `${exchange.client.requests}`,
  content_length: exchange => exchange.head.find('content-length'),
  content_type: exchange => exchange.head.find('content-type'),
  cookie_: (exchange, name) => exchange.cookie(name),
  host: exchange => exchange.head.hostname.toLowerCase() || 'kong',
  hostname: () => hostname(),
  http_: (exchange, name) => exchange.header(headerName(name)) ?? exchange.header(name),
  https: exchange => (exchange.client.scheme === 'https' ? 'on' : ''),
  is_args: exchange => (exchange.hasQuery ? '?' : ''),
  kong_consumer_id: exchange => exchange.consumerId ?? undefined,
  kong_request_id: exchange => exchange.id,
  kong_route_id: exchange => idOf(exchange.route),
  kong_route_name: exchange => nameOf(exchange.route),
  kong_service_id: exchange => idOf(exchange.service),
  kong_service_name: exchange => nameOf(exchange.service),
  msec: exchange => seconds(nowOf(exchange)),
  pid: () => `${process.pid}`,
  query_string: exchange => exchange.rawQuery,
  realip_remote_addr: exchange => exchange.client.peerAddress,
  remote_addr: exchange => exchange.clientIp,
  remote_user: exchange => remoteUser(exchange.head.find('authorization')),
  request: requestLine,
  request_id: exchange => exchange.id,
  request_length: exchange => `${exchange.requestBytes}`,
  request_method: exchange => exchange.head.method,
  request_time: exchange => seconds(nowOf(exchange) - exchange.startedAt),
  request_uri: exchange => exchange.head.target,
  scheme: exchange => exchange.client.scheme,
  sent_http_: (exchange, name) => exchange.response.header(headerName(name)),
  server_addr: exchange => exchange.client.localAddress,
  server_name: () => 'kong',
  server_port: exchange => `${exchange.client.localPort}`,
  server_protocol: exchange => PROTOCOLS[exchange.head.version],
  ssl_cipher: exchange => exchange.client.tls?.cipher,
  ssl_client_verify: exchange => exchange.client.tls?.client_verify,
  ssl_protocol: exchange => exchange.client.tls?.version,
  ssl_server_name: exchange => exchange.client.sni,
  status: exchange => `${exchange.status}`.padStart(3, '0'),
  time_iso8601: exchange => isoTime(nowOf(exchange)),
  time_local: exchange => timestampOf(nowOf(exchange)),
  upstream_addr: upstreamAddresses,
  upstream_header_time: exchange =>
    exchange.answeredAt === 0 ? undefined : seconds(exchange.answeredAt - exchange.triedAt),
  upstream_response_time: exchange => (exchange.isProxied ? seconds(nowOf(exchange) - exchange.triedAt) : undefined),
  upstream_status: upstreamStatuses,
  uri: exchange => exchange.path,
}

/** `2026-11-28T23:05:12+00:00`, local time. */
function isoTime(ms: number): string {
  const offset = -new Date(ms).getTimezoneOffset()
  const local = new Date(ms + offset * 60_000).toISOString().slice(0, 19)
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  return `${local}${offset < 0 ? '-' : '+'}${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`
}
