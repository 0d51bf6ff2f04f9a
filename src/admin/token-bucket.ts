/** A limit on the rate of something per key: a bucket that refills at a steady pace, for a bounded number of keys. */
import type { Clock } from '../base/clock.ts'

/** Keys remembered at once. Beyond it the longest unused is forgotten, and may start with a full bucket again. */
const KEYS_MAX = 10_000

interface Bucket {
  tokens: number
  /** Monotonic milliseconds of the last refill. */
  at: number
}

export class TokenBuckets {
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #burst: number
  /** In order of last use. */
  readonly #buckets = new Map<string, Bucket>()

  constructor({ clock, perSecond, burst }: { clock: Clock; perSecond: number; burst: number }) {
    this.#clock = clock
    this.#perSecond = perSecond
    this.#burst = burst
  }

  /** Takes one; 0, or the seconds after which there is one again. */
  take(key: string): number {
    const bucket = this.#refilled(key)
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / this.#perSecond)
    bucket.tokens--
    return 0
  }

  /** As `take`, but takes nothing. */
  wait(key: string): number {
    const { tokens } = this.#refilled(key)
    return tokens < 1 ? Math.ceil((1 - tokens) / this.#perSecond) : 0
  }

  #refilled(key: string): Bucket {
    const at = this.#clock.monotonic()
    const known = this.#buckets.get(key)
    const tokens = known === undefined ? this.#burst : known.tokens + ((at - known.at) / 1000) * this.#perSecond
    const bucket = { tokens: Math.min(this.#burst, tokens), at }
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    if (this.#buckets.size > KEYS_MAX) this.#buckets.delete(this.#buckets.keys().next().value!)
    return bucket
  }
}
