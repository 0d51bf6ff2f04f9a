/** Tells whether an IP address is in a list of addresses and CIDR ranges. */
import net from 'node:net'

/** Verdicts kept per matcher: the native list is slow to ask, and clients come back. */
const verdictCountMax = 10_000

/** Null when the text is no IP address, as for the peer of a Unix socket. */
export type AddressMatcher = (address: string) => boolean | null

export function createAddressMatcher(ranges: readonly string[]): AddressMatcher {
  const list = new net.BlockList()
  for (const range of ranges) {
    const [address, prefix] = range.split('/') as [string, string?]
    const family = net.isIPv6(address) ? 'ipv6' : 'ipv4'
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(prefix), family)
  }
  const verdicts = new Map<string, boolean>()
  return address => {
    const known = verdicts.get(address)
    if (known !== undefined) return known
    const version = net.isIP(address)
    if (version === 0) return null
    const verdict = list.check(address, version === 6 ? 'ipv6' : 'ipv4')
    if (verdicts.size >= verdictCountMax) verdicts.clear()
    verdicts.set(address, verdict)
    return verdict
  }
}
