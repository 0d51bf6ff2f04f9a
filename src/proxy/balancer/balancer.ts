/** From a service to an address to connect to. */
import type { Awaitable } from '../../sdk/sdk.ts'

/** One address of one target. Identity is stable while it exists, so that pools and health can hang on it. */
export interface Peer {
  readonly ip: string
  readonly port: number
  /** Name the target was given by; what Host and SNI carry unless something overrides it. */
  readonly hostname: string
  /** `ip:port`, made once. */
  readonly key: string
}

export interface Pick {
  readonly peer: Peer
  /** Host header for the upstream when `preserve_host` is off: with port unless it is the scheme's own. */
  readonly hostHeader: string
}

export interface PickFailure {
  readonly failure: 'no_live_target' | 'name_resolution_failed' | 'dns_error'
}

/** What hashing algorithms may ask of a request. */
export interface HashInput {
  readonly consumerId: string | null
  readonly credentialId: string | null
  readonly clientIp: string
  readonly path: string
  /** Repeated fields joined by a comma. */
  header(name: string): string | undefined
  query(name: string): string | undefined
  cookie(name: string): string | undefined
  capture(name: string): string | undefined
  /** Gives the client a cookie with a value of our own, and returns the value: the same one for the whole exchange. */
  issueCookie(name: string, path: string): string
}

/** Per request and cheap; null members are made when first needed. */
export interface PickState {
  /** Peers that have failed in this exchange, oldest first. */
  readonly failed: readonly Peer[]
}

export interface Balancer {
  /** Synchronous when the address is known, which after the first request it nearly always is. */
  pick(state: PickState, input: HashInput): Awaitable<Pick | PickFailure>
  /** Called when the exchange with a picked peer is over, whatever its end. */
  release(pick: Pick, outcome: PeerOutcome): void
}

export type PeerOutcome =
  | { readonly kind: 'answered'; readonly status: number; readonly latencyMs: number }
  | { readonly kind: 'connect_failed' }
  | { readonly kind: 'timed_out' }
  | { readonly kind: 'broken' }
  | { readonly kind: 'aborted' }
