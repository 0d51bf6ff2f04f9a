/** Who may tell us about the client: `trusted_ips`, and the client address that follows from it (nginx's realip). */
import { BlockList, isIP } from 'node:net'
import type { ProxySettings } from '../proxy-settings.ts'

export interface TrustedPeers {
  isTrusted(address: string): boolean
  /** The client's address, given the direct peer's and the values of `real_ip_header`. */
  clientIp(peer: string, headerValues: readonly string[]): string
}

export function createTrustedPeers(
  settings: Pick<ProxySettings, 'trustedIps' | 'realIpHeader' | 'realIpRecursive'>,
): TrustedPeers {
  const list = new BlockList()
  for (const range of settings.trustedIps) addRange(list, range)
  const trustsUnix = settings.trustedIps.includes('unix:')
  const isTrusted = (address: string) => {
    const family = isIP(address)
    return family === 0 ? trustsUnix && address === 'unix:' : list.check(address, family === 6 ? 'ipv6' : 'ipv4')
  }
  return {
    isTrusted,
    clientIp(peer, headerValues) {
      const addresses = headerValues
        .join(',')
        .split(',')
        .map(part => stripPort(part.trim()))
      let client = peer
      // From the end: each trusted hop vouches for the one before it.
      for (let i = addresses.length - 1; i >= 0; i--) {
        if (isIP(addresses[i]!) === 0) break
        client = addresses[i]!
        if (!settings.realIpRecursive || !isTrusted(client)) break
      }
      return client
    },
  }
}

function addRange(list: BlockList, range: string): void {
  if (range === 'unix:') return
  const [address, prefix] = range.split('/')
  const family = isIP(address!) === 6 ? 'ipv6' : 'ipv4'
  if (prefix === undefined) list.addAddress(address!, family)
  else list.addSubnet(address!, Number(prefix), family)
}

function stripPort(address: string): string {
  if (address.startsWith('[')) return address.slice(1, Math.max(1, address.indexOf(']')))
  const colon = address.indexOf(':')
  return colon !== -1 && colon === address.lastIndexOf(':') ? address.slice(0, colon) : address
}
