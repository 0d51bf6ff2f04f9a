/**
 * Health as one worker sees it: states that the node's authority decided, and the reports that it decides from.
 *
 * Only what may change a state is reported, and reports of one turn of the event loop travel together, so that traffic
 * through healthy peers costs nothing.
 */
import type { Peer } from '../balancer/balancer.ts'
import type { CheckRules } from './health-rules.ts'
import {
  type PeerChange,
  type PeerEvent,
  peerName,
  type PeerReport,
  type PeerState,
  takesTraffic,
} from './peer-state.ts'

export interface PeerHealth {
  /** Another number after every change, of any peer. */
  readonly version: number
  /** Number of the newest mark by hand, of any peer, that is known here; it changes together with `version`. */
  readonly marks: number
  stateOf(upstream: string, peer: Peer): PeerState
  /**
   * An event of traffic. `rules` are the upstream's for passive checks, `marks` the number there was when the try began:
   * what began before a mark cannot undo it.
   */
  report(upstream: string, peer: Peer, event: PeerEvent, rules: CheckRules, marks: number): void
}

/** Where nobody checks. */
export const noPeerHealth: PeerHealth = { version: 0, marks: 0, stateOf: () => 'healthy', report() {} }

export class WorkerPeerHealth implements PeerHealth {
  version = 0
  marks = 0
  /** Those that are not healthy, by upstream. */
  readonly #states = new Map<string, Map<string, PeerState>>()
  readonly #send: (reports: readonly PeerReport[]) => void
  #reports: PeerReport[] = []

  constructor(send: (reports: readonly PeerReport[]) => void) {
    this.#send = send
  }

  stateOf(upstream: string, peer: Peer): PeerState {
    return this.#states.get(upstream)?.get(peerName(peer)) ?? 'healthy'
  }

  report(upstream: string, peer: Peer, event: PeerEvent, { limits }: CheckRules, marks: number): void {
    if (limits[event] === 0) return
    const name = peerName(peer)
    const state = this.#states.get(upstream)?.get(name) ?? 'healthy'
    if (state === (event === 'success' ? 'healthy' : 'unhealthy')) return
    // What the authority will say of the first failure; until it does, successes count already.
    if (state === 'healthy') this.#put(upstream, name, 'mostly_healthy')
    const last = this.#reports.at(-1)
    const isLike = last?.upstream === upstream && last.peer === name && last.event === event && last.marks === marks
    if (isLike) last.count++
    else if (this.#reports.push({ upstream, peer: name, event, marks, count: 1 }) === 1) {
      setImmediate(() => this.#flush())
    }
  }

  #flush(): void {
    const reports = this.#reports
    this.#reports = []
    this.#send(reports)
  }

  /** What the authority decided. */
  apply(changes: readonly PeerChange[], marks: number): void {
    this.marks = marks
    for (const { upstream, peer, state } of changes) this.#put(upstream, peer, state)
    this.version++
  }

  #put(upstream: string, peer: string, state: PeerState): void {
    let states = this.#states.get(upstream)
    if (state === 'healthy') {
      states?.delete(peer)
      if (states?.size === 0) this.#states.delete(upstream)
      return
    }
    if (states === undefined) this.#states.set(upstream, (states = new Map()))
    const before = states.get(peer) ?? 'healthy'
    states.set(peer, state)
    if (takesTraffic(before) !== takesTraffic(state)) this.version++
  }
}
