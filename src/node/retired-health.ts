/**
 * The health of upstreams that were removed a moment ago: one of the same name that comes in their place goes on with
 * it, as in Kong, so that tools which replace entities instead of changing them do not send traffic to dead targets.
 */
import type { Clock } from '../base/clock.ts'
import type { Row } from '../entities/config.ts'
import type { CheckedUpstream } from '../proxy/health/checked-upstream.ts'
import type { PeerChange } from '../proxy/health/peer-state.ts'

/** Kong's delay before it forgets. */
const KEPT_MS = 10_000
/** Upstreams with something wrong, removed within that time. */
const KEPT_MAX = 1000

export class RetiredHealth {
  readonly #clock: Clock
  readonly #kept = new Map<string, { readonly states: readonly PeerChange[]; readonly until: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Called before its peers are taken away. */
  keep({ row, upstream }: { readonly row: Row; readonly upstream: CheckedUpstream }): void {
    const now = this.#clock.monotonic()
    for (const [name, { until }] of this.#kept) if (until <= now) this.#kept.delete(name)
    const states = upstream.states()
    if (states.length === 0 || this.#kept.size >= KEPT_MAX) return
    this.#kept.set(String(row['name']), { states, until: now + KEPT_MS })
  }

  take(name: string): readonly PeerChange[] {
    const kept = this.#kept.get(name)
    this.#kept.delete(name)
    return kept !== undefined && kept.until > this.#clock.monotonic() ? kept.states : []
  }
}
