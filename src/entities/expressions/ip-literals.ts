/** IP addresses and networks as expressions and routes write them, and how addresses are compared. */
import { isIPv4, isIPv6 } from 'node:net'
import type { IpAddress } from './syntax.ts'

/** Null when the text is no address. IPv4 addresses inside of IPv6 (`::ffff:1.2.3.4`) are taken as IPv4. */
export function parseIp(text: string): IpAddress | null {
  if (isIPv4(text)) return text.split('.').map(Number)
  if (!isIPv6(text)) return null
  const bytes = ipv6Bytes(text.replace(/%.*$/, ''))
  const isMapped = bytes.slice(0, 10).every(byte => byte === 0) && bytes[10] === 255 && bytes[11] === 255
  return isMapped ? bytes.slice(12) : bytes
}

function ipv6Bytes(text: string): number[] {
  let whole = text
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text)
  if (dotted !== null) {
    const [a, b, c, d] = dotted.slice(1).map(Number) as [number, number, number, number]
    whole = `${text.slice(0, dotted.index)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
  }
  const [head = '', tail] = whole.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':'))
  const first = groups(head)
  const last = tail === undefined ? [] : groups(tail)
  const middle = Array.from({ length: 8 - first.length - last.length }, () => '0')
  return [...first, ...middle, ...last].flatMap(group => {
    const number = Number.parseInt(group, 16)
    return [number >> 8, number & 255]
  })
}

export function isSameIp(a: IpAddress, b: IpAddress): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Addresses of the other family are in no network. */
export function isInNetwork(address: IpAddress, network: IpAddress, prefix: number): boolean {
  if (address.length !== network.length) return false
  const whole = prefix >> 3
  for (let i = 0; i < whole; i++) if (address[i] !== network[i]) return false
  const rest = prefix & 7
  return rest === 0 || (address[whole]! ^ network[whole]!) >> (8 - rest) === 0
}

/** No bit is set beyond the prefix. */
export function isNetworkAddress(address: IpAddress, prefix: number): boolean {
  return isInNetwork(maskIp(address, prefix), address, address.length * 8)
}

export function maskIp(address: IpAddress, prefix: number): IpAddress {
  return address.map((byte, i) => {
    const bits = Math.min(8, Math.max(0, prefix - i * 8))
    return byte & (0xff00 >> bits) & 0xff
  })
}
