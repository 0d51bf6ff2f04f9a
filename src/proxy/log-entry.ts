/** The log entry of an exchange, as logging plugins send it (proxy.md 12). */
import type { Row } from '../entities/config.ts'
import type { Exchange } from './exchange.ts'

/** Credentials that clients sent are nobody's business in a log. */
const REDACTED_HEADERS = ['authorization', 'proxy-authorization']

export function serializeExchange(exchange: Exchange): Record<string, unknown> {
  const { client, head } = exchange
  const target = head.target
  const host = head.hostname === '' ? 'kong' : head.hostname
  const entry: Record<string, unknown> = {
    request: {
      id: exchange.id,
      uri: target,
      url: `${client.scheme}://${host}:${client.publicPort}${target}`,
      querystring: queryObject(exchange),
      method: head.method,
      headers: redacted(exchange.request.headers()),
      size: exchange.requestBytes,
      ...(client.tls === null ? {} : { tls: client.tls }),
    },
    upstream_uri: upstreamUri(exchange),
    upstream_status: upstreamStatuses(exchange),
    response: { status: exchange.status, headers: exchange.response.headers(), size: exchange.responseBytes },
    latencies: latencies(exchange),
    ...(exchange.matchedRoute === null ? {} : { tries: tries(exchange) }),
    client_ip: exchange.clientIp,
    started_at: exchange.startedAt,
    source: exchange.source === 'service' ? 'upstream' : 'kong',
  }
  addEntities(entry, exchange)
  for (const [name, value] of exchange.logFields ?? []) setField(entry, name, value)
  return entry
}

function latencies(exchange: Exchange): Record<string, number> {
  const { kong, proxy, request } = exchange.latencies
  return { kong, proxy, request, receive: Math.max(0, request - kong - Math.max(0, proxy)) }
}

/** Dots lead into tables, which are made where they are missing (`kong.log.set_serialize_value`). */
function setField(entry: Record<string, unknown>, name: string, value: unknown): void {
  const keys = name.split('.')
  let node = entry
  for (const key of keys.slice(0, -1)) {
    const next = (node[key] ??= {})
    if (typeof next !== 'object' || next === null || Array.isArray(next)) return
    node = next as Record<string, unknown>
  }
  node[keys.at(-1)!] = value
}

/** Known from the route on, whether or not anybody was asked. */
function upstreamUri(exchange: Exchange): string {
  if (exchange.matchedRoute?.service == null) return ''
  const edits = exchange.upstreamEdits
  const path = edits === null ? exchange.upstreamPath() : edits.path
  const query = edits === null ? exchange.rawQuery : edits.query
  if (query === '') return edits?.editedQuery == null && exchange.hasQuery ? `${path}?` : path
  return `${path}?${query}`
}

/** Of all tries, as nginx lists them: `502, 200`. */
export function upstreamStatuses(exchange: Exchange): string {
  const failed: string[] = (exchange.failedTries ?? []).map(({ code }) => (code === 'upstream_timeout' ? '504' : '502'))
  if (exchange.upstreamStatus !== 0) failed.push(`${exchange.upstreamStatus}`)
  return failed.join(', ')
}

/** Of all tries, as nginx lists them: `10.0.0.1:80, 10.0.0.2:80`. */
export function upstreamAddresses(exchange: Exchange): string {
  return tries(exchange)
    .map(({ ip, port }) => `${String(ip).includes(':') ? `[${ip}]` : ip}:${port}`)
    .join(', ')
}

function tries(exchange: Exchange): Record<string, unknown>[] {
  const list = (exchange.failedTries ?? []).map(({ peer, startedAt, code }) => ({
    ...tryOf(peer.ip, peer.port, startedAt),
    state: 'failed',
    code: code === 'upstream_timeout' ? 504 : 502,
  }))
  const { peer } = exchange
  if (peer === null || exchange.upstreamStatus === 0) return list
  return [...list, tryOf(peer.ip, peer.port, exchange.triedAt)]
}

function tryOf(ip: string, port: number, startedAt: number): Record<string, unknown> {
  return {
    ip,
    port,
    balancer_start: startedAt,
    balancer_start_ns: startedAt * 1e6,
    balancer_latency: 0,
    balancer_latency_ns: 0,
  }
}

function addEntities(entry: Record<string, unknown>, exchange: Exchange): void {
  const { route, service, consumer, credential } = exchange
  if (credential !== null) {
    entry['authenticated_entity'] = { id: credential['id'], consumer_id: foreignId(credential, 'consumer') }
  }
  if (route !== null) entry['route'] = withoutNulls(route)
  if (service !== null) entry['service'] = withoutNulls(service)
  if (consumer !== null) entry['consumer'] = withoutNulls(consumer)
  const workspace = route?.['ws_id']
  if (workspace != null) {
    entry['workspace'] = workspace
    const name = exchange.context.config.reader.find('workspaces', String(workspace))?.['name']
    if (name !== undefined) entry['workspace_name'] = name
  }
}

/** In Lua a field without a value is not there. */
function withoutNulls(row: Row): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null))
}

function foreignId(row: Row, field: string): unknown {
  return (row[field] as { readonly id?: unknown } | null | undefined)?.id ?? null
}

function redacted(headers: Record<string, string | string[]>): Record<string, string | string[]> {
  for (const name of REDACTED_HEADERS) if (headers[name] !== undefined) headers[name] = 'REDACTED'
  return headers
}

/** Arguments as Kong shows them: `true` without value, an array where repeated. */
function queryObject(exchange: Exchange): Record<string, unknown> {
  const object: Record<string, unknown> = Object.create(null)
  for (const [name, value] of exchange.request.queryArguments()) {
    const shown = value ?? true
    const before = object[name]
    object[name] = before === undefined ? shown : Array.isArray(before) ? [...before, shown] : [before, shown]
  }
  return object
}
