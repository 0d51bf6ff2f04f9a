/** Kong's round-robin: a wheel with as many places for an address as its weight, in random order. */
import type { Random } from '../../base/random.ts'
import type { Address, Selector } from './address.ts'
import type { Peer } from './balancer.ts'

// Coprime weights of many targets multiply; beyond this weights are rounded, which no traffic can tell.
const WHEEL_PLACES_MAX = 1 << 20
const NOBODY: readonly Peer[] = []

export class RoundRobin implements Selector {
  readonly #addresses: readonly Address[]
  readonly #places: Uint32Array
  #pointer = 0

  constructor(addresses: readonly Address[], random: Random) {
    this.#addresses = addresses
    this.#places = shuffled(placesOf(addresses), random)
  }

  get placeCount(): number {
    return this.#places.length
  }

  next(failed: readonly Peer[]): number {
    const fresh = this.#advance(failed)
    return fresh >= 0 || failed.length === 0 ? fresh : this.#advance(NOBODY)
  }

  #advance(failed: readonly Peer[]): number {
    const places = this.#places
    for (let step = 0; step < places.length; step++) {
      const index = places[this.#pointer]!
      this.#pointer = this.#pointer + 1 === places.length ? 0 : this.#pointer + 1
      const { isAvailable, peer } = this.#addresses[index]!
      if (isAvailable && (failed.length === 0 || !failed.includes(peer))) return index
    }
    return -1
  }
}

function placesOf(addresses: readonly Address[]): Uint32Array {
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
