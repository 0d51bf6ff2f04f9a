/** What the Admin API shows and changes of the cluster: data planes, tokens, admissions. */
import { type ClusterAdmin, type ClusterPage, NOT_ENROLLING } from '../entities/cluster-view.ts'
import type { DataPlaneRecords } from './data-plane-records.ts'
import type { Enrollment } from './enrollment.ts'
import type { HealthViews } from './health-views.ts'
import type { JoinTokens } from './join-tokens.ts'

/** Tokens and admissions exist only where the cluster has its own authority. */
export class NotEnrolling extends Error {
  override readonly name = NOT_ENROLLING
  constructor() {
    super('only available when cluster_mtls = "enroll"')
  }
}

export interface ClusterAdminOptions {
  readonly statuses: DataPlaneRecords
  readonly health: HealthViews
  readonly joining: { readonly enrollment: Enrollment; readonly tokens: JoinTokens } | null
  readonly onRevoked: (id: string) => void
}

export function createClusterAdmin({ statuses, health, joining, onRevoked }: ClusterAdminOptions): ClusterAdmin {
  const getJoining = () => {
    if (joining === null) throw new NotEnrolling()
    return joining
  }
  return {
    async dataPlaneHealth(id) {
      if (!(await statuses.has(id))) return null
      const seen = health.of(id)
      if (seen === null) return { isConnected: false, isCut: false, upstreams: [] }
      const upstreams = [...seen.upstreams].map(([upstream, { peers, hidden }]) => {
        const addresses = peers.map(([host, ip, port, healthy]) => ({ host, ip, port, healthy }))
        return { id: upstream, hidden, addresses }
      })
      return { isConnected: true, isCut: seen.isCut, upstreams }
    },
    dataPlanes: options => statuses.page(options),
    createToken: async request => getJoining().tokens.create(request),
    async tokens({ size, after }) {
      if (joining === null) return { rows: [], next: null }
      return paged(await joining.tokens.list({ size: size + 1, after }), size)
    },
    deleteToken: async id => joining !== null && joining.tokens.delete(id),
    async nodes({ size, after }) {
      if (joining === null) return { rows: [], next: null }
      return paged(await joining.enrollment.nodes({ size: size + 1, after }), size)
    },
    approve: async id => getJoining().enrollment.approve(id),
    async revoke(id) {
      const node = await getJoining().enrollment.revoke(id)
      if (node !== null) onRevoked(id)
      return node
    },
  }
}

function paged<T extends { readonly id: string }>(rows: readonly T[], size: number): ClusterPage<T> {
  const shown = rows.slice(0, size)
  return { rows: shown, next: rows.length > size ? shown.at(-1)!.id : null }
}
