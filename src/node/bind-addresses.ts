/**
 * Binds all addresses of a plan. A UDP address that means all of the machine's (`0.0.0.0`, `::`) is bound once more for
 * each of them: a datagram does not say what it was sent to, but its socket does. So `destinations` of routes can name
 * addresses, and an answer comes from the address that was asked. The kernel prefers the socket that names more.
 */
import { isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { ListenAddress } from '../base/listen-address.ts'
import { BindError, type BoundAddress, bindAddress, closeSockets } from './bound-sockets.ts'

/** Each takes a socket per worker; a machine with more (of containers, mostly) leaves the rest to the socket for all. */
const OWN_ADDRESSES_MAX = 64

/** `before` is kept where it is wanted again. All, or none and the reason. */
export async function bindAddresses(
  addresses: readonly ListenAddress[],
  slots: number,
  before: readonly BoundAddress[] = [],
): Promise<BoundAddress[]> {
  const here = new Map(before.map(bound => [placeOf(bound.address), bound]))
  const bound: BoundAddress[] = []
  try {
    for (const address of addresses) bound.push(await bindAddress(address, slots, here.get(placeOf(address)) ?? null))
    for (const { address } of [...bound]) bound.push(...(await bindOwnAddresses(address, slots, here)))
  } catch (error) {
    closeSockets(bound, before)
    throw error
  }
  return bound
}

async function bindOwnAddresses(
  address: ListenAddress,
  slots: number,
  here: ReadonlyMap<string, BoundAddress>,
): Promise<readonly BoundAddress[]> {
  const own: BoundAddress[] = []
  for (const host of ownAddresses(address).slice(0, OWN_ADDRESSES_MAX)) {
    const one: ListenAddress = { ...address, host, ipv6only: true, isImplied: true }
    try {
      own.push(await bindAddress(one, slots, here.get(placeOf(one)) ?? null))
    } catch (error) {
      // Gone in this moment, or somebody else's: the socket for all takes what comes.
      if (!(error instanceof BindError)) throw error
    }
  }
  return own
}

function ownAddresses({ host, udp, ipv6only }: ListenAddress): string[] {
  if (udp !== true || (host !== '0.0.0.0' && host !== '::')) return []
  const all = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  return all
    .filter(({ address, scopeid }) =>
      isIPv4(address) ? host === '0.0.0.0' || !ipv6only : host === '::' && (scopeid ?? 0) === 0,
    )
    .map(({ address }) => address)
}

/** What a socket is bound to; how it is spoken to there (TLS or not) is the worker's business. */
const placeOf = ({ host, port, ipv6only, udp }: ListenAddress) => JSON.stringify([host, port, ipv6only, udp === true])
