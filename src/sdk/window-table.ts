/** Counters by window and key, forgotten as a whole when their window ends, and bounded in number. */
import type { Clock } from '../base/clock.ts'

export interface WindowTableOptions<T> {
  readonly clock: Clock
  readonly create: () => T
  readonly keyCountMax: number
  /** How long an ended window is kept, for requests that began in it and are still waiting. */
  readonly graceMs?: number
}

/**
 * One map per end time: all keys of a window vanish with one delete, and nothing has to be scanned. A gateway has
 * only as many live end times as it has periods in use.
 */
export interface WindowTable<T> {
  /** The counter of this key in the window that ends then; made when there is none. */
  get(endsAt: number, key: string): T
  readonly size: number
}

export function createWindowTable<T>({
  clock,
  create,
  keyCountMax,
  graceMs = 0,
}: WindowTableOptions<T>): WindowTable<T> {
  const windows = new Map<number, Map<string, T>>()
  let size = 0

  function open(endsAt: number): Map<string, T> {
    const now = clock.now() - graceMs
    for (const [end, counters] of windows) {
      if (end > now) continue
      windows.delete(end)
      size -= counters.size
    }
    const counters = new Map<string, T>()
    windows.set(endsAt, counters)
    return counters
  }

  /** The oldest key of the window that ends first: the count that will be missed for the shortest time. */
  function evict(): void {
    const first = Math.min(...windows.keys())
    const counters = windows.get(first)!
    for (const key of counters.keys()) {
      counters.delete(key)
      size--
      break
    }
    if (counters.size === 0) windows.delete(first)
  }

  return {
    get(endsAt, key) {
      const known = windows.get(endsAt)?.get(key)
      if (known !== undefined) return known
      if (size >= keyCountMax) evict()
      const counter = create()
      ;(windows.get(endsAt) ?? open(endsAt)).set(key, counter)
      size++
      return counter
    },
    get size() {
      return size
    },
  }
}

/** About 100 MB of counters at worst; Kong's shared memory for them holds some 60,000. */
export const counterKeyCountMax = 500_000
