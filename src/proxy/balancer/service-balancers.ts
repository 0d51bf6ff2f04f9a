/** The two ways from a service to an address: its host names an upstream, or is an address or DNS name itself. */
import type { Awaitable } from '../../sdk/sdk.ts'
import type { Resolution } from '../upstream/resolver.ts'
import type { Address } from './address.ts'
import type { AddressSet } from './address-set.ts'
import type { Balancer, HashInput, PeerOutcome, Pick, PickFailure, PickState } from './balancer.ts'
import { hostHeader, isAddress, withoutBrackets } from './target-address.ts'
import type { BalancerTools, UpstreamTargets } from './upstream-targets.ts'

interface AddressPick extends Pick {
  readonly address: Address
  /** See PeerHealth. */
  readonly marks: number
}

const NO_LIVE_TARGET: PickFailure = { failure: 'no_live_target' }

export class UpstreamBalancer implements Balancer {
  readonly #targets: UpstreamTargets
  readonly #hostHeader: string | null
  readonly #isTls: boolean
  /** Picks of one set of addresses between two marks by hand, made when first given out: a pick costs no allocation. */
  #set: AddressSet | null = null
  #marks = 0
  #picks: AddressPick[] = []

  constructor(targets: UpstreamTargets, { hostHeader, isTls }: { hostHeader: string | null; isTls: boolean }) {
    this.#targets = targets
    this.#hostHeader = hostHeader
    this.#isTls = isTls
  }

  pick(state: PickState, input: HashInput): Awaitable<Pick | PickFailure> {
    const set = this.#targets.current()
    if (set instanceof Promise) return set.then(made => this.#pickFrom(made, state, input))
    return this.#pickFrom(set, state, input)
  }

  release(pick: Pick, outcome: PeerOutcome): void {
    const { address, marks } = pick as AddressPick
    this.#targets.over(address, outcome, marks)
  }

  #pickFrom(set: AddressSet, state: PickState, input: HashInput): Pick | PickFailure {
    const index = set.next(state.failed, this.#targets.hashOf(input))
    if (index < 0) return NO_LIVE_TARGET
    if (set !== this.#set || set.marks !== this.#marks) {
      this.#set = set
      this.#marks = set.marks
      this.#picks = []
    }
    const pick = (this.#picks[index] ??= this.#makePick(set.addresses[index]!))
    pick.address.connections++
    return pick
  }

  #makePick(address: Address): AddressPick {
    const { peer } = address
    return {
      peer,
      hostHeader: hostHeader(this.#hostHeader ?? peer.hostname, peer.port, this.#isTls),
      address,
      marks: this.#marks,
    }
  }
}

export class HostBalancer implements Balancer {
  readonly #tools: BalancerTools
  readonly #host: string
  readonly #port: number
  readonly #isTls: boolean
  #resolution: Resolution | null = null
  #picks: readonly Pick[] = []
  #next = 0

  constructor(tools: BalancerTools, { host, port, isTls }: { host: string; port: number; isTls: boolean }) {
    this.#tools = tools
    this.#host = withoutBrackets(host)
    this.#port = port
    this.#isTls = isTls
    if (isAddress(this.#host)) this.#picks = [this.#makePick(this.#host, port)]
  }

  pick(state: PickState, _input: HashInput): Awaitable<Pick | PickFailure> {
    if (this.#picks.length > 0 && this.#resolution === null) return this.#picks[0]!
    const resolution = this.#tools.resolver.resolve(this.#host)
    if (resolution instanceof Promise) return resolution.then(answer => this.#pickFrom(answer, state))
    return this.#pickFrom(resolution, state)
  }

  release(_pick: Pick, _outcome: PeerOutcome): void {}

  #pickFrom(resolution: Resolution, { failed }: PickState): Pick | PickFailure {
    if (!resolution.ok) return { failure: resolution.failure }
    if (resolution !== this.#resolution) {
      this.#resolution = resolution
      this.#picks = resolution.addresses.map(({ ip, port }) => this.#makePick(ip, port || this.#port))
    }
    const picks = this.#picks
    for (let step = 0; step < picks.length; step++) {
      const pick = picks[this.#next++ % picks.length]!
      if (!failed.includes(pick.peer)) return pick
    }
    return picks[this.#next++ % picks.length] ?? { failure: 'name_resolution_failed' }
  }

  #makePick(ip: string, port: number): Pick {
    return {
      peer: this.#tools.peers.get(this.#host, ip, port),
      hostHeader: hostHeader(this.#host, port, this.#isTls),
    }
  }
}
