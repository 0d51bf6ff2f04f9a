/** The counters of a node with several workers: its main process grants leases on them, and never beyond a limit. */
import type { Clock } from '../base/clock.ts'
import { counterKeyCountMax, createWindowTable } from './window-table.ts'

/** One request of a worker that needs room in all of these windows, or gets it in none. */
export interface LeaseGroup {
  readonly windows: readonly {
    readonly key: string
    readonly limit: number
    readonly endsAt: number
    /** False: the worker has a lease, and only wants to know the usage. */
    readonly wanted: boolean
  }[]
}
export interface LeaseReturn {
  readonly key: string
  readonly endsAt: number
  readonly count: number
}
/** Plain data, so that it can travel between processes. */
export interface LeaseAsk {
  readonly groups: readonly LeaseGroup[]
  /** Leases that were not used for a while. */
  readonly returns: readonly LeaseReturn[]
}
export interface LeaseAnswer {
  /** By group, by window: how many may pass, and what is used or leased in all after that. */
  readonly groups: readonly (readonly { readonly granted: number; readonly used: number }[])[]
}

export interface CounterAuthority {
  answer(ask: LeaseAsk): LeaseAnswer
  readonly size: number
}

/** Requests that waited longer than this beyond the end of their window get no lease on it any more. */
const graceMs = 10_000

export function createCounterAuthority({
  clock,
  workerCount,
  keyCountMax = counterKeyCountMax,
}: {
  readonly clock: Clock
  readonly workerCount: () => number
  readonly keyCountMax?: number
}): CounterAuthority {
  const table = createWindowTable({ clock, keyCountMax, graceMs, create: () => ({ used: 0 }) })

  /** A worker that asks for several requests at once gets more than their number only once per key. */
  function grant({ windows }: LeaseGroup, generous: Set<object>): { granted: number; used: number }[] {
    const oldest = clock.now() - graceMs
    const isOver = windows.some(({ endsAt }) => endsAt <= oldest)
    if (isOver) return windows.map(({ limit }) => ({ granted: 0, used: limit }))
    const counters = windows.map(({ endsAt, key }) => table.get(endsAt, key))
    const hasRoom = windows.every(({ wanted, limit }, i) => !wanted || counters[i]!.used < limit)
    return windows.map(({ wanted, limit }, i) => {
      const counter = counters[i]!
      if (!wanted || !hasRoom) return { granted: 0, used: counter.used }
      const granted = generous.has(counter) ? 1 : leaseSize(counter.used, limit, workerCount())
      generous.add(counter)
      counter.used += granted
      return { granted, used: counter.used }
    })
  }

  return {
    answer({ groups, returns }) {
      for (const { endsAt, key, count } of returns) {
        if (endsAt <= clock.now()) continue
        const counter = table.get(endsAt, key)
        counter.used = Math.max(0, counter.used - count)
      }
      const generous = new Set<object>()
      return { groups: groups.map(group => grant(group, generous)) }
    },
    get size() {
      return table.size
    },
  }
}

/**
 * One while few are taken or few are left, so that counts shown to clients are exact where they matter; in between
 * a share of both, so that a busy window costs a number of questions that grows with the logarithm of its limit,
 * and what idle workers hold stays a small part.
 */
export function leaseSize(used: number, limit: number, workers: number): number {
  const shares = 4 * workers
  return Math.max(1, Math.floor(Math.min(used, limit - used) / shares))
}

/** Whether any lease on such a window can be larger than one, and so lie unused at a worker. */
export function isLeasedInBulk(limit: number, workers: number): boolean {
  return leaseSize(limit / 2, limit, workers) > 1
}
