/**
 * Health of targets on a control plane, which balances nothing itself: what its data planes report, put together, and
 * marks by hand, passed on to them.
 *
 * A target is as well as the data plane that sees it worst; `data.data_planes` says who sees what.
 */
import type { TargetHealth, UpstreamHealth } from '../admin/admin-options.ts'
import { unbalancedTarget, unbalancedUpstream } from '../admin/routes/target-health.ts'
import type { ReportedPeer } from '../cluster/health-messages.ts'
import type { HealthViews, UpstreamView } from '../cluster/health-views.ts'
import type { Row } from '../entities/config.ts'
import { parseTarget } from '../proxy/balancer/target-address.ts'
import { compileHealthRules } from '../proxy/health/health-rules.ts'
import type { ClusterMarks } from './cluster-marks.ts'
import { balancerHealth, byAddress, type TargetFacts, type TargetView } from './target-health.ts'

type Health = TargetHealth['health']

interface SeenTarget {
  readonly nodeId: string
  readonly health: Health
  readonly peers: readonly ReportedPeer[]
}

interface Options {
  readonly views: HealthViews
  readonly marks: ClusterMarks
  /** All targets of an upstream. */
  readonly targetsOf: (upstream: Row) => Promise<readonly Row[]>
}

/** An address is a path segment that goes to all data planes; no real one is longer. */
const ADDRESS_LENGTH_MAX = 253

export function createClusterHealth({ views, marks, targetsOf }: Options): UpstreamHealth {
  return {
    async target(upstream, target) {
      const facts = factsOf(target)
      const seen = seenBy(views, upstream, facts)
      if (seen.length === 0) return unbalancedTarget(target)
      const view = viewOf(facts, seen)
      const addresses = view.addresses.map(({ ip, port, weight, healthy }) => {
        return { ip, port, weight, health: healthy ? 'HEALTHY' : 'UNHEALTHY' }
      })
      const data_planes = seen.map(({ nodeId, health, peers }) => {
        return { id: nodeId, health, addresses: peers.map(peer => addressOf(peer)) }
      })
      return { health: worst(seen.map(({ health }) => health)), data: { ...view, addresses, data_planes } }
    },

    async balancer(upstream) {
      const targets = (await targetsOf(upstream)).map(factsOf).sort(byAddress)
      const hosts: TargetView[] = []
      for (const facts of targets) {
        const seen = seenBy(views, upstream, facts)
        if (seen.length > 0) hosts.push(viewOf(facts, seen))
      }
      return hosts.length === 0 ? unbalancedUpstream(upstream) : balancerHealth(upstream, hosts)
    },

    async set({ upstream, target, address, healthy }) {
      if (compileHealthRules(upstream) === null) return `no healthchecker found for ${upstream['name']}`
      if (address !== null && address.length > ADDRESS_LENGTH_MAX) return 'invalid address: longer than 253 characters'
      return marks.put({ upstream: String(upstream['id']), target: String(target['id']), address, healthy })
    },
  }
}

function seenBy(views: HealthViews, upstream: Row, facts: TargetFacts): SeenTarget[] {
  if (facts.weight === 0) return []
  return views.upstream(String(upstream['id'])).map(({ nodeId, view }) => seenTarget(nodeId, view, facts))
}

function seenTarget(nodeId: string, { peers, hidden }: UpstreamView, { host, port }: TargetFacts): SeenTarget {
  // An address may have a port of its own, from an SRV record.
  const own = peers.filter(peer => peer[0] === host)
  const exact = own.filter(peer => peer[2] === port)
  const found = exact.length > 0 ? exact : own
  // What did not fit is healthy: the others go first.
  if (found.length === 0) return { nodeId, health: hidden > 0 ? 'HEALTHY' : 'DNS_ERROR', peers: [] }
  return { nodeId, health: found.some(peer => peer[3]) ? 'HEALTHY' : 'UNHEALTHY', peers: found }
}

const FROM_WORST: readonly Health[] = ['UNHEALTHY', 'DNS_ERROR', 'HEALTHY']

function worst(all: readonly Health[]): Health {
  return FROM_WORST.find(health => all.includes(health)) ?? 'HEALTHCHECKS_OFF'
}

/** An address takes traffic if it does so at every data plane that has it. */
function viewOf({ host, port, weight }: TargetFacts, seen: readonly SeenTarget[]): TargetView {
  const addresses = new Map<string, { ip: string; port: number; weight: number; healthy: boolean }>()
  for (const { peers } of seen)
    for (const peer of peers) {
      const [, ip, peerPort, healthy] = peer
      const key = `${ip}|${peerPort}`
      const before = addresses.get(key)?.healthy ?? true
      addresses.set(key, { ip, port: peerPort, weight, healthy: healthy && before })
    }
  const all = [...addresses.values()]
  const total = weight * all.length
  const available = weight * all.filter(({ healthy }) => healthy).length
  return {
    host,
    port,
    nodeWeight: weight,
    weight: { total, available, unavailable: total - available },
    addresses: all,
  }
}

function addressOf([, ip, port, healthy]: ReportedPeer) {
  return { ip, port, health: healthy ? 'HEALTHY' : 'UNHEALTHY' }
}

function factsOf(target: Row): TargetFacts {
  return { ...parseTarget(String(target['target'])), weight: Number(target['weight']) }
}
