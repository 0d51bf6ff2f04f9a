/** What the Admin API shows and changes of the cluster: data planes, tokens, admissions. */
import type { DataPlaneRecords } from './data-plane-records.ts'
import type { ClusterNode, Enrollment } from './enrollment.ts'
import type { HealthViews } from './health-views.ts'
import type { JoinToken, JoinTokenRequest, JoinTokens } from './join-tokens.ts'
import type { DataPlaneRecord } from './records.ts'

export interface ClusterPageOptions {
  /** 1..1000. */
  readonly size: number
  /** Id after which the page begins, or null for the first. */
  readonly after: string | null
}

export interface ClusterPage<T> {
  /** In order of id. */
  readonly rows: readonly T[]
  /** Id of the last row when there are more, else null. */
  readonly next: string | null
}

/** What a data plane sees of the targets that are checked; nothing when it is connected elsewhere, or not at all. */
export interface DataPlaneHealthView {
  readonly isConnected: boolean
  readonly isCut: boolean
  readonly upstreams: readonly {
    readonly id: string
    readonly hidden: number
    readonly addresses: readonly {
      readonly host: string
      readonly ip: string
      readonly port: number
      readonly healthy: boolean
    }[]
  }[]
}

export interface ClusterAdmin {
  /** Null when there is no such data plane. */
  dataPlaneHealth(id: string): Promise<DataPlaneHealthView | null>
  dataPlanes(options: ClusterPageOptions): Promise<ClusterPage<DataPlaneRecord & { readonly ttl: number }>>
  createToken(request: JoinTokenRequest): Promise<JoinToken & { readonly token: string }>
  tokens(options: ClusterPageOptions): Promise<ClusterPage<JoinToken>>
  /** False when there was no such token. */
  deleteToken(id: string): Promise<boolean>
  nodes(options: ClusterPageOptions): Promise<ClusterPage<ClusterNode>>
  /** The node as it is now, or null when there is none; a revoked node stays revoked. */
  approve(id: string): Promise<ClusterNode | null>
  /** Cuts the node's live connections before it returns. Null when there is no such node. */
  revoke(id: string): Promise<ClusterNode | null>
}

/** Tokens and admissions exist only where the cluster has its own authority. */
export class NotEnrolling extends Error {
  override readonly name = 'NotEnrolling'
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
