/** `proxy_listen` and its like: Kong's syntax of addresses with flags. */
import { isIP } from 'node:net'
import type { ListenAddress } from '../base/listen-address.ts'

const HTTP_FLAGS = [
  'ssl',
  'http2',
  'proxy_protocol',
  'deferred',
  'bind',
  'reuseport',
  'backlog=%d+',
  'ipv6only=on',
  'ipv6only=off',
  'so_keepalive=on',
  'so_keepalive=off',
  'so_keepalive=%w*:%w*:%d*',
]
/** Kong prints the patterns themselves in its message, so these are text as much as rules. */
const FLAGS = {
  http: HTTP_FLAGS,
  stream: ['udp', ...HTTP_FLAGS.filter(flag => flag !== 'http2' && flag !== 'deferred')],
} as const

export type Subsystem = keyof typeof FLAGS

export function listenUsage(subsystem: Subsystem): string {
  return `must be of form: [off] | <ip>:<port> [${FLAGS[subsystem].join('] [')}], [... next entry ...]`
}

/** What the kernel takes for the path of a socket, in bytes, without its end. */
export const SOCKET_PATH_BYTES_MAX = 107

export const isSocketEntry = (entry: string) => entry.startsWith('unix:')

/** The addresses, or null when the text is not of the form that `listenUsage` tells. */
export function parseListen(text: string, subsystem: Subsystem): ListenAddress[] | null {
  const entries = text.split(',').map(entry => entry.trim())
  if (entries[0] === 'off') return []
  const addresses: ListenAddress[] = []
  for (const entry of entries) {
    const address = parseEntry(entry, FLAGS[subsystem])
    if (address === null) return null
    addresses.push(subsystem === 'stream' ? { ...address, stream: true } : address)
  }
  return addresses
}

function parseEntry(entry: string, allowed: readonly string[]): ListenAddress | null {
  const [where = '', ...flags] = entry.split(/\s+/)
  const endpoint = isSocketEntry(where) ? parseSocket(where) : parseEndpoint(where)
  if (endpoint === null) return null
  const patterns = allowed.map(flag => new RegExp(`^${flag.replaceAll('%d', '\\d').replaceAll('%w', '\\w')}$`))
  if (!flags.every(flag => patterns.some(pattern => pattern.test(flag)))) return null
  const backlog = flags.find(flag => flag.startsWith('backlog='))
  const keepalive = parseKeepAlive(flags.find(flag => flag.startsWith('so_keepalive='))?.slice('so_keepalive='.length))
  if (keepalive === null) return null
  return {
    ...endpoint,
    ssl: flags.includes('ssl'),
    http2: flags.includes('http2'),
    proxyProtocol: flags.includes('proxy_protocol'),
    reuseport: flags.includes('reuseport'),
    backlog: backlog === undefined ? null : Number(backlog.slice('backlog='.length)),
    // nginx's own default for an IPv6 address.
    ipv6only: !flags.includes('ipv6only=off'),
    ...(keepalive === undefined ? {} : { keepalive }),
    ...(flags.includes('udp') ? { udp: true } : {}),
    ...(flags.includes('deferred') ? { deferred: true } : {}),
  }
}

/** `unix:/path`: there is no port. */
function parseSocket(where: string): { host: string; port: number } | null {
  const path = where.slice('unix:'.length)
  return path.startsWith('/') && Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX ? { host: where, port: 0 } : null
}

/** `on`, `off`, or nginx's `idle:interval:count` of which each may be missing; null when it is none of these. */
function parseKeepAlive(text: string | undefined): ListenAddress['keepalive'] | null {
  const none = { idleS: null, intervalS: null, count: null }
  if (text === undefined) return undefined
  if (text === 'on' || text === 'off') return { isOn: text === 'on', ...none }
  const [idle = '', interval = '', count = ''] = text.split(':')
  const idleS = idle === '' ? null : durationS(idle)
  const intervalS = interval === '' ? null : durationS(interval)
  if (Number.isNaN(idleS) || Number.isNaN(intervalS)) return null
  return { isOn: true, idleS, intervalS, count: count === '' ? null : Number(count) }
}

/** nginx's: a number with a unit, seconds without. NaN when it is none. */
function durationS(text: string): number {
  const match = /^(\d{1,9})([smhd]?)$/.exec(text)
  return match === null ? Number.NaN : Number(match[1]) * { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }[match[2]!]!
}

/** `host:port`, the host being a name, an IPv4 address, or an IPv6 address in brackets. Port 0 lets the system choose. */
export function parseEndpoint(text: string): { host: string; port: number } | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(text)
  if (match === null) return null
  const port = Number(match[3])
  if (port > 65535) return null
  if (match[1] !== undefined) return isIP(match[1]) === 6 ? { host: match[1], port } : null
  const host = match[2]!
  // Only digits and dots, but no address: a mistyped one, never a name.
  if (/^[\d.]+$/.test(host) && isIP(host) !== 4) return null
  return { host, port }
}

export function formatEndpoint({ host, port }: { readonly host: string; readonly port: number }): string {
  if (isSocketEntry(host)) return host
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** As Kong prints it; `http2` is left out, since nginx no longer takes it as a flag. */
export function formatListen(address: ListenAddress): string {
  const flags = [
    address.udp === true ? 'udp' : '',
    address.ssl ? 'ssl' : '',
    address.proxyProtocol ? 'proxy_protocol' : '',
    address.reuseport ? 'reuseport' : '',
    address.backlog === null ? '' : `backlog=${address.backlog}`,
  ].filter(flag => flag !== '')
  return [formatEndpoint(address), ...flags].join(' ')
}
