/** The addresses of one upstream: its targets, resolved, on a wheel that is remade when they or their names change. */
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import type { Row } from '../../entities/config.ts'
import type { Awaitable } from '../../sdk/sdk.ts'
import type { Resolution, Resolver } from '../upstream/resolver.ts'
import type { Peer, PickFailure } from './balancer.ts'
import type { PeerRegistry } from './peers.ts'
import { RoundRobinWheel, type WeightedPeer } from './round-robin.ts'
import { isAddress, parseTarget } from './target-address.ts'

export interface BalancerTools {
  readonly resolver: Resolver
  readonly peers: PeerRegistry
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** What health checks say of a peer; peers that nobody checks are available. */
  readonly isAvailable: (peer: Peer) => boolean
}

interface NamedTarget {
  readonly host: string
  readonly port: number
  readonly weight: number
  resolution: Resolution | null
}

// How stale a wheel may be after a name got other addresses: asking the cache at each request would cost more.
const NAME_CHECK_INTERVAL_MS = 1000

const NO_LIVE_TARGET: PickFailure = { failure: 'no_live_target' }

export class UpstreamTargets {
  readonly #tools: BalancerTools
  #threshold = 0
  #targets: NamedTarget[] = []
  #hasNames = false
  #wheel: RoundRobinWheel | null = null
  #checkedAtMs = 0

  constructor(tools: BalancerTools) {
    this.#tools = tools
  }

  /** Takes other targets; the next pick sees them. */
  update(upstream: Row, targets: Iterable<Row>): void {
    const healthchecks = upstream['healthchecks'] as { readonly threshold?: number } | null | undefined
    this.#threshold = healthchecks?.threshold ?? 0
    this.#targets = []
    for (const row of targets)
      this.#targets.push({
        ...parseTarget(String(row['target'])),
        weight: Number(row['weight'] ?? 100),
        resolution: null,
      })
    this.#hasNames = this.#targets.some(target => !isAddress(target.host))
    this.#wheel = null
  }

  /** The wheel, made when it is first needed; a promise only while names are asked for the first time. */
  wheel(): Awaitable<RoundRobinWheel> {
    const wheel = this.#wheel
    if (wheel === null) return this.#make()
    if (!this.#hasNames) return wheel
    const now = this.#tools.clock.monotonic()
    if (now - this.#checkedAtMs < NAME_CHECK_INTERVAL_MS) return wheel
    this.#checkedAtMs = now
    return this.#isCurrent() ? wheel : this.#make()
  }

  /** Index of the next address of a wheel, or why there is none. */
  next(wheel: RoundRobinWheel, failed: readonly Peer[]): number | PickFailure {
    if (!this.#isHealthy(wheel)) return NO_LIVE_TARGET
    const index = wheel.next(this.#tools.isAvailable, failed)
    return index < 0 ? NO_LIVE_TARGET : index
  }

  /** As in Kong: the available part of all weight must be *above* the threshold, so that 100 never is. */
  #isHealthy(wheel: RoundRobinWheel): boolean {
    if (wheel.addresses.length === 0) return false
    if (this.#threshold === 0) return true
    let total = 0
    let available = 0
    for (const { peer, weight } of wheel.addresses) {
      total += weight
      if (this.#tools.isAvailable(peer)) available += weight
    }
    return (available / total) * 100 > this.#threshold
  }

  /** A name without any answer yet is asked for again as well, and joins when it has one. */
  #isCurrent(): boolean {
    return this.#targets.every(target => {
      if (isAddress(target.host)) return true
      const resolution = this.#tools.resolver.resolve(target.host)
      return resolution instanceof Promise || resolution === target.resolution
    })
  }

  #make(): Awaitable<RoundRobinWheel> {
    const targets = this.#targets
    const resolutions = targets.map(({ host }) => (isAddress(host) ? null : this.#tools.resolver.resolve(host)))
    this.#checkedAtMs = this.#tools.clock.monotonic()
    if (resolutions.some(resolution => resolution instanceof Promise))
      return Promise.all(resolutions).then(answers => this.#build(targets, answers))
    return this.#build(targets, resolutions as (Resolution | null)[])
  }

  #build(targets: NamedTarget[], resolutions: readonly (Resolution | null)[]): RoundRobinWheel {
    const addresses: WeightedPeer[] = []
    targets.forEach((target, i) => {
      target.resolution = resolutions[i]!
      addresses.push(...this.#addressesOf(target))
    })
    const wheel = new RoundRobinWheel(addresses, this.#tools.random)
    // Targets may have changed while names were asked for; then this wheel serves the waiting requests only.
    if (targets === this.#targets) this.#wheel = wheel
    return wheel
  }

  #addressesOf({ host, port, weight, resolution }: NamedTarget): WeightedPeer[] {
    const { peers, log } = this.#tools
    if (weight === 0) return []
    if (resolution === null) return [{ peer: peers.get(host, host, port), weight }]
    if (!resolution.ok) {
      log.warn(`target '${host}:${port}' does not resolve; it takes no traffic until it does`)
      return []
    }
    return resolution.addresses.map(address => ({
      peer: peers.get(host, address.ip, address.port || port),
      weight: address.weight === null ? weight : Math.max(1, address.weight),
    }))
  }
}
