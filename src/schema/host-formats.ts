/** Host names and addresses, with and without port, as Kong accepts them. */

export interface ParsedHost {
  readonly kind: 'ipv4' | 'ipv6' | 'name'
  /** IPv4 without leading zeros; IPv6 in full, lower case, without brackets; names as given. */
  readonly host: string
  readonly port: number | null
}

/** The text of the one error callers look at; any other means that the host itself is wrong. */
const BAD_PORT = 'invalid port number'

/** `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]:80`, `name`, `name:80`; a string says what is wrong. */
export function parseHost(address: string): ParsedHost | string {
  const colons = address.split(':').length - 1
  if (colons > 1) return parseIpv6(address)
  if (/^[\d.]+$/.test(address.replace(':', ''))) return parseIpv4(address)
  return parseName(address)
}

function parseIpv4(address: string): ParsedHost | string {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?::(\d+))?$/.exec(address)
  if (match === null) return `invalid ipv4 address: ${address}`
  const parts = match.slice(1, 5).map(Number)
  if (parts.some(part => part > 255)) return `invalid ipv4 address: ${address}`
  const port = match[5] === undefined ? null : Number(match[5])
  if (port !== null && port > 65535) return BAD_PORT
  return { kind: 'ipv4', host: parts.join('.'), port }
}

function parseIpv6(address: string): ParsedHost | string {
  const bracketed = /^\[([^\]]*)\](?::(\d+))?$/.exec(address)
  if (bracketed === null && address.includes('[')) return `invalid ipv6 address: ${address}`
  const port = bracketed?.[2] === undefined ? null : Number(bracketed[2])
  if (port !== null && port > 65535) return BAD_PORT
  let text = bracketed?.[1] ?? address
  if (text.startsWith(':')) text = '0' + text
  if (text.endsWith(':')) text += '0'
  if (text.includes('::')) text = text.replace('::', ':' + '0:'.repeat(Math.max(0, 8 - (text.split(':').length - 1))))
  const groups = text.split(':')
  if (groups.length !== 8 || !groups.every(group => /^[0-9a-fA-F]{1,4}$/.test(group))) {
    return `invalid ipv6 address: ${address}`
  }
  return { kind: 'ipv6', host: groups.map(group => group.toLowerCase().padStart(4, '0')).join(':'), port }
}

function parseName(address: string): ParsedHost | string {
  let host = address
  let port: number | null = null
  const match = /:(\d+)$/.exec(address)
  if (match !== null) {
    host = address.slice(0, match.index)
    port = Number(match[1])
    if (port > 65535) return BAD_PORT
  }
  if (!/^[0-9A-Za-z\-._]+$/.test(host)) return `invalid hostname: ${address}`
  const segments = host.split('.')
  const bad = segments.some((segment, at) => segment.endsWith('-') || (segment === '' && at !== segments.length - 1))
  return bad ? `invalid hostname: ${address}` : { kind: 'name', host, port }
}

/** As a target is stored: IPv6 in brackets, the port always there. */
export function formatHost(parsed: ParsedHost, defaultPort: number): string {
  const host = parsed.kind === 'ipv6' ? `[${parsed.host}]` : parsed.host
  return `${host}:${parsed.port ?? defaultPort}`
}

export function hostError(host: string): string | null {
  const parsed = parseHost(host)
  if (typeof parsed === 'string' && parsed !== BAD_PORT) return `invalid value: ${host}`
  if (typeof parsed === 'string' || parsed.port !== null) return 'must not have a port'
  return null
}

export function hostWithOptionalPortError(host: string): string | null {
  const parsed = parseHost(host)
  return typeof parsed === 'string' ? parsed : null
}

/** A server name: a host name, no address, no port. */
export function sniError(host: string): string | null {
  const parsed = parseHost(host)
  if (typeof parsed === 'string' && parsed !== BAD_PORT) return `invalid value: ${host}`
  if (typeof parsed !== 'string' && parsed.kind !== 'name') return 'must not be an IP'
  if (typeof parsed === 'string' || parsed.port !== null) return 'must not have a port'
  return null
}

export function wildcardHostError(host: string): string | null {
  const at = host.indexOf('*')
  if (at < 0) return sniError(host)
  if (at !== 0 && at !== host.length - 1) return 'wildcard must be leftmost or rightmost character'
  if (host.indexOf('*', at + 1) >= 0) return 'only one wildcard must be specified'
  return sniError(host.replace('*', 'wildcard'))
}

/** A route's host: where the `*` may stand is checked by patterns before. */
export function routeHostError(host: string): string | null {
  return hostWithOptionalPortError(host.replaceAll('*', 'abc'))
}

function isIpv4(text: string): boolean {
  return typeof parseIpv4(text) !== 'string' && !text.includes(':')
}

function isIpv6(text: string): boolean {
  return text.includes(':') && !text.includes('[') && typeof parseIpv6(expandEmbeddedIpv4(text)) !== 'string'
}

/** `::ffff:1.2.3.4` to all-hexadecimal. */
function expandEmbeddedIpv4(text: string): string {
  const match = /^(.*:)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (match === null) return text
  const [a, b, c, d] = match.slice(2).map(Number) as [number, number, number, number]
  if (Math.max(a, b, c, d) > 255) return text
  return `${match[1]}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}

export function ipError(ip: string): string | null {
  return isIpv4(ip) || isIpv6(ip) ? null : `not an ip address: ${ip}`
}

function isCidr(text: string, isAddress: (text: string) => boolean, bits: number): boolean {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text)
  return match !== null && isAddress(match[1]!) && Number(match[2]) <= bits
}

export function ipOrCidrError(text: string): string | null {
  const valid = isIpv4(text) || isIpv6(text) || isCidr(text, isIpv4, 32) || isCidr(text, isIpv6, 128)
  return valid ? null : `invalid ip or cidr range: '${text}'`
}

export function ipOrCidrV4Error(text: string): string | null {
  return isIpv4(text) || isCidr(text, isIpv4, 32) ? null : `invalid ipv4 cidr range: '${text}'`
}
