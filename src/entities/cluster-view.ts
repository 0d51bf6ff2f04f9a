/** A cluster as its control plane sees it, and the Admin API shows and changes it: `src/cluster` keeps it, `src/admin` asks. */
import type { ConfigRefusal } from './config.ts'

/** One data plane, as the control plane last heard of it. Kept in the store, so it survives a restart of the control plane. */
export interface DataPlaneRecord {
  readonly id: string
  readonly hostname: string
  readonly ip: string
  readonly version: string
  /** 32 hex characters: what the data plane serves now. */
  readonly config_hash: string
  /** Kong's words: `unknown`, `normal`, `kong_version_incompatible`, `plugin_set_incompatible`, ... */
  readonly sync_status: string
  /** Seconds since the epoch. */
  readonly last_seen: number
  readonly labels: Readonly<Record<string, string>> | null
  readonly cert_details: { readonly expiry_timestamp: number } | null
  /** Version of the configuration it acknowledged last, or null before the first. */
  readonly applied_version: number | null
  /** Why it refused the last version it was offered, or null. */
  readonly last_error: ConfigRefusal | null
}

export interface DataPlaneStatus extends DataPlaneRecord {
  /** Seconds until the row is forgotten unless the node is heard of again. */
  readonly ttl: number
}

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

/** A join token without its secret, which is stored hashed and shown once only. */
export interface JoinToken {
  readonly id: string
  readonly name: string | null
  /** Seconds since the epoch. */
  readonly created_at: number
  readonly expires_at: number
  /** Null: any number of times until it expires. */
  readonly uses_left: number | null
}

export interface CreatedJoinToken extends JoinToken {
  /** The whole token, as `cluster_token` of a data plane takes it; carries the CA's fingerprint. */
  readonly token: string
}

/** A node that asked to join, or did. */
export interface ClusterNode {
  readonly id: string
  readonly hostname: string
  readonly ip: string
  readonly status: 'pending' | 'approved' | 'revoked'
  /** SHA-256 of the node's public key, hex: what an administrator compares before approving. */
  readonly key_fingerprint: string
  /** Seconds since the epoch. */
  readonly requested_at: number
  readonly expires_at: number | null
}

export interface JoinTokenRequest {
  readonly name: string | null
  /** Seconds from now. */
  readonly ttl: number
  readonly uses: number | null
}

/**
 * Where certificates come from elsewhere (`cluster_mtls` = shared, pki) there is nothing to join by: lists are empty,
 * and `createToken`, `approve` and `revoke` reject with an error of this name whose message is for the client.
 */
export const NOT_ENROLLING = 'NotEnrolling'

/** What a data plane sees of the targets that are checked. */
export interface DataPlaneHealth {
  /** To the control plane that was asked: only then does that one know anything. */
  readonly isConnected: boolean
  /** It reports more than is kept, so that something may be missing. */
  readonly isCut: boolean
  readonly upstreams: readonly {
    readonly id: string
    /** Healthy addresses that are not listed. */
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
  dataPlaneHealth(id: string): Promise<DataPlaneHealth | null>
  dataPlanes(options: ClusterPageOptions): Promise<ClusterPage<DataPlaneStatus>>
  createToken(request: JoinTokenRequest): Promise<CreatedJoinToken>
  tokens(options: ClusterPageOptions): Promise<ClusterPage<JoinToken>>
  /** False when there was no such token. */
  deleteToken(id: string): Promise<boolean>
  nodes(options: ClusterPageOptions): Promise<ClusterPage<ClusterNode>>
  /** The node as it is now, or null when there is none; a revoked node stays revoked. */
  approve(id: string): Promise<ClusterNode | null>
  /** Cuts the node's live connections before it returns. Null when there is no such node. */
  revoke(id: string): Promise<ClusterNode | null>
}
