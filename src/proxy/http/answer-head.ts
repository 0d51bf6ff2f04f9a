/** The head of the answer to the client, as one string: the upstream's with our own fields, or one made here. */
import type { Exchange } from '../exchange.ts'
import { PRODUCT, type ProxyContext } from '../proxy-context.ts'
import type { FieldOverrides } from './field-overrides.ts'
import { listHas } from './head-scanner.ts'
import {
  CONNECTION,
  CONTENT_ENCODING,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  DATE,
  headerIdOf,
  KEEP_ALIVE,
  KONG_DEBUG,
  PROXY_CONNECTION,
  SERVER,
  TRAILER,
  TRANSFER_ENCODING,
  UPGRADE,
  VIA,
  X_KONG_PROXY_LATENCY,
  X_KONG_REQUEST_ID,
  X_KONG_UPSTREAM_LATENCY,
  X_KONG_UPSTREAM_STATUS,
} from './header-ids.ts'
import { HeaderList } from './header-list.ts'
import { CHUNKED } from './request-head.ts'
import { type ResponseHead, UNTIL_CLOSE } from './response-head.ts'
import { flags, nominatedFields } from './upstream-request-head.ts'

/** Fields of the upstream's head that are about its connection, or that we write anew. */
const HOP_FIELDS = [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH, UPGRADE]

/** Which further fields are replaced depends on `headers` in the settings. */
export function replacedFields({ settings }: ProxyContext): Uint8Array {
  const { responseHeaders: own } = settings
  const replaced = [...HOP_FIELDS]
  if (own.via) replaced.push(VIA)
  if (own.upstreamLatency) replaced.push(X_KONG_UPSTREAM_LATENCY)
  if (own.proxyLatency) replaced.push(X_KONG_PROXY_LATENCY)
  if (own.upstreamStatus) replaced.push(X_KONG_UPSTREAM_STATUS)
  if (own.requestId) replaced.push(X_KONG_REQUEST_ID)
  return flags(replaced)
}

/** Decides the framing of an answer; returns its lines, `Connection` included. No `upstream` for our own answers. */
export function frameAnswer(exchange: Exchange, upstream: ResponseHead | null, bodyLength: number): string {
  const { client, head } = exchange
  const isBodiless = exchange.hasBodilessAnswer
  let framing = ''
  if (isBodiless) {
    const length = upstream === null ? `${bodyLength}` : upstream.known(CONTENT_LENGTH)
    if (exchange.status !== 204 && length !== '') framing = `Content-Length: ${length}\r\n`
  } else if (bodyLength >= 0) framing = `Content-Length: ${bodyLength}\r\n`
  else if (head.minor === 1 && !head.isHttp2) {
    exchange.sendsChunks = true
    framing = 'Transfer-Encoding: chunked\r\n'
  }
  const endsByClose = !isBodiless && (bodyLength === CHUNKED || bodyLength === UNTIL_CLOSE) && head.minor === 0
  exchange.keepAlive = !endsByClose && client.canKeepAlive()
  if (head.isHttp2) return framing
  return framing + (exchange.keepAlive ? 'Connection: keep-alive\r\n' : 'Connection: close\r\n')
}

/** The upstream's head with our fields, and with `overrides` of plugins if there are any. */
export function buildProxiedHead(
  exchange: Exchange,
  upstream: ResponseHead,
  replaced: Uint8Array,
  overrides: FieldOverrides | null,
): string {
  const { text, ids, count } = upstream
  const framing = frameAnswer(exchange, upstream, upstream.bodyLength)
  const nominated = nominatedFields(upstream)
  const dropsTrailer = upstream.has(TRAILER) && !exchange.head.acceptsTrailers
  const type = typeWithCharset(exchange.context, upstream)
  let answer = `HTTP/1.1 ${upstream.statusText}\r\n`
  if (type !== null) answer += `Content-Type: ${type}\r\n`
  let runStart = -1
  for (let index = 0; index < count; index++) {
    const id = ids[index]!
    const isCopied =
      replaced[id] === 0 &&
      !(dropsTrailer && id === TRAILER) &&
      !(type !== null && id === CONTENT_TYPE) &&
      (overrides === null || !overrides.covers(index)) &&
      (nominated === null || !listHas(nominated, upstream.nameAt(index).toLowerCase()))
    if (isCopied) {
      if (runStart === -1) runStart = upstream.lineAt(index)
    } else if (runStart !== -1) {
      answer += text.slice(runStart, upstream.lineAt(index))
      runStart = -1
    }
  }
  if (runStart !== -1) answer += text.slice(runStart, upstream.lineAt(count))
  if (overrides !== null) for (let i = 0; i < overrides.count; i++) answer += overrides.linesAt(i)
  return `${answer}${framing}${proxiedLines(exchange, upstream)}\r\n`
}

