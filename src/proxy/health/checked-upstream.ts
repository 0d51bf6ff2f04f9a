/** One upstream with health checks: its peers, their counters, and what a change of either means for the workers. */
import type { HealthRules } from './health-rules.ts'
import { PeerCounters } from './peer-counters.ts'
import {
  type PeerChange,
  type PeerEvent,
  type PeerIdentity,
  peerName,
  type PeerState,
  takesTraffic,
} from './peer-state.ts'

interface CheckedPeer {
  readonly identity: PeerIdentity
  readonly counters: PeerCounters
  /** Number of the last mark by hand; 0 when there was none. */
  marked: number
}

export interface HealthListener {
  /** What the workers need to know. */
  onChanges(changes: readonly PeerChange[]): void
  /** A peer was taken out of traffic, or put back. */
  onTurn(upstreamId: string, peer: PeerIdentity, isUp: boolean): void
  /** There are other peers than before. */
  onPeers(upstreamId: string): void
}

export class CheckedUpstream {
  readonly id: string
  /** May be replaced; peers keep their counters over it. */
  rules: HealthRules
  readonly #peers = new Map<string, CheckedPeer>()
  readonly #listener: HealthListener
  /** How peers were that are not here yet. */
  readonly #recalled = new Map<string, PeerState>()

  constructor(id: string, rules: HealthRules, listener: HealthListener) {
    this.id = id
    this.rules = rules
    this.#listener = listener
  }

  /** The peers there are now. Those that stay keep their state, new ones are healthy. */
  setPeers(identities: readonly PeerIdentity[]): void {
    const gone = new Set(this.#peers.keys())
    let isOther = false
    for (const identity of identities) {
      if (this.#add(identity)) isOther = true
      gone.delete(peerName(identity))
    }
    const changes: PeerChange[] = []
    for (const name of gone) {
      if (this.#peers.get(name)!.counters.state !== 'healthy') changes.push(this.#change(name, 'healthy'))
      this.#peers.delete(name)
    }
    if (changes.length > 0) this.#listener.onChanges(changes)
    if (isOther || gone.size > 0) this.#listener.onPeers(this.id)
  }

  add(identity: PeerIdentity): void {
    if (this.#add(identity)) this.#listener.onPeers(this.id)
  }

  /** False when it was there. */
  #add(identity: PeerIdentity): boolean {
    const name = peerName(identity)
    if (this.#peers.has(name)) return false
    const counters = new PeerCounters()
    this.#peers.set(name, { identity, counters, marked: 0 })
    const isDown = this.#recalled.get(name) === 'unhealthy'
    this.#recalled.delete(name)
    if (isDown) this.#note(name, counters, () => counters.force('unhealthy'))
    return true
  }

  /** States of peers of an upstream that this one takes the place of. */
  recall(states: readonly PeerChange[]): void {
    for (const { peer, state } of states) this.#recalled.set(peer, state)
  }

  /** All there are, with whether they take traffic. */
  *views(): Generator<{ readonly identity: PeerIdentity; readonly isUp: boolean }> {
    for (const { identity, counters } of this.#peers.values()) yield { identity, isUp: takesTraffic(counters.state) }
  }

  has(name: string): boolean {
    return this.#peers.has(name)
  }

  stateOf(identity: PeerIdentity): PeerState {
    return this.#peers.get(peerName(identity))?.counters.state ?? 'healthy'
  }

  peers(areUp: boolean): readonly PeerIdentity[] {
    const found: PeerIdentity[] = []
    for (const { identity, counters } of this.#peers.values())
      if (takesTraffic(counters.state) === areUp) found.push(identity)
    return found
  }

  /** Whether what began when `marks` was the newest mark may count: it is no older than the peer's own. */
  counts(name: string, marks: number): boolean {
    return marks >= (this.#peers.get(name)?.marked ?? 0)
  }

  /** Says again what a peer is, to a worker that has begun to think otherwise. */
  repeat(name: string): void {
    const counters = this.#peers.get(name)?.counters
    if (counters !== undefined) this.#listener.onChanges([this.#change(name, counters.state)])
  }

  count(name: string, event: PeerEvent, kind: 'active' | 'passive'): void {
    const limit = this.rules[kind]?.limits[event] ?? 0
    const counters = this.#peers.get(name)?.counters
    if (counters !== undefined) this.#note(name, counters, () => counters.count(event, limit))
  }

  /**
   * By hand: one address (an IP, or the host of an SRV record), or all of a host name at a port. `mark` is a number above
   * that of every mark before. Returns how many.
   */
  force(
    wanted: { readonly hostname: string; readonly address: string | null; readonly port: number },
    isUp: boolean,
    mark: number,
  ): number {
    let found = 0
    for (const [name, peer] of this.#peers) {
      const { identity, counters } = peer
      const { hostname, ip, port, srvName } = identity
      if (hostname !== wanted.hostname || port !== wanted.port) continue
      if (wanted.address !== null && wanted.address !== ip && wanted.address !== srvName) continue
      found++
      peer.marked = mark
      this.#note(name, counters, () => counters.force(isUp ? 'healthy' : 'unhealthy'))
    }
    return found
  }

  /** Makes a change of counters known, if it changed the state. */
  #note(name: string, counters: PeerCounters, count: () => boolean): void {
    const wasUp = takesTraffic(counters.state)
    if (!count()) return
    this.#listener.onChanges([this.#change(name, counters.state)])
    const isUp = takesTraffic(counters.state)
    if (isUp !== wasUp) this.#listener.onTurn(this.id, this.#peers.get(name)!.identity, isUp)
  }

  /** All that a worker cannot assume. */
  states(): PeerChange[] {
    const states: PeerChange[] = []
    for (const [name, { counters }] of this.#peers)
      if (counters.state !== 'healthy') states.push(this.#change(name, counters.state))
    return states
  }

  #change(peer: string, state: PeerState): PeerChange {
    return { upstream: this.id, peer, state }
  }
}
