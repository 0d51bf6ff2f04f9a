/** The addresses of an upstream between two changes of them, with the algorithm that chooses and what health says. */
import type { PeerHealth } from '../health/peer-health.ts'
import { takesTraffic } from '../health/peer-state.ts'
import type { Address, Selector } from './address.ts'
import type { Peer } from './balancer.ts'

export interface AddressSetOptions {
  readonly upstreamId: string
  readonly threshold: number
  readonly health: PeerHealth
  readonly select: (addresses: readonly Address[]) => Selector
}

export class AddressSet {
  readonly addresses: readonly Address[]
  readonly selector: Selector
  readonly #options: AddressSetOptions
  /** Number of the newest mark by hand when health was last looked at. */
  marks = 0
  #healthVersion = -1
  #isHealthy = false

  constructor(addresses: readonly Address[], options: AddressSetOptions) {
    this.addresses = addresses
    this.#options = options
    this.selector = options.select(addresses)
    this.#refresh()
  }

  /** Index of the next address, or -1: no live target. */
  next(failed: readonly Peer[], hash: number): number {
    if (this.#options.health.version !== this.#healthVersion) this.#refresh()
    return this.#isHealthy ? this.selector.next(failed, hash) : -1
  }

  /** As in Kong: the available part of all weight must be *above* the threshold, so that 100 never is. */
  #refresh(): void {
    const { health, threshold, upstreamId } = this.#options
    let total = 0
    let available = 0
    for (const address of this.addresses) {
      address.state = health.stateOf(upstreamId, address.peer)
      address.isAvailable = takesTraffic(address.state)
      total += address.weight
      if (address.isAvailable) available += address.weight
    }
    this.#healthVersion = health.version
    this.marks = health.marks
    this.#isHealthy = total > 0 && (available / total) * 100 > threshold
    this.selector.availabilityChanged?.()
  }
}
