/** The addresses of one upstream: its targets, resolved, in a set that is remade when they or their names change. */
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import type { Row } from '../../entities/config.ts'
import type { Awaitable } from '../../sdk/sdk.ts'
import { type CheckRules, compileHealthRules } from '../health/health-rules.ts'
import type { PeerHealth } from '../health/peer-health.ts'
import type { Resolution, ResolvedAddress, Resolver } from '../upstream/resolver.ts'
import { type Address, createAddress, type Selector } from './address.ts'
import { AddressSet } from './address-set.ts'
import type { HashInput, Peer, PeerOutcome } from './balancer.ts'
import { ConsistentHashing } from './consistent-hashing.ts'
import { compileHashSource, type HashSource } from './hash-source.ts'
import { LowestLatency } from './latency.ts'
import { LeastConnections } from './least-connections.ts'
import type { PeerRegistry } from './peers.ts'
import { RoundRobin } from './round-robin.ts'
import { isAddress, parseTarget } from './target-address.ts'
import { xxhash32 } from './xxhash32.ts'

export interface BalancerTools {
  readonly resolver: Resolver
  readonly peers: PeerRegistry
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly health: PeerHealth
}

interface PeerOfTarget {
  readonly peer: Peer
  readonly weight: number
  readonly ringHost: string
}

interface NamedTarget {
  readonly host: string
  readonly port: number
  readonly weight: number
  resolution: Resolution | null
}

// How stale a set may be after a name got other addresses: asking the cache at each request would cost more.
const NAME_CHECK_INTERVAL_MS = 1000
/** nginx's status for what an upstream did wrong, which is what Kong's checks are told of a last try. */
const BAD_GATEWAY = 502

export class UpstreamTargets {
  readonly #tools: BalancerTools
  #upstream: Row = {}
  #targets: NamedTarget[] = []
  #hasNames = false
  #set: AddressSet | null = null
  #known = new Map<Peer, Address>()
  #checkedAtMs = 0
  #hashSource: HashSource | null = null
  #passive: CheckRules | null = null

  constructor(tools: BalancerTools) {
    this.#tools = tools
  }

