/** One address of an upstream, with what algorithms remember of it; how it is chosen is a selector's business. */
import type { PeerState } from '../health/peer-state.ts'
import type { Peer } from './balancer.ts'

/** The same object for as long as the upstream has the address, whatever else about the upstream changes. */
export interface Address {
  readonly peer: Peer
  /** What stands on a hash ring for it: its IP, or the host of the SRV record that led to it. */
  ringHost: string
  weight: number
  state: PeerState
  isAvailable: boolean
  /** Exchanges under way, in this worker. */
  connections: number
  /** Moving average, and when it was last touched; negative: nothing known yet. */
  latencyMs: number
  touchedAt: number
}

export function createAddress(peer: Peer): Address {
  return {
    peer,
    ringHost: peer.ip,
    weight: 0,
    state: 'healthy',
    isAvailable: true,
    connections: 0,
    latencyMs: -1,
    touchedAt: 0,
  }
}

/** An algorithm over a fixed list of addresses. */
export interface Selector {
  /**
   * Index of the address for a request, or -1. Addresses among `failed` are avoided; when all available ones have
   * failed they take turns again: a retry beyond the last peer is still a retry.
   */
  next(failed: readonly Peer[], hash: number): number
  /** Some address became available or unavailable. Called once before the first `next`. */
  availabilityChanged?(): void
  /** An exchange with the address was answered. */
  answered?(address: Address, latencyMs: number): void
}
