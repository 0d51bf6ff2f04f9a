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
}

export class CheckedUpstream {
  readonly id: string
  /** May be replaced; peers keep their counters over it. */
  rules: HealthRules
  readonly #peers = new Map<string, CheckedPeer>()
  readonly #onChanges: (changes: readonly PeerChange[]) => void

  constructor(id: string, rules: HealthRules, onChanges: (changes: readonly PeerChange[]) => void) {
    this.id = id
    this.rules = rules
    this.#onChanges = onChanges
  }

  /** The peers there are now. Those that stay keep their state, new ones are healthy. */
  setPeers(identities: readonly PeerIdentity[]): void {
    const gone = new Set(this.#peers.keys())
    for (const identity of identities) {
      this.add(identity)
      gone.delete(peerName(identity))
    }
    const changes: PeerChange[] = []
    for (const name of gone) {
      if (this.#peers.get(name)!.counters.state !== 'healthy') changes.push(this.#change(name, 'healthy'))
      this.#peers.delete(name)
    }
    if (changes.length > 0) this.#onChanges(changes)
  }

  add(identity: PeerIdentity): void {
    const name = peerName(identity)
    if (!this.#peers.has(name)) this.#peers.set(name, { identity, counters: new PeerCounters() })
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

  count(name: string, event: PeerEvent, kind: 'active' | 'passive'): void {
    const limit = this.rules[kind]?.limits[event] ?? 0
    const counters = this.#peers.get(name)?.counters
    if (counters?.count(event, limit)) this.#onChanges([this.#change(name, counters.state)])
  }

  /** By hand: one address, or all of a host name at a port. */
  force(wanted: { readonly hostname: string; readonly ip: string | null; readonly port: number }, isUp: boolean): void {
    const changes: PeerChange[] = []
    for (const [name, { identity, counters }] of this.#peers) {
      const { hostname, ip, port } = identity
      if (hostname !== wanted.hostname || port !== wanted.port || ip !== (wanted.ip ?? ip)) continue
      if (counters.force(isUp ? 'healthy' : 'unhealthy')) changes.push(this.#change(name, counters.state))
    }
    if (changes.length > 0) this.#onChanges(changes)
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
