/** A worker's view of the node's counters: spends leases at once, and asks the main process only when it has none. */
import type { Clock } from '../base/clock.ts'
import type { LeaseAnswer, LeaseAsk, LeaseGroup, LeaseReturn } from './counter-authority.ts'
import type { CounterUsage, CounterWindow, SharedCounters } from './counters.ts'
import { counterKeyCountMax, createWindowTable } from './window-table.ts'

export interface LeasedCountersOptions {
  readonly clock: Clock
  /** Reaches the CounterAuthority; a rejection fails the requests that waited for the answer. */
  readonly ask: (message: LeaseAsk) => Promise<LeaseAnswer>
  readonly keyCountMax?: number
}

/**
 * How long a lease may lie unused before it goes back, and for how long a full window counts as full without asking
 * again: another worker may have given some of it back.
 */
const idleLeaseMs = 1000
/** Requests that may wait for the main process; beyond it something is wrong with that process. */
const waiterCountMax = 10_000

interface Lease {
  /** May still pass without asking. */
  left: number
  /** Used in all before the next take, as far as this worker knows. */
  used: number
  /** No request can pass before this time. */
  fullUntil: number
  /** Of the window that was full; another limit must be asked about. */
  fullLimit: number
  isIdle: boolean
}
interface Waiter {
  readonly windows: readonly CounterWindow[]
  readonly leases: readonly Lease[]
  readonly settle: PromiseWithResolvers<CounterUsage>
}

export function createLeasedCounters({
  clock,
  ask,
  keyCountMax = counterKeyCountMax,
}: LeasedCountersOptions): SharedCounters & { close(): void } {
  const create = (): Lease => ({ left: 0, used: 0, fullUntil: 0, fullLimit: 0, isIdle: false })
  const table = createWindowTable({ clock, keyCountMax, create })
  /** Leases with something left, and the window they belong to. */
  const held = new Map<Lease, CounterWindow>()
  let waiters: Waiter[] = []
  let isAsking = false

  function spend(windows: readonly CounterWindow[], leases: readonly Lease[]): CounterUsage | null {
    const now = clock.now()
    const usages = leases.map(lease => lease.used)
    for (let i = 0; i < leases.length; i++) {
      const { fullUntil, fullLimit } = leases[i]!
      if (fullUntil > now && fullLimit === windows[i]!.limit) return { taken: false, usages }
    }
    for (const lease of leases) if (lease.left === 0) return null
    for (const lease of leases) {
      lease.left--
      lease.used++
      lease.isIdle = false
      if (lease.left === 0) held.delete(lease)
    }
    return { taken: true, usages }
  }

  /** Returns the usage if there was no room, null if the request may try to spend. */
  function receive(
    { windows, leases }: Waiter,
    asked: LeaseGroup,
    grants: LeaseAnswer['groups'][number],
  ): CounterUsage | null {
    const isRefused = windows.some((_, i) => asked.windows[i]!.wanted && grants[i]!.granted === 0)
    for (let i = 0; i < windows.length; i++) {
      const { granted, used } = grants[i]!
      const { limit, endsAt } = windows[i]!
      const lease = leases[i]!
      lease.left += granted
      lease.used = used - lease.left
      if (lease.left > 0) held.set(lease, windows[i]!)
      if (!isRefused || lease.left > 0 || used < limit) continue
      lease.fullLimit = limit
      lease.fullUntil = Math.min(endsAt, clock.now() + idleLeaseMs)
    }
    return isRefused ? { taken: false, usages: leases.map(lease => lease.used) } : null
  }

  /** One question at a time: what comes up meanwhile goes into the next, so that load makes them larger, not more. */
  async function askForAll(): Promise<void> {
    isAsking = true
    while (waiters.length > 0) {
      const asking = waiters
      waiters = []
      const groups = asking.map(toGroup)
      try {
        const answer = await ask({ groups, returns: [] })
        for (const [i, waiter] of asking.entries()) {
          const usage = receive(waiter, groups[i]!, answer.groups[i]!) ?? spend(waiter.windows, waiter.leases)
          // A lease that was in hand when asking may have been spent meanwhile.
          if (usage === null) waiters.push(waiter)
          else waiter.settle.resolve(usage)
        }
      } catch (error) {
        for (const { settle } of asking) settle.reject(error)
      }
    }
    isAsking = false
  }

  /** Gives back what was not touched since the last time. */
  function returnIdle(): void {
    const returns: LeaseReturn[] = []
    for (const [lease, { key, endsAt }] of held) {
      if (lease.isIdle || endsAt <= clock.now()) {
        held.delete(lease)
        if (endsAt > clock.now()) returns.push({ key, endsAt, count: lease.left })
        lease.left = 0
      }
      lease.isIdle = true
    }
    // What cannot be given back counts as used until its window ends: on the safe side.
    if (returns.length > 0) ask({ groups: [], returns }).catch(() => {})
  }
  const timer = clock.every(idleLeaseMs, returnIdle)

  return {
    take(windows) {
      const leases = windows.map(({ endsAt, key }) => table.get(endsAt, key))
      const usage = spend(windows, leases)
      if (usage !== null) return usage
      if (waiters.length >= waiterCountMax)
        return Promise.reject(new Error('too many requests wait for their counters'))
      const settle = Promise.withResolvers<CounterUsage>()
      waiters.push({ windows, leases, settle })
      if (!isAsking) void askForAll()
      return settle.promise
    },
    close: () => timer.cancel(),
  }
}

function toGroup({ windows, leases }: Waiter): LeaseGroup {
  return {
    windows: windows.map(({ key, limit, endsAt }, i) => ({ key, limit, endsAt, wanted: leases[i]!.left === 0 })),
  }
}
