/** Counters of a node with a single worker: exact, and never waiting. */
import type { Clock } from '../base/clock.ts'
import type { SharedCounters } from './counters.ts'
import { counterKeyCountMax, createWindowTable } from './window-table.ts'

export function createLocalCounters({
  clock,
  keyCountMax = counterKeyCountMax,
}: {
  readonly clock: Clock
  readonly keyCountMax?: number
}): SharedCounters & { readonly size: number } {
  const table = createWindowTable({ clock, keyCountMax, create: () => ({ used: 0 }) })
  return {
    take(windows) {
      const counters = windows.map(({ endsAt, key }) => table.get(endsAt, key))
      const usages = counters.map(counter => counter.used)
      const taken = windows.every(({ limit }, i) => usages[i]! < limit)
      if (taken) for (const counter of counters) counter.used++
      return { taken, usages }
    },
    get size() {
      return table.size
    },
  }
}
