/**
 * The PROXY protocol, versions 1 and 2: what a load balancer says of the client before the client's own bytes
 * (haproxy's proxy-protocol.txt, sections 2.1 and 2.2).
 *
 * Pure and strict: whoever gets to speak here names any address it likes, so nothing is guessed.
 */
import { isIPv4, isIPv6 } from 'node:net'

/** The longest line of version 1 (section 2.1), with its end. */
const V1_BYTES_MAX = 107
/** Version 2 allows 64 KiB of extensions; nobody sends more than nginx takes. */
const V2_BYTES_MAX = 4096
const V2_HEAD_BYTES = 16
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V1_START = Buffer.from('PROXY ', 'latin1')

export const PROXY_HEADER_BYTES_MAX = V2_BYTES_MAX

export interface ProxiedAddresses {
  readonly sourceAddress: string
  readonly sourcePort: number
  readonly destinationAddress: string
  readonly destinationPort: number
}

export type ProxyHeader =
  | { readonly state: 'incomplete' }
  | { readonly state: 'malformed'; readonly reason: string }
  /** `end` is where the client's own bytes begin. No addresses: the connection is the balancer's own. */
  | { readonly state: 'complete'; readonly end: number; readonly addresses: ProxiedAddresses | null }

const INCOMPLETE: ProxyHeader = { state: 'incomplete' }

/** Reads the first `length` of `bytes`. */
export function parseProxyHeader(bytes: Buffer, length: number): ProxyHeader {
  if (startsLike(bytes, length, SIGNATURE)) return length < V2_HEAD_BYTES ? INCOMPLETE : parseV2(bytes, length)
  if (startsLike(bytes, length, V1_START)) return length < V1_START.length ? INCOMPLETE : parseV1(bytes, length)
  return malformed('no PROXY header')
}

/** Whether what is there agrees with `start`, as far as it goes. */
function startsLike(bytes: Buffer, length: number, start: Buffer): boolean {
  const compared = Math.min(length, start.length)
  return bytes.compare(start, 0, compared, 0, compared) === 0
}

function parseV1(bytes: Buffer, length: number): ProxyHeader {
  const text = bytes.toString('latin1', 0, Math.min(length, V1_BYTES_MAX))
  const end = text.indexOf('\r\n')
  if (end === -1) return length >= V1_BYTES_MAX ? malformed('version 1 line is too long') : INCOMPLETE
  const [, family, source = '', destination = '', sourcePort = '', destinationPort = '', ...more] = text
    .slice(0, end)
    .split(' ')
  // Whatever follows UNKNOWN is to be ignored.
  if (family === 'UNKNOWN') return { state: 'complete', end: end + 2, addresses: null }
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isPlainIPv6 : null
  if (isAddress === null) return malformed('version 1 names an unknown protocol')
  if (!isAddress(source) || !isAddress(destination)) return malformed('version 1 has an invalid address')
  if (!isPort(sourcePort) || !isPort(destinationPort)) return malformed('version 1 has an invalid port')
  if (more.length > 0) return malformed('version 1 line has too many parts')
  const addresses = {
    sourceAddress: source,
    sourcePort: Number(sourcePort),
    destinationAddress: destination,
    destinationPort: Number(destinationPort),
  }
  return { state: 'complete', end: end + 2, addresses }
}

/** No zone: those mean something on the balancer's machine only. */
function isPlainIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%')
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535
}

const FAMILIES: Readonly<Record<number, { readonly addressBytes: number; format(bytes: Buffer, at: number): string }>> =
  {
    1: { addressBytes: 4, format: (bytes, at) => `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}` },
    2: { addressBytes: 16, format: formatIPv6 },
  }
const UNIX_ADDRESS_BYTES = 108

function parseV2(bytes: Buffer, length: number): ProxyHeader {
  const version = bytes[12]! >> 4
  const command = bytes[12]! & 15
  const family = bytes[13]! >> 4
  const transport = bytes[13]! & 15
  const end = V2_HEAD_BYTES + bytes.readUInt16BE(14)
  if (version !== 2) return malformed(`version ${version} is unknown`)
  if (command > 1) return malformed(`version 2 has the unknown command ${command}`)
  if (family > 3 || transport > 2) return malformed('version 2 names an unknown protocol')
  if (end > V2_BYTES_MAX) return malformed(`version 2 header has more than ${V2_BYTES_MAX} bytes`)
  if (length < end) return INCOMPLETE
  // A connection of the balancer's own (a health check), or one of which it cannot tell.
  if (command === 0 || family === 0 || transport === 0) return { state: 'complete', end, addresses: null }
  const known = FAMILIES[family]
  const addressBytes = (known?.addressBytes ?? UNIX_ADDRESS_BYTES) * 2 + (known === undefined ? 0 : 4)
  const extensions = V2_HEAD_BYTES + addressBytes
  if (extensions > end) return malformed('version 2 is too short for its addresses')
  if (!areExtensions(bytes, extensions, end)) return malformed('version 2 has a broken extension')
  if (known === undefined) return { state: 'complete', end, addresses: null }
  const ports = V2_HEAD_BYTES + known.addressBytes * 2
  const addresses = {
    sourceAddress: known.format(bytes, V2_HEAD_BYTES),
    sourcePort: bytes.readUInt16BE(ports),
    destinationAddress: known.format(bytes, V2_HEAD_BYTES + known.addressBytes),
    destinationPort: bytes.readUInt16BE(ports + 2),
  }
  return { state: 'complete', end, addresses }
}

/** Type, length and value one after another, to the very end; what they say is not asked for. */
function areExtensions(bytes: Buffer, from: number, end: number): boolean {
  let at = from
  while (at + 3 <= end) at += 3 + bytes.readUInt16BE(at + 1)
  return at === end
}

/** As RFC 5952 writes it, so that it compares with what sockets say; mapped IPv4 as what it is. */
function formatIPv6(bytes: Buffer, at: number): string {
  const isMapped = bytes.subarray(at, at + 12).equals(MAPPED_PREFIX)
  if (isMapped) return FAMILIES[1]!.format(bytes, at + 12)
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(at + index * 2))
  const run = longestZeroRun(groups)
  const text = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map(group => group.toString(16))
      .join(':')
  return run === null ? text(0, 8) : `${text(0, run.from)}::${text(run.to, 8)}`
}

const MAPPED_PREFIX = Buffer.from('00000000000000000000ffff', 'hex')

function longestZeroRun(groups: readonly number[]): { from: number; to: number } | null {
  let best: { from: number; to: number } | null = null
  for (let from = 0; from < groups.length; from++) {
    let to = from
    while (groups[to] === 0) to++
    if (to - from > 1 && (best === null || to - from > best.to - best.from)) best = { from, to }
  }
  return best
}

function malformed(reason: string): ProxyHeader {
  return { state: 'malformed', reason }
}
