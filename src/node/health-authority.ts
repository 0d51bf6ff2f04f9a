/**
 * Decides for the whole node which targets are healthy: hears what the workers see of traffic, probes by itself, and
 * tells all workers. Follows the configuration change by change.
 */
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { ConfigChange, Row } from '../entities/config.ts'
import { isAddress, parseTarget } from '../proxy/balancer/target-address.ts'
import { ActiveChecks } from '../proxy/health/active-checks.ts'
import { CheckedUpstream, type HealthListener } from '../proxy/health/checked-upstream.ts'
import { type ActiveRules, compileHealthRules } from '../proxy/health/health-rules.ts'
import {
  parsePeerName,
  type PeerChange,
  type PeerEvent,
  type PeerIdentity,
  peerName,
  type PeerReport,
} from '../proxy/health/peer-state.ts'
import { probeSocket } from '../proxy/health/probe.ts'
import type { Resolver } from '../proxy/upstream/resolver.ts'
import { RetiredHealth } from './retired-health.ts'
import type { ConfigCopy } from './config-copy.ts'
import { readerOf } from './config-copy.ts'

export interface HealthAuthorityOptions {
  readonly copy: ConfigCopy
  readonly resolver: Resolver
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** To every worker. */
  readonly broadcast: (changes: readonly PeerChange[], marks: number) => void
  readonly tls: {
    readonly clientCertificate: { readonly cert: string; readonly key: string } | null
    readonly trustedCertificates: string | null
  }
}

/** What of a target is needed here; kept for all upstreams, since any of them may get checks. */
export interface TargetFacts {
  readonly host: string
  readonly port: number
  readonly weight: number
}

/** Hears of every upstream whose peers are others than before, or in another state, or not checked any more. */
export type HealthFollower = (upstreamId: string) => void

interface Checked {
  readonly row: Row
  readonly upstream: CheckedUpstream
  readonly active: ActiveChecks | null
  secureContext: SecureContext | null
}

const FOLLOWED = new Set(['upstreams', 'targets'])

export class HealthAuthority implements HealthListener {
  readonly #options: HealthAuthorityOptions
  readonly #checked = new Map<string, Checked>()
  readonly #targets = new Map<string, Map<string, TargetFacts>>()
  readonly #upstreamOfTarget = new Map<string, string>()
  readonly #followers = new Set<HealthFollower>()
  readonly #retired: RetiredHealth
  #marks = 0

  constructor(options: HealthAuthorityOptions) {
    this.#options = options
    this.#retired = new RetiredHealth(options.clock)
  }

