/** What the APIs show of the health of upstreams and targets on this node, and how it is set by hand (admin-api.md 4). */
import { isIP } from 'node:net'
import type { TargetHealth, UpstreamHealth } from '../admin/admin-options.ts'
import type { Row } from '../entities/config.ts'
import { parseTarget } from '../proxy/balancer/target-address.ts'
import { compileHealthRules } from '../proxy/health/health-rules.ts'
import { type PeerIdentity, takesTraffic } from '../proxy/health/peer-state.ts'
import type { MetricDump } from '../sdk/metrics.ts'
import type { ConfigCopy } from './config-copy.ts'
import { readerOf } from './config-copy.ts'
import type { HealthAuthority, TargetFacts } from './health-authority.ts'

export type { TargetFacts }

interface AddressView {
  readonly ip: string
  readonly port: number
  readonly weight: number
  readonly healthy: boolean
}

export interface TargetView {
  readonly host: string
  readonly port: number
  readonly dns?: string
  readonly nodeWeight: number
  readonly weight: { readonly total: number; readonly unavailable: number; readonly available: number }
  readonly addresses: readonly AddressView[]
}

type Health = TargetHealth['health']

export function createUpstreamHealth(authority: HealthAuthority): UpstreamHealth {
  return {
    target: (upstream, target) => targetHealth(authority, upstream, factsOf(target)),

    async balancer(upstream) {
      const id = String(upstream['id'])
      const facts = authority.targetsOf(id).sort(byAddress)
      return balancerHealth(upstream, await Promise.all(facts.map(target => viewOf(authority, upstream, target))))
    },

    async set({ upstream, target, address, healthy }) {
      const id = String(upstream['id'])
      const checked = authority.checked(id)
      if (checked === null) return `no healthchecker found for ${upstream['name']}`
      await authority.refresh(id)
      authority.force(id, String(target['id']), address, healthy)
      return null
    },
  }
}

/** The order of Kong's balancers. */
export function byAddress(a: TargetFacts, b: TargetFacts): number {
  return a.host < b.host ? -1 : a.host > b.host ? 1 : a.port - b.port
}

/** What `?balancer_health=1` shows. */
export function balancerHealth(upstream: Row, hosts: readonly TargetView[]): Readonly<Record<string, unknown>> {
  const sum = (part: 'total' | 'unavailable' | 'available') =>
    hosts.reduce((total, { weight }) => total + weight[part], 0)
  const weight = { total: sum('total'), unavailable: sum('unavailable'), available: sum('available') }
  const healthy = weight.total > 0 && (weight.available / weight.total) * 100 > thresholdOf(upstream)
  const balancer_health = healthy ? 'HEALTHY' : 'UNHEALTHY'
  const health = compileHealthRules(upstream) === null ? 'HEALTHCHECKS_OFF' : balancer_health
  return { health, balancer_health, id: upstream['id'], details: { healthy, weight, hosts } }
}

async function targetHealth(authority: HealthAuthority, upstream: Row, facts: TargetFacts): Promise<TargetHealth> {
  const view = await viewOf(authority, upstream, facts)
  const isChecked = compileHealthRules(upstream) !== null && facts.weight > 0
  const healthOf = ({ healthy }: AddressView): Health =>
    isChecked ? (healthy ? 'HEALTHY' : 'UNHEALTHY') : 'HEALTHCHECKS_OFF'
  const addresses = view.addresses.map(address => {
    const { ip, port, weight } = address
    return { ip, port, weight, health: healthOf(address) }
  })
  const all = addresses.map(({ health }) => health)
  // One address in traffic is enough.
  const health: Health = all.includes('HEALTHY') ? 'HEALTHY' : (all[0] ?? 'DNS_ERROR')
  return { health, data: { ...view, addresses } }
}

async function viewOf(authority: HealthAuthority, upstream: Row, target: TargetFacts): Promise<TargetView> {
  const peers = await authority.peersOf(target)
  const checked = authority.checked(String(upstream['id']))
  const addresses: AddressView[] = []
  for (const peer of peers ?? []) {
    const healthy = checked === null || takesTraffic(checked.stateOf(peer))
    addresses.push({ ip: peer.srvName ?? peer.ip, port: peer.port, weight: peer.weight, healthy })
  }
  const total = addresses.reduce((sum, { weight }) => sum + weight, 0)
  const available = addresses.reduce((sum, { weight, healthy }) => sum + (healthy ? weight : 0), 0)
  return {
    host: target.host,
    port: target.port,
    dns: peers === null ? 'dns server error: 3 name error' : recordType(peers[0]),
    nodeWeight: target.weight,
    weight: { total, unavailable: total - available, available },
    addresses,
  }
}

function recordType(peer: PeerIdentity | undefined): string {
  if (peer?.srvName !== undefined) return 'SRV'
  return isIP(peer?.ip ?? '') === 6 ? 'AAAA' : 'A'
}

function factsOf(target: Row): TargetFacts {
  return { ...parseTarget(String(target['target'])), weight: Number(target['weight']) }
}

function thresholdOf(upstream: Row): number {
  return (upstream['healthchecks'] as { readonly threshold?: number } | null | undefined)?.threshold ?? 0
}

const STATES = ['healthchecks_off', 'healthy', 'unhealthy', 'dns_error']

/** One series per address and state, as Kong's, if some instance of prometheus wants them. */
export async function targetHealthMetrics(authority: HealthAuthority, copy: ConfigCopy): Promise<MetricDump[]> {
  const reader = readerOf(copy)
  if (![...reader.all('plugins')].some(wantsHealthMetrics)) return []
  const series: { labels: readonly string[]; value: number }[] = []
  for (const upstream of reader.all('upstreams'))
    for (const target of authority.targetsOf(String(upstream['id']))) {
      const { health, data } = await targetHealth(authority, upstream, target)
      const addresses = data['addresses'] as readonly {
        readonly ip: string
        readonly port: number
        readonly health: Health
      }[]
      const shown = addresses.length > 0 ? addresses : [{ ip: '', port: 0, health }]
      for (const address of shown) {
        const at = address.ip === '' ? '' : `${address.ip}:${address.port}`
        for (const state of STATES)
          series.push({
            labels: [String(upstream['name']), `${target.host}:${target.port}`, at, state, 'http'],
            value: Number(address.health.toLowerCase() === state),
          })
      }
    }
  const labels = ['upstream', 'target', 'address', 'state', 'subsystem']
  const help = 'Health of the targets of upstreams: 1 at the state that an address is in.'
  return [{ name: 'upstream_target_health', help, type: 'gauge', labels, series }]
}

function wantsHealthMetrics(plugin: Row): boolean {
  const config = plugin['config'] as { readonly upstream_health_metrics?: boolean } | null
  return plugin['name'] === 'prometheus' && plugin['enabled'] !== false && config?.upstream_health_metrics === true
}