/** Types that nginx's charset filter adds a charset to (`charset_types`). */
const CHARSET_TYPES =
  /^(?:text\/(?:html|xml|plain|vnd\.wap\.wml)|application\/(?:javascript|rss\+xml))(?=$|[ ;])(?!.*charset=)/i

/** The upstream's Content-Type with a charset, or null when it stays as it is, as for encoded bodies. */
function typeWithCharset({ settings }: ProxyContext, upstream: ResponseHead): string | null {
  if (settings.charset === null || !upstream.has(CONTENT_TYPE) || upstream.has(CONTENT_ENCODING)) return null
  const type = upstream.known(CONTENT_TYPE)
  if (type !== lastType) {
    lastType = type
    isLastTypeText = CHARSET_TYPES.test(type)
  }
  return isLastTypeText ? `${type}; charset=${settings.charset}` : null
}

/** Answers of one type tend to follow each other. */
let lastType = ''
let isLastTypeText = false

/** The version that the upstream spoke, as far as it spoke. */
function outboundVia({ matchedRoute }: Exchange): string {
  return matchedRoute?.service?.http2 === true ? `2 ${PRODUCT}` : `1.1 ${PRODUCT}`
}

/** Our own fields on a proxied answer (proxy.md 5). */
function proxiedLines(exchange: Exchange, upstream: ResponseHead): string {
  const { settings } = exchange.context
  const own = settings.responseHeaders
  let lines = earlyLines(exchange, upstream)
  if (own.server && !upstream.has(SERVER)) lines += `Server: ${PRODUCT}\r\n`
  if (own.upstreamLatency) lines += `X-Kong-Upstream-Latency: ${exchange.answeredAt - exchange.sentAt}\r\n`
  if (own.proxyLatency) lines += `X-Kong-Proxy-Latency: ${exchange.sentAt - exchange.startedAt}\r\n`
  if (own.via) lines += `Via: ${viaOf(exchange, upstream)}\r\n`
  if (own.requestId) lines += `X-Kong-Request-Id: ${exchange.id}\r\n`
  return lines
}

/** Of these, what plugins may change. */
function earlyLines(exchange: Exchange, upstream: ResponseHead): string {
  const { settings } = exchange.context
  let lines = upstream.has(DATE) ? '' : dateLine(exchange.answeredAt)
  if (settings.responseHeaders.upstreamStatus) lines += `X-Kong-Upstream-Status: ${exchange.upstreamStatus}\r\n`
  if (settings.addedHeaders.length > 0) lines += addedLines(exchange)
  return settings.allowDebugHeader ? lines + debugLines(exchange) : lines
}

function viaOf(exchange: Exchange, upstream: ResponseHead | null): string {
  const own = outboundVia(exchange)
  return upstream?.has(VIA) ? `${upstream.knownList(VIA)}, ${own}` : own
}

/**
 * The fields in which Kong lets plugins have no say: it sets them when the header filters have run. `upstream` is null
 * for an answer made here.
 */
export function setOwnFields(exchange: Exchange, headers: HeaderList, upstream: ResponseHead | null): void {
  const own = exchange.context.settings.responseHeaders
  if (upstream !== null || (exchange.isProxied && exchange.source === 'error')) {
    setProxiedFields(exchange, headers, upstream)
  } else {
    const now = exchange.context.clock.now()
    if (own.responseLatency) headers.set('X-Kong-Response-Latency', `${now - exchange.startedAt}`)
    // Kong's way for a plugin to keep a Server field of its own: a Via that names the gateway.
    if (!own.via || headers.get('via') !== PRODUCT) {
      if (own.server) headers.set('Server', PRODUCT)
      else headers.remove('Server')
    }
  }
  if (own.requestId) headers.set('X-Kong-Request-Id', exchange.id)
}

