/** The address with the fewest exchanges under way, in proportion to its weight. Each worker counts its own. */
import type { Random } from '../../base/random.ts'
import type { Address, Selector } from './address.ts'
import type { Peer } from './balancer.ts'

const NOBODY: readonly Peer[] = []

export class LeastConnections implements Selector {
  readonly #addresses: readonly Address[]
  /** Where looking begins: among equals each gets its turn, and workers do not all begin with the same one. */
  #start: number

  constructor(addresses: readonly Address[], random: Random) {
    this.#addresses = addresses
    this.#start = Math.floor(random.next() * addresses.length)
  }

  next(failed: readonly Peer[]): number {
    const fresh = this.#least(failed)
    return fresh >= 0 || failed.length === 0 ? fresh : this.#least(NOBODY)
  }

  #least(failed: readonly Peer[]): number {
    const addresses = this.#addresses
    let found = -1
    let least = Number.POSITIVE_INFINITY
    for (let step = 0, index = this.#start; step < addresses.length; step++) {
      const { isAvailable, connections, weight, peer } = addresses[index]!
      const score = (connections + 1) / weight
      if (score < least && isAvailable && (failed.length === 0 || !failed.includes(peer))) {
        found = index
        least = score
      }
      index = index + 1 === addresses.length ? 0 : index + 1
    }
    if (found >= 0) this.#start = found + 1 === addresses.length ? 0 : found + 1
    return found
  }
}