  /** Takes other targets; the next pick sees them. */
  update(upstream: Row, targets: Iterable<Row>): void {
    this.#upstream = upstream
    this.#hashSource = upstream['algorithm'] === 'consistent-hashing' ? compileHashSource(upstream) : null
    this.#passive = compileHealthRules(upstream)?.passive ?? null
    this.#targets = []
    for (const row of targets)
      this.#targets.push({
        ...parseTarget(String(row['target'])),
        weight: Number(row['weight'] ?? 100),
        resolution: null,
      })
    // Rings of all workers and nodes are alike only if their addresses come in one order: Kong's.
    this.#targets.sort((a, b) => compare(a.host, b.host) || a.port - b.port)
    this.#hasNames = this.#targets.some(target => !isAddress(target.host))
    this.#set = null
  }

  /** The addresses, made when they are first needed; a promise only while names are asked for the first time. */
  current(): Awaitable<AddressSet> {
    const set = this.#set
    if (set === null) return this.#make()
    if (!this.#hasNames) return set
    const now = this.#tools.clock.monotonic()
    if (now - this.#checkedAtMs < NAME_CHECK_INTERVAL_MS) return set
    this.#checkedAtMs = now
    return this.#isCurrent() ? set : this.#make()
  }

  /** What the algorithm hashes of a request; nothing is looked at unless it does. */
  hashOf(input: HashInput): number {
    return this.#hashSource === null ? 0 : xxhash32(this.#hashSource(input))
  }

  /** An exchange with one of the addresses is over. */
  over(address: Address, outcome: PeerOutcome, marks: number): void {
    address.connections--
    if (outcome.kind === 'answered') this.#set?.selector.answered?.(address, outcome.latencyMs)
    if (this.#passive !== null) this.#report(this.#passive, address.peer, outcome, marks)
  }

  #report(rules: CheckRules, peer: Peer, outcome: PeerOutcome, marks: number): void {
    const { health } = this.#tools
    const upstream = String(this.#upstream['id'])
    if (outcome.kind === 'timed_out') return health.report(upstream, peer, 'timeout', rules, marks)
    if (outcome.kind === 'answered') {
      // nginx cannot tell its own 504 from the upstream's, and so neither can Kong.
      const event = outcome.status === 504 ? 'timeout' : rules.statusEvent(outcome.status)
      if (event !== null) health.report(upstream, peer, event, rules, marks)
    } else if (outcome.kind !== 'aborted') {
      health.report(upstream, peer, 'tcp_failure', rules, marks)
      if (rules.statusEvent(BAD_GATEWAY) === 'http_failure') health.report(upstream, peer, 'http_failure', rules, marks)
    }
  }

  /** A name without any answer yet is asked for again as well, and joins when it has one. */
  #isCurrent(): boolean {
    return this.#targets.every(target => {
      if (isAddress(target.host)) return true
      const resolution = this.#tools.resolver.resolve(target.host)
      return resolution instanceof Promise || resolution === target.resolution
    })
  }

  #make(): Awaitable<AddressSet> {
    const targets = this.#targets
    const resolutions = targets.map(({ host }) => (isAddress(host) ? null : this.#tools.resolver.resolve(host)))
    this.#checkedAtMs = this.#tools.clock.monotonic()
    if (resolutions.some(resolution => resolution instanceof Promise))
      return Promise.all(resolutions).then(answers => this.#build(targets, answers))
    return this.#build(targets, resolutions as (Resolution | null)[])
  }

  #build(targets: NamedTarget[], resolutions: readonly (Resolution | null)[]): AddressSet {
    const known = new Map<Peer, Address>()
    targets.forEach((target, i) => {
      target.resolution = resolutions[i]!
      for (const { peer, weight, ringHost } of this.#addressesOf(target)) {
        const address = this.#known.get(peer) ?? createAddress(peer)
        address.weight = weight
        address.ringHost = ringHost
        known.set(peer, address)
      }
    })
    const set = new AddressSet([...known.values()], {
      upstreamId: String(this.#upstream['id']),
      threshold: thresholdOf(this.#upstream),
      health: this.#tools.health,
      select: addresses => this.#select(addresses),
    })
    // Targets may have changed while names were asked for; then this set serves the waiting requests only.
    if (targets === this.#targets) {
      this.#set = set
      this.#known = known
    }
    return set
  }

  #select(addresses: readonly Address[]): Selector {
    const { clock, random } = this.#tools
    switch (this.#upstream['algorithm']) {
      case 'consistent-hashing':
        return new ConsistentHashing(addresses, {
          slots: Number(this.#upstream['slots'] ?? 10_000),
          targetCount: this.#targets.length,
        })
      case 'least-connections':
        return new LeastConnections(addresses, random)
      case 'latency':
        return new LowestLatency(addresses, { clock, random })
      default:
        return new RoundRobin(addresses, random)
    }
  }

  #addressesOf({ host, port, weight, resolution }: NamedTarget): PeerOfTarget[] {
    const { peers, log } = this.#tools
    if (weight === 0) return []
    if (resolution === null) return [{ peer: peers.get(host, host, port), weight, ringHost: host }]
    if (!resolution.ok) {
      log.warn(`target '${host}:${port}' does not resolve; it takes no traffic until it does`)
      return []
    }
    return resolution.addresses
      .map(address => ({
        peer: peers.get(host, address.ip, address.port || port),
        weight: address.weight === null ? weight : Math.max(1, address.weight),
        ringHost: ringHostOf(address, resolution.addresses),
      }))
      .sort((a, b) => compare(a.peer.key, b.peer.key))
  }
}

/** Kong's rings know the host of an SRV record, not its address; where one has several, these tell them apart. */
function ringHostOf({ ip, port, name }: ResolvedAddress, all: readonly ResolvedAddress[]): string {
  if (name === undefined) return ip
  return all.some(other => other.name === name && other.port === port && other.ip !== ip) ? ip : name
}

function thresholdOf(upstream: Row): number {
  const healthchecks = upstream['healthchecks'] as { readonly threshold?: number } | null | undefined
  return healthchecks?.threshold ?? 0
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
