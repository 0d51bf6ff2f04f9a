/**
 * Health of targets as this node sees it. There are no health checks yet, so every target that resolves is
 * `HEALTHCHECKS_OFF`, which is what Kong answers for an upstream without checks.
 */
import { isIP } from 'node:net'
import type { TargetHealth, UpstreamHealth } from '../admin/admin-options.ts'
import type { Row } from '../entities/config.ts'

export const upstreamHealth: UpstreamHealth = {
  async target(_upstream, target) {
    return { health: 'HEALTHCHECKS_OFF', data: addressData(target) } satisfies TargetHealth
  },
  async balancer(upstream) {
    return { health: 'HEALTHCHECKS_OFF', balancer_health: 'HEALTHY', id: upstream['id'], details: { healthy: true } }
  },
  async set() {
    return 'health checks are not there yet; set the weight of the target to 0 to take it out'
  },
}

function addressData(target: Row): Record<string, unknown> {
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(String(target['target'])) ?? []
  const weight = Number(target['weight'])
  const address = { ip: host, port: Number(port), health: 'HEALTHCHECKS_OFF', weight }
  return {
    host,
    port: Number(port),
    dns: isIP(host) === 6 ? 'AAAA' : 'A',
    nodeWeight: weight,
    weight: { total: weight, available: weight, unavailable: 0 },
    addresses: isIP(host) === 0 ? [] : [address],
  }
}