  /** Another configuration altogether. What it has in common with the one before keeps its health. */
  reset(): void {
    const upstreams = new Map<string, Row>()
    this.#targets.clear()
    this.#upstreamOfTarget.clear()
    for (const batch of this.#options.copy.load(FOLLOWED))
      for (const { entity, key, row } of batch) {
        if (row === null) continue
        if (entity === 'upstreams') upstreams.set(key, row)
        else this.#putTarget(key, row)
      }
    for (const id of [...this.#checked.keys()]) if (!upstreams.has(id)) this.#putUpstream(id, null)
    for (const [id, row] of upstreams) this.#putUpstream(id, row)
  }

  /** Changes that all workers have taken over. */
  apply(changes: readonly ConfigChange[]): void {
    const stale = new Set<string>()
    for (const { entity, key, row } of changes) {
      if (entity === 'upstreams') this.#putUpstream(key, row)
      else if (entity === 'targets') {
        const before = this.#upstreamOfTarget.get(key)
        this.#putTarget(key, row)
        for (const id of [before, this.#upstreamOfTarget.get(key)]) if (id !== undefined) stale.add(id)
      } else if (entity === 'certificates') for (const checked of this.#checked.values()) checked.secureContext = null
    }
    for (const id of stale) {
      const checked = this.#checked.get(id)
      if (checked !== undefined) void this.#followNames(checked.upstream)
    }
  }

  #putTarget(key: string, row: Row | null): void {
    const before = this.#upstreamOfTarget.get(key)
    if (before !== undefined) this.#targets.get(before)?.delete(key)
    if (row === null) {
      this.#upstreamOfTarget.delete(key)
      return
    }
    const upstream = (row['upstream'] as { readonly id: string }).id
    const facts = { ...parseTarget(String(row['target'])), weight: Number(row['weight'] ?? 100) }
    this.#upstreamOfTarget.set(key, upstream)
    const ofUpstream = this.#targets.get(upstream)
    if (ofUpstream === undefined) this.#targets.set(upstream, new Map([[key, facts]]))
    else ofUpstream.set(key, facts)
  }

  #putUpstream(id: string, row: Row | null): void {
    const before = this.#checked.get(id)
    before?.active?.stop()
    const rules = row === null ? null : compileHealthRules(row)
    if (row === null) this.#targets.delete(id)
    if (row === null || rules === null) {
      this.#checked.delete(id)
      if (row === null && before !== undefined) this.#retired.keep(before)
      before?.upstream.setPeers([])
      if (before !== undefined) this.onPeers(id)
      return
    }
    const upstream = before?.upstream ?? new CheckedUpstream(id, rules, this)
    if (before === undefined) upstream.recall(this.#retired.take(String(row['name'])))
    upstream.rules = rules
    const active = rules.active === null ? null : this.#probeRegularly(upstream, rules.active)
    this.#checked.set(id, { row, upstream, active, secureContext: null })
    void this.#followNames(upstream)
  }

  #probeRegularly(upstream: CheckedUpstream, rules: ActiveRules): ActiveChecks {
    const { clock, random, log } = this.#options
    return new ActiveChecks({
      rules,
      clock,
      random,
      peers: async areUp => {
        await this.#followNames(upstream)
        return upstream.peers(areUp)
      },
      probe: async peer => {
        const began = this.#marks
        const event = await this.#probe(upstream.id, peer, rules)
        return upstream.counts(peerName(peer), began) ? event : null
      },
      onFault: ({ hostname, port }, error) => {
        log.error(`no health check of '${hostname}:${port}': ${error.message}`)
        return null
      },
      onEvent: (peer, event) => upstream.count(peerName(peer), event, 'active'),
    })
  }

  async #probe(upstreamId: string, peer: PeerIdentity, rules: ActiveRules): Promise<PeerEvent | null> {
    const { row } = this.#checked.get(upstreamId)!
    const hostHeader = (row['host_header'] ?? null) as string | null
    const secureContext = this.#secureContext(upstreamId, rules)
    const options = { rules, hostHeader, secureContext, clock: this.#options.clock }
    if (rules.type !== 'grpc' && rules.type !== 'grpcs') return probeSocket(peer, options)
    // Loaded when it is needed: HTTP/2 takes megabytes of every node.
    const { probeGrpc } = await import('../proxy/health/grpc-probe.ts')
    return probeGrpc(peer, options)
  }

  /** Made for the first probe, and again after a certificate changed. */
  #secureContext(id: string, rules: ActiveRules): SecureContext | null {
    const checked = this.#checked.get(id)!
    if (rules.type !== 'https' && rules.type !== 'grpcs') return null
    if (checked.secureContext !== null) return checked.secureContext
    const { tls, copy } = this.#options
    const certificateId = (checked.row['client_certificate'] as { readonly id: string } | null)?.id
    const own = certificateId === undefined ? null : readerOf(copy).find('certificates', certificateId)
    const pair = own === null ? tls.clientCertificate : { cert: String(own['cert']), key: String(own['key']) }
    checked.secureContext = createSecureContext({
      ...(pair ?? {}),
      ...(tls.trustedCertificates === null ? {} : { ca: tls.trustedCertificates }),
    })
    return checked.secureContext
  }

  /** At once where all targets are addresses; the resolver knows most names, so that the rest is seldom late. */
  async #followNames(upstream: CheckedUpstream): Promise<void> {
    const targets = this.#targets.get(upstream.id)
    const found: PeerIdentity[] = []
    const named: TargetFacts[] = []
    for (const target of targets?.values() ?? []) {
      if (target.weight === 0) continue
      if (isAddress(target.host)) found.push({ hostname: target.host, ip: target.host, port: target.port })
      else named.push(target)
    }
    if (named.length > 0) {
      for (const peer of found) upstream.add(peer)
      const peers = await Promise.all(named.map(target => this.peersOf(target)))
      if (this.#targets.get(upstream.id) !== targets || this.#checked.get(upstream.id)?.upstream !== upstream) return
      found.push(...peers.flatMap(list => list ?? []))
    }
    upstream.setPeers(found)
  }

  /** Addresses of a target; null when its name does not resolve. */
  async peersOf({ host, port, weight }: TargetFacts): Promise<(PeerIdentity & { readonly weight: number })[] | null> {
    if (isAddress(host)) return [{ hostname: host, ip: host, port, weight }]
    const resolution = await this.#options.resolver.resolve(host)
    if (!resolution.ok) return null
    return resolution.addresses.map(address => ({
      hostname: host,
      ip: address.ip,
      port: address.port || port,
      ...(address.name === undefined ? {} : { srvName: address.name }),
      weight: weight === 0 || address.weight === null ? weight : Math.max(1, address.weight),
    }))
  }

  onChanges(changes: readonly PeerChange[]): void {
    this.#options.broadcast(changes, this.#marks)
  }

  onTurn(upstreamId: string, { hostname, ip, port }: PeerIdentity, isUp: boolean): void {
    const upstream = this.#checked.get(upstreamId)?.row['name']
    const { log } = this.#options
    const target = { upstream, target: hostname, ip, port }
    if (isUp) log.notice('a target is healthy again', target)
    else log.warn('a target is unhealthy and takes no traffic', target)
    this.onPeers(upstreamId)
  }

  onPeers(upstreamId: string): void {
    for (const follower of this.#followers) follower(upstreamId)
  }

  follow(follower: HealthFollower): void {
    this.#followers.add(follower)
  }

  /** Of all upstreams that have checks. */
  checkedIds(): string[] {
    return [...this.#checked.keys()]
  }

  /** Sets by hand what a target, or one address of it, is. False when there is nothing like that here, at present. */
  force(upstreamId: string, targetId: string, address: string | null, isUp: boolean): boolean {
    const upstream = this.checked(upstreamId)
    const target = this.#targets.get(upstreamId)?.get(targetId)
    if (upstream === null || target === undefined) return false
    const wanted = address === null ? null : parseTarget(address)
    const { host, port } = wanted ?? { host: null, port: target.port }
    // A name in the place of the address stands for all that the target has, as in Kong.
    const ip = host !== null && isAddress(host) ? host : null
    const found = upstream.force({ hostname: target.host, address: ip, port }, isUp, ++this.#marks)
    // Also when it changed nothing: requests from now on are younger than the mark.
    this.onChanges([])
    return found > 0
  }

  /** Marks by hand so far. */
  get marks(): number {
    return this.#marks
  }

  /** From a worker. A name may have given it an address that is not known here yet. */
  receive(reports: readonly PeerReport[]): void {
    for (const { upstream: id, peer, event, marks, count } of reports) {
      const upstream = this.#checked.get(id)?.upstream
      if (upstream === undefined) continue
      if (!upstream.has(peer)) {
        const identity = parsePeerName(peer)
        if (!this.targetsOf(id).some(({ host, weight }) => host === identity.hostname && weight > 0)) continue
        upstream.add(identity)
      }
      if (!upstream.counts(peer, marks)) upstream.repeat(peer)
      else for (let i = 0; i < count; i++) upstream.count(peer, event, 'passive')
    }
  }

  /** For a new worker. */
  states(): PeerChange[] {
    return [...this.#checked.values()].flatMap(({ upstream }) => upstream.states())
  }

  /** Null when the upstream has no checks. */
  checked(upstreamId: string): CheckedUpstream | null {
    return this.#checked.get(upstreamId)?.upstream ?? null
  }

  targetsOf(upstreamId: string): TargetFacts[] {
    return [...(this.#targets.get(upstreamId)?.values() ?? [])]
  }

  /** Brings the peers of an upstream up to date with its names. */
  async refresh(upstreamId: string): Promise<void> {
    const checked = this.#checked.get(upstreamId)
    if (checked !== undefined) await this.#followNames(checked.upstream)
  }

  close(): void {
    for (const { active } of this.#checked.values()) active?.stop()
  }
}
