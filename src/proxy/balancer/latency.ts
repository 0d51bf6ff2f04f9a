/** The address that has lately answered fastest: an average of latencies that fades with time (peak EWMA), by weight. */
import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import type { Address, Selector } from './address.ts'
import type { Peer } from './balancer.ts'

const DECAY_MS = 10_000
const UNKNOWN = -1
const NOBODY: readonly Peer[] = []

export class LowestLatency implements Selector {
  readonly #addresses: readonly Address[]
  readonly #clock: Clock
  /** Where looking begins, so that addresses nobody knows yet take turns. */
  #start: number

  constructor(addresses: readonly Address[], { clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#addresses = addresses
    this.#clock = clock
    this.#start = Math.floor(random.next() * addresses.length)
  }

  /** Newcomers, and those that come back, start at the average: neither flooded nor starved. */
  availabilityChanged(): void {
    const available = this.#addresses.filter(address => address.isAvailable)
    const sum = available.reduce((total, { latencyMs }) => total + Math.max(0, latencyMs), 0)
    for (const address of this.#addresses) {
      if (!address.isAvailable) address.latencyMs = UNKNOWN
      else if (address.latencyMs < 0) {
        address.latencyMs = sum / available.length
        address.touchedAt = this.#clock.monotonic()
      }
    }
  }

  next(failed: readonly Peer[]): number {
    const fresh = this.#fastest(failed)
    return fresh >= 0 || failed.length === 0 ? fresh : this.#fastest(NOBODY)
  }

  #fastest(failed: readonly Peer[]): number {
    const addresses = this.#addresses
    const now = this.#clock.monotonic()
    let found = -1
    let lowest = Number.POSITIVE_INFINITY
    for (let step = 0, index = this.#start; step < addresses.length; step++) {
      const address = addresses[index]!
      if (address.isAvailable && (failed.length === 0 || !failed.includes(address.peer))) {
        const score = (address.latencyMs * remaining(address, now)) / address.weight
        if (score < lowest) {
          found = index
          lowest = score
        }
      }
      index = index + 1 === addresses.length ? 0 : index + 1
    }
    if (found >= 0) this.#start = found + 1 === addresses.length ? 0 : found + 1
    return found
  }

  answered(address: Address, latencyMs: number): void {
    // It was taken out meanwhile: what it did before says nothing of when it is back.
    if (!address.isAvailable) return
    const now = this.#clock.monotonic()
    const old = address.latencyMs < 0 ? 0 : remaining(address, now)
    address.latencyMs = address.latencyMs * old + latencyMs * (1 - old)
    address.touchedAt = now
  }
}

/** What time has left of an average: 1 right after it was touched. */
function remaining({ touchedAt }: Address, now: number): number {
  return Math.exp(-Math.max(0, now - touchedAt) / DECAY_MS)
}
