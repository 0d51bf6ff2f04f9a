/**
 * Kong's ring: addresses stand at many points of a circle, a request goes to the nearest one below its own hash. Points
 * depend on addresses alone, so a target that comes or goes moves its own share of the keys and no others.
 */
import type { Address, Selector } from './address.ts'
import type { Peer } from './balancer.ts'
import { xxhash32 } from './xxhash32.ts'

/** Points of a target when all weigh the same. */
const POINTS_PER_TARGET = 160
/** Kong takes fewer slots than these for a mistake, and this many instead. */
const SLOTS_MIN = 1000
const EMPTY = 0xffff
const NOBODY: readonly Peer[] = []

export class ConsistentHashing implements Selector {
  readonly #addresses: readonly Address[]
  readonly #slots: number
  /** The occupied slots in order, and whose they are: a tenth of the memory of all slots. */
  readonly #positions: Uint16Array
  readonly #owners: Uint16Array

  /**
   * The order of the addresses decides who keeps a slot that two hash to. `targetCount`: all targets, those without
   * weight or address too, since Kong's shares count them.
   */
  constructor(addresses: readonly Address[], { slots, targetCount }: { slots: number; targetCount: number }) {
    this.#addresses = addresses
    this.#slots = slots >= SLOTS_MIN ? slots : SLOTS_MIN
    const ring = this.#fill(targetCount)
    const positions: number[] = []
    for (let slot = 0; slot < ring.length; slot++) if (ring[slot] !== EMPTY) positions.push(slot)
    this.#positions = Uint16Array.from(positions)
    this.#owners = Uint16Array.from(positions, slot => ring[slot]!)
  }

  /** Points that do not fit on the ring make Kong give up; here every target gets fewer of them, until they do. */
  #fill(targetCount: number): Uint16Array {
    for (let points = POINTS_PER_TARGET; points > 1; points /= 2) {
      const ring = placePoints(this.#addresses, { slots: this.#slots, targetCount, points, isLast: false })
      if (ring !== null) return ring
    }
    return placePoints(this.#addresses, { slots: this.#slots, targetCount, points: 1, isLast: true })!
  }

  next(failed: readonly Peer[], hash: number): number {
    const start = this.#at(hash % this.#slots)
    const fresh = this.#walkDown(start, failed)
    return fresh >= 0 || failed.length === 0 ? fresh : this.#walkDown(start, NOBODY)
  }

  /** Index of the last occupied slot that is not above this one; below the first comes the last again. */
  #at(slot: number): number {
    const positions = this.#positions
    let low = 0
    let high = positions.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (positions[middle]! <= slot) low = middle + 1
      else high = middle
    }
    return low === 0 ? positions.length - 1 : low - 1
  }

  #walkDown(start: number, failed: readonly Peer[]): number {
    const owners = this.#owners
    for (let step = 0, at = start; step < owners.length; step++) {
      const index = owners[at]!
      const { isAvailable, peer } = this.#addresses[index]!
      if (isAvailable && (failed.length === 0 || !failed.includes(peer))) return index
      at = at === 0 ? owners.length - 1 : at - 1
    }
    return -1
  }
}

interface Placing {
  readonly slots: number
  readonly targetCount: number
  readonly points: number
  /** Whoever finds no place stays without. */
  readonly isLast: boolean
}

function placePoints(addresses: readonly Address[], placing: Placing): Uint16Array | null {
  const { slots, targetCount, points, isLast } = placing
  const ring = new Uint16Array(slots).fill(EMPTY)
  const total = addresses.reduce((sum, { weight }) => sum + weight, 0)
  for (let index = 0; index < addresses.length; index++) {
    const { peer, ringHost, weight } = addresses[index]!
    const ip = ringHost.includes(':') ? `[${ringHost}]` : ringHost
    let entries = Math.max(1, Math.floor((weight / total) * targetCount * points))
    for (let i = 1; i <= entries; i++) {
      if (i > slots) {
        if (isLast) break
        return null
      }
      // Two colons, as Kong joins them.
      const slot = xxhash32(`${ip}::${peer.port} ${i}`) % slots
      if (ring[slot] === EMPTY) ring[slot] = index
      else entries++
    }
  }
  return ring
}
