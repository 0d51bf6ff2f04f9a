/** An upstream with targets and a balancer over it, where names, health and time are the test's. */
import { silentLogger } from '../../src/base/logger.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { Row } from '../../src/entities/config.ts'
import type { Balancer, HashInput, Peer, Pick, PickFailure } from '../../src/proxy/balancer/balancer.ts'
import { PeerRegistry } from '../../src/proxy/balancer/peers.ts'
import { UpstreamBalancer } from '../../src/proxy/balancer/service-balancers.ts'
import { type BalancerTools, UpstreamTargets } from '../../src/proxy/balancer/upstream-targets.ts'
import type { PeerEvent } from '../../src/proxy/health/peer-state.ts'
import type { Resolution, Resolver } from '../../src/proxy/upstream/resolver.ts'
import { manualClock } from './config-rows.ts'

/** Peers that are down, by key. */
class DownPeers extends Set<string> {
  version = 0
  /** By hand, so far. */
  marks = 0
  override add(key: string): this {
    this.version++
    return super.add(key)
  }
  override clear(): void {
    this.version++
    super.clear()
  }
  mark(): void {
    this.version++
    this.marks++
  }
}

export function anUpstreamOfTargets(seed = 3) {
  const clock = manualClock()
  const names = new Map<string, Resolution | Promise<Resolution>>()
  const down = new DownPeers()
  const questions: string[] = []
  const reports: string[] = []
  const resolver: Resolver = {
    resolve(name) {
      questions.push(name)
      return names.get(name) ?? { ok: false, failure: 'name_resolution_failed' }
    },
  }
  const tools: BalancerTools = {
    resolver,
    peers: new PeerRegistry(),
    clock,
    random: seededRandom(seed),
    log: silentLogger,
    health: {
      get version() {
        return down.version
      },
      get marks() {
        return down.marks
      },
      stateOf: (_upstream, peer) => (down.has(peer.key) ? 'unhealthy' : 'healthy'),
      report: (upstream, peer, event: PeerEvent, _rules, marks) =>
        void reports.push(`${upstream} ${peer.key} ${event}${marks === 0 ? '' : ` after ${marks}`}`),
    },
  }
  const targets = new UpstreamTargets(tools)
  const balancer = new UpstreamBalancer(targets, { hostHeader: null, isTls: false })
  const use = (rows: Readonly<Record<string, number>>, upstream: Row = {}) =>
    targets.update(
      { id: 'u', ...upstream },
      Object.entries(rows).map(([target, weight]) => ({ target, weight })),
    )
  return { clock, names, down, questions, reports, tools, targets, balancer, use }
}

export const resolved = (...ips: string[]): Resolution => ({
  ok: true,
  addresses: ips.map(ip => ({ ip, port: null, weight: null })),
})

export function pick(balancer: Balancer, failed: readonly Peer[] = [], input: HashInput | null = null) {
  const answer = balancer.pick({ failed }, input as HashInput)
  if (answer instanceof Promise) throw new Error('pick is not synchronous')
  return answer
}

export function peerOf(answer: Pick | PickFailure): Peer {
  if ('failure' in answer) throw new Error(answer.failure)
  return answer.peer
}

/** Picks, answered at once, by address. */
export function spread(balancer: Balancer, picks: number): Record<string, number> {
  const counts: Record<string, number> = {}
  for (let i = 0; i < picks; i++) {
    const answer = pick(balancer)
    const { key } = peerOf(answer)
    counts[key] = (counts[key] ?? 0) + 1
    balancer.release(answer as Pick, { kind: 'answered', status: 200, latencyMs: 5 })
  }
  return counts
}

/** A request of which only some things are asked; asking for others fails. */
export function hashInput(
  known: {
    readonly [Member in keyof HashInput]?: HashInput[Member] extends string | null
      ? HashInput[Member]
      : Readonly<Record<string, string>>
  },
): HashInput & { readonly issued: string[] } {
  const issued: string[] = []
  const look = (member: 'header' | 'query' | 'cookie' | 'capture') => (name: string) => {
    const values = known[member]
    if (values === undefined) throw new Error(`${member} was asked for`)
    return values[name]
  }
  return {
    consumerId: known.consumerId ?? null,
    credentialId: known.credentialId ?? null,
    clientIp: known.clientIp ?? '',
    path: known.path ?? '',
    header: look('header'),
    query: look('query'),
    cookie: look('cookie'),
    capture: look('capture'),
    issued,
    issueCookie(name, path) {
      issued.push(`${name} ${path}`)
      return 'made-up'
    },
  }
}
