/** Counters in fixed windows, shared by the workers of a node, that never let more through than their limit. */
import type { Awaitable } from './sdk.ts'

export interface CounterWindow {
  /** Names counter and window, e.g. `ratelimit:<route>:<service>:<identifier>:<window start>:<period>`. */
  readonly key: string
  readonly limit: number
  /** Milliseconds since the epoch; the counter is forgotten after it. */
  readonly endsAt: number
}

export interface CounterUsage {
  /** True when every window had room; then one was taken from each, else none was. */
  readonly taken: boolean
  /** Usage of each window before this take. Exact while a window has few left or few taken; see local-counters.ts. */
  readonly usages: readonly number[]
}

export interface SharedCounters {
  /** Synchronous when the worker can decide alone: one worker, a lease in hand, or a window known to be full. */
  take(windows: readonly CounterWindow[]): Awaitable<CounterUsage>
}
