/** When the peers of one upstream are probed: those in traffic at one interval, those out of it at another. */
import type { Clock, Timer } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import type { ActiveRules } from './health-rules.ts'
import type { PeerEvent, PeerIdentity } from './peer-state.ts'

export interface ActiveChecksOptions {
  readonly rules: ActiveRules
  readonly clock: Clock
  readonly random: Random
  /** The peers that are in traffic, or out of it, right now. */
  readonly peers: (areUp: boolean) => Promise<readonly PeerIdentity[]>
  readonly probe: (peer: PeerIdentity) => Promise<PeerEvent | null>
  readonly onEvent: (peer: PeerIdentity, event: PeerEvent) => void
  /** The probe itself failed. Returns what to take it for. */
  readonly onFault: (peer: PeerIdentity, error: Error) => PeerEvent | null
}

/**
 * So much of the time that a run takes does not shorten the pause after it: a peer that answers at once is then never
 * asked again before its interval is over. Kong looks ten times a second whether it is.
 */
const SLACK_MS = 100

export class ActiveChecks {
  readonly #options: ActiveChecksOptions
  readonly #timers = new Set<Timer>()
  #isStopped = false

  constructor(options: ActiveChecksOptions) {
    this.#options = options
    this.#repeat(true, options.rules.healthyIntervalMs)
    this.#repeat(false, options.rules.unhealthyIntervalMs)
  }

  /** Upstreams start at random points of their interval, so that a node with many does not probe in bursts. */
  #repeat(areUp: boolean, intervalMs: number): void {
    if (intervalMs === 0) return
    const { clock, random } = this.#options
    const runAfter = (ms: number) => {
      const timer = clock.after(ms, () => {
        this.#timers.delete(timer)
        void run()
      })
      this.#timers.add(timer)
    }
    // Peers that are slow to answer are not asked again meanwhile.
    const run = async () => {
      const startedAt = clock.monotonic()
      await this.#run(areUp).finally(() => {
        const elapsedMs = clock.monotonic() - startedAt
        if (!this.#isStopped) runAfter(Math.max(0, intervalMs - Math.max(0, elapsedMs - SLACK_MS)))
      })
    }
    runAfter(intervalMs * random.next())
  }

  async #run(areUp: boolean): Promise<void> {
    const { rules, peers } = this.#options
    const waiting = [...(await peers(areUp))]
    const lanes = Array.from({ length: Math.min(rules.concurrency, waiting.length) }, () => this.#work(waiting))
    await Promise.all(lanes)
  }

  async #work(waiting: PeerIdentity[]): Promise<void> {
    const { probe, onEvent, onFault } = this.#options
    for (let peer = waiting.pop(); peer !== undefined && !this.#isStopped; peer = waiting.pop()) {
      // A probe that cannot even be made (a certificate that does not load, say) tells nothing of the peer.
      const event = await probe(peer).catch((error: Error) => onFault(peer, error))
      if (event !== null && !this.#isStopped) onEvent(peer, event)
    }
  }

  stop(): void {
    this.#isStopped = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }
}