/** A request that got as far as a peer counts as proxied, as in Kong. */
function setProxiedFields(exchange: Exchange, headers: HeaderList, upstream: ResponseHead | null): void {
  const own = exchange.context.settings.responseHeaders
  const answeredAt = upstream === null ? exchange.context.clock.now() : exchange.answeredAt
  const sentAt = exchange.sentAt === 0 ? answeredAt : exchange.sentAt
  if (own.upstreamLatency) headers.set('X-Kong-Upstream-Latency', `${answeredAt - sentAt}`)
  if (own.proxyLatency) headers.set('X-Kong-Proxy-Latency', `${sentAt - exchange.startedAt}`)
  if (own.via) headers.set('Via', viaOf(exchange, upstream))
  if (own.server && headers.get('server') === undefined) headers.set('Server', PRODUCT)
}

/** The upstream's fields and ours, as a list that plugins may edit; framing is added when it is sent. */
export function proxiedList(exchange: Exchange, upstream: ResponseHead, replaced: Uint8Array): HeaderList {
  const list = new HeaderList()
  const options = upstream.knownList(CONNECTION)
  const type = typeWithCharset(exchange.context, upstream)
  for (let index = 0; index < upstream.count; index++) {
    const name = upstream.nameAt(index)
    const id = upstream.ids[index]!
    if (id === TRAILER && !exchange.head.acceptsTrailers) continue
    // Plugins may ask for the length of what the upstream sent; it is replaced when the head is built.
    const isKept = id === CONTENT_LENGTH || (replaced[id] === 0 && !listHas(options, name.toLowerCase()))
    if (isKept) list.append(name, id === CONTENT_TYPE && type !== null ? type : upstream.valueAt(index))
  }
  appendLines(list, earlyLines(exchange, upstream))
  return list
}

/** A head from an edited list. `framing` ends with its CRLF. */
export function buildEditedHead(status: string, headers: HeaderList, framing: string): string {
  let head = `HTTP/1.1 ${status}\r\n`
  for (let index = 0; index < headers.length; index++) {
    const id = headerIdOf(headers.lowerNameAt(index))
    if (id === CONTENT_LENGTH || id === TRANSFER_ENCODING || id === CONNECTION || id === KEEP_ALIVE) continue
    head += headers.lineAt(index)
  }
  return `${head}${framing}\r\n`
}

/** Our own fields on an answer made here, as far as plugins may change them. */
export function ownList(exchange: Exchange): HeaderList {
  const { clock, settings } = exchange.context
  const list = new HeaderList()
  appendLines(list, dateLine(clock.now()))
  if (exchange.isProxied && exchange.source === 'error' && settings.responseHeaders.upstreamStatus) {
    list.append('X-Kong-Upstream-Status', `${exchange.status}`)
  }
  if (settings.addedHeaders.length > 0) appendLines(list, addedLines(exchange))
  if (settings.allowDebugHeader) appendLines(list, debugLines(exchange))
  return list
}

/** `Kong-Route-Id` and its like, for requests that ask with `Kong-Debug`. */
function debugLines(exchange: Exchange): string {
  if (!exchange.head.has(KONG_DEBUG)) return ''
  let lines = ''
  for (const [kind, row] of [
    ['Route', exchange.route],
    ['Service', exchange.service],
  ] as const) {
    if (row === null) continue
    lines += `Kong-${kind}-Id: ${row['id']}\r\n`
    if (typeof row['name'] === 'string') {
      lines += `Kong-${kind}-Name: ${Buffer.from(row['name']).toString('latin1')}\r\n`
    }
  }
  return lines
}

/** Statuses that nginx's `add_header` adds to without `always`. */
const ADDED_STATUSES = new Set([200, 201, 204, 206, 301, 302, 303, 304, 307, 308])

function addedLines({ context, status }: Exchange): string {
  let lines = ''
  for (const { name, value, always } of context.settings.addedHeaders) {
    if (always || ADDED_STATUSES.has(status)) lines += `${name}: ${value}\r\n`
  }
  return lines
}

function appendLines(list: HeaderList, lines: string): void {
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(': ')
    if (colon !== -1) list.append(line.slice(0, colon), line.slice(colon + 2))
  }
}

let dateSecond = -1
let dateText = ''

/** The same for a whole second, so made once in it. */
function dateLine(now: number): string {
  const second = Math.floor(now / 1000)
  if (second !== dateSecond) {
    dateSecond = second
    dateText = `Date: ${new Date(now).toUTCString()}\r\n`
  }
  return dateText
}
