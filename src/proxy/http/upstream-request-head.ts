/**
 * The head of the request to the upstream, as one string.
 *
 * Request line, framing and everything about the hop are written anew; of the client's head only whole lines of
 * fields that mean nothing to a proxy are copied, in runs. The parser has checked every byte of them.
 */
import type { Exchange } from '../exchange.ts'
import { PRODUCT } from '../proxy-context.ts'
import type { FieldOverrides } from './field-overrides.ts'
import { type HeadScanner, listHas } from './head-scanner.ts'
import {
  CONNECTION,
  CONTENT_LENGTH,
  EXPECT,
  HOST,
  HTTP2_SETTINGS,
  headerIdOf,
  KEEP_ALIVE,
  PROXY,
  PROXY_CONNECTION,
  TE,
  TRANSFER_ENCODING,
  UPGRADE,
  VIA,
  X_FORWARDED_FOR,
  X_FORWARDED_HOST,
  X_FORWARDED_PATH,
  X_FORWARDED_PORT,
  X_FORWARDED_PREFIX,
  X_FORWARDED_PROTO,
  X_KONG_REQUEST_ID,
  X_REAL_IP,
} from './header-ids.ts'
import type { RequestHead } from './request-head.ts'

/** Fields that are not copied: about this hop, or written anew below. */
const REPLACED: Uint8Array = flags([
  HOST,
  CONNECTION,
  CONTENT_LENGTH,
  TRANSFER_ENCODING,
  EXPECT,
  UPGRADE,
  TE,
  KEEP_ALIVE,
  PROXY_CONNECTION,
  PROXY,
  HTTP2_SETTINGS,
  X_FORWARDED_FOR,
  X_FORWARDED_PROTO,
  X_FORWARDED_HOST,
  X_FORWARDED_PORT,
  X_FORWARDED_PATH,
  X_FORWARDED_PREFIX,
  X_REAL_IP,
  VIA,
  X_KONG_REQUEST_ID,
])

/** The options of `Connection` if they may name fields to remove; null for those that never do. */
export function nominatedFields(head: HeadScanner): string | null {
  if (!head.has(CONNECTION)) return null
  const options = head.knownList(CONNECTION)
  const namesNone = options === 'keep-alive' || options === 'close' || /^(?:keep-alive|close|upgrade)?$/i.test(options)
  return namesNone ? null : options
}

export function buildUpstreamHead(exchange: Exchange, host: string, framing: string): string {
  const { head } = exchange
  const edits = exchange.upstreamEdits
  const method = edits === null ? head.method : edits.method
  let text = `${method} ${upstreamTarget(exchange)} HTTP/1.1\r\nHost: ${edits?.editedHost ?? host}\r\n`
  text += head.upgradesToWebsocket
    ? 'Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n'
    : 'Connection: keep-alive\r\n'
  text += forwardedLines(exchange)
  if (head.acceptsTrailers) text += 'TE: trailers\r\n'
  if (framing !== '') text += framing
  const nominated = nominatedFields(head)
  if (edits === null) return `${text}${copiedLines(head, nominated, null)}\r\n`
  return `${text}${copiedLines(head, nominated, edits.headers)}${overridingLines(edits.headers)}\r\n`
}

function upstreamTarget(exchange: Exchange): string {
  const edits = exchange.upstreamEdits
  if (edits === null) {
    const path = exchange.upstreamPath()
    return exchange.hasQuery ? `${path}?${exchange.rawQuery}` : path
  }
  if (edits.editedQuery === null) return exchange.hasQuery ? `${edits.path}?${exchange.rawQuery}` : edits.path
  return edits.editedQuery === '' ? edits.path : `${edits.path}?${edits.editedQuery}`
}

/** X-Forwarded-*, X-Real-IP, Via and the request id (proxy.md 5). */
function forwardedLines(exchange: Exchange): string {
  const { client, head } = exchange
  const trusted = client.isPeerTrusted
  const incomingFor = head.has(X_FORWARDED_FOR) ? head.knownList(X_FORWARDED_FOR) : ''
  const forwardedFor = incomingFor === '' ? exchange.clientIp : `${incomingFor}, ${client.peerAddress}`
  const via = `${head.version} ${PRODUCT}`
  let text = `X-Forwarded-For: ${forwardedFor}\r\n`
  if (trusted) text += trustedLines(exchange)
  else {
    // A request without Host goes by the server's name, which in Kong is this.
    const host = head.hostname === '' ? 'kong' : head.hostname.toLowerCase()
    text += `${client.forwardedLines}X-Forwarded-Host: ${host}\r\nX-Forwarded-Path: ${exchange.rawPath}\r\n`
    const prefix = exchange.strippedPrefix
    if (prefix !== '' && prefix !== '/') text += `X-Forwarded-Prefix: ${prefix}\r\n`
  }
  text += `X-Real-IP: ${exchange.clientIp}\r\nVia: ${head.has(VIA) ? `${head.knownList(VIA)}, ${via}` : via}\r\n`
  return exchange.context.settings.upstreamRequestId ? `${text}X-Kong-Request-Id: ${exchange.id}\r\n` : text
}

/** A trusted peer's own claims go before what we see. */
function trustedLines(exchange: Exchange): string {
  const { client, head } = exchange
  const claim = (id: number, own: string) => (head.has(id) ? head.known(id) : own)
  const host = head.hostname === '' ? 'kong' : head.hostname.toLowerCase()
  const prefix = claim(X_FORWARDED_PREFIX, exchange.strippedPrefix)
  return (
    `X-Forwarded-Proto: ${claim(X_FORWARDED_PROTO, client.scheme)}\r\n` +
    `X-Forwarded-Port: ${claim(X_FORWARDED_PORT, `${client.publicPort}`)}\r\n` +
    `X-Forwarded-Host: ${claim(X_FORWARDED_HOST, host)}\r\n` +
    `X-Forwarded-Path: ${claim(X_FORWARDED_PATH, exchange.rawPath)}\r\n` +
    (prefix === '' || prefix === '/' ? '' : `X-Forwarded-Prefix: ${prefix}\r\n`)
  )
}

/** Runs of lines that are passed on. */
function copiedLines(head: RequestHead, nominated: string | null, overrides: FieldOverrides | null): string {
  const { text, ids, count } = head
  let lines = ''
  let runStart = -1
  for (let index = 0; index < count; index++) {
    const isCopied =
      REPLACED[ids[index]!] === 0 &&
      (overrides === null || !overrides.covers(index)) &&
      (nominated === null || !listHas(nominated, head.nameAt(index).toLowerCase()))
    if (isCopied) {
      if (runStart === -1) runStart = head.lineAt(index)
    } else if (runStart !== -1) {
      lines += text.slice(runStart, head.lineAt(index))
      runStart = -1
    }
  }
  return runStart === -1 ? lines : lines + text.slice(runStart, head.lineAt(count))
}

function overridingLines(overrides: FieldOverrides): string {
  let lines = ''
  for (let index = 0; index < overrides.count; index++) {
    if (REPLACED[headerIdOf(overrides.lowerNameAt(index))] === 0) lines += overrides.linesAt(index)
  }
  return lines
}

/** Methods that mean to send a body say so when there is none (RFC 9110 section 8.6). */
export function bodilessFraming(method: string): string {
  return method === 'POST' || method === 'PUT' || method === 'PATCH' ? 'Content-Length: 0\r\n' : ''
}

export function flags(ids: readonly number[]): Uint8Array {
  const table = new Uint8Array(32)
  for (const id of ids) table[id] = 1
  return table
}
