/** Kong's round-robin: a wheel with as many places for an address as its weight, in random order. */
import type { Random } from '../../base/random.ts'
import type { Peer } from './balancer.ts'

export interface WeightedPeer {
  readonly peer: Peer
  readonly weight: number
}

// Coprime weights of many targets multiply; beyond this weights are rounded, which no traffic can tell.
const WHEEL_PLACES_MAX = 1 << 20

export class RoundRobinWheel {
  readonly addresses: readonly WeightedPeer[]
  readonly #places: Uint32Array
  #pointer = 0

  constructor(addresses: readonly WeightedPeer[], random: Random) {
    this.addresses = addresses.filter(address => address.weight > 0)
    this.#places = shuffled(placesOf(this.addresses), random)
  }

  get placeCount(): number {
    return this.#places.length
  }

  /**
   * Index in `addresses` of the next one that is available and not among `failed`, or -1. When every available one
   * has failed, they take turns again: a retry beyond the last peer is still a retry.
   */
  next(isAvailable: (peer: Peer) => boolean, failed: readonly Peer[]): number {
    const fresh = this.#advance(index => {
      const { peer } = this.addresses[index]!
      return isAvailable(peer) && !failed.includes(peer)
    })
    if (fresh >= 0 || failed.length === 0) return fresh
    return this.#advance(index => isAvailable(this.addresses[index]!.peer))
  }

  #advance(accepts: (index: number) => boolean): number {
    const places = this.#places
    for (let step = 0; step < places.length; step++) {
      const index = places[this.#pointer]!
      this.#pointer = this.#pointer + 1 === places.length ? 0 : this.#pointer + 1
      if (accepts(index)) return index
    }
    return -1
  }
}

function placesOf(addresses: readonly WeightedPeer[]): Uint32Array {
  let divisor = addresses.reduce((found, { weight }) => greatestCommonDivisor(found, weight), 0)
  const total = addresses.reduce((sum, { weight }) => sum + weight, 0)
  if (total / divisor > WHEEL_PLACES_MAX) divisor = total / WHEEL_PLACES_MAX
  const counts = addresses.map(({ weight }) => Math.max(1, Math.round(weight / divisor)))
  const places = new Uint32Array(counts.reduce((sum, count) => sum + count, 0))
  let at = 0
  counts.forEach((count, index) => {
    places.fill(index, at, at + count)
    at += count
  })
  return places
}

function shuffled(places: Uint32Array, random: Random): Uint32Array {
  for (let i = places.length - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1))
    const place = places[i]!
    places[i] = places[j]!
    places[j] = place
  }
  return places
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
