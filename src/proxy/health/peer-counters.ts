/** One peer's counters and the state they have led to (proxy.md 9). Active and passive checks count together. */
import type { PeerEvent, PeerState } from './peer-state.ts'

export class PeerCounters {
  #state: PeerState = 'healthy'
  readonly #counts: Record<PeerEvent, number> = { success: 0, http_failure: 0, tcp_failure: 0, timeout: 0 }

  get state(): PeerState {
    return this.#state
  }

  /**
   * Counts an event whose `limit`-th in a row turns the state. Returns whether the state is another one now. An event
   * without limit does not exist: in particular it interrupts no row of the other kind.
   */
  count(event: PeerEvent, limit: number): boolean {
    const verdict = event === 'success' ? 'healthy' : 'unhealthy'
    if (limit === 0 || verdict === this.#state) return false
    const counts = this.#counts
    counts[event]++
    if (event === 'success') counts.http_failure = counts.tcp_failure = counts.timeout = 0
    else counts.success = 0
    if (counts[event] >= limit) return this.#become(verdict)
    if (this.#state === 'healthy') return this.#become('mostly_healthy')
    return this.#state === 'unhealthy' && this.#become('mostly_unhealthy')
  }

  /** By hand. Returns whether the state is another one now. */
  force(state: 'healthy' | 'unhealthy'): boolean {
    for (const event of Object.keys(this.#counts) as PeerEvent[]) this.#counts[event] = 0
    return this.#become(state)
  }

  #become(state: PeerState): boolean {
    const isOther = state !== this.#state
    this.#state = state
    return isOther
  }
}
