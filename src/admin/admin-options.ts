/** Everything the Admin API needs from the rest of the node; `gateway.ts` puts it together. Nothing here is global. */
import type { Clock } from '../base/clock.ts'
import type { TimerReport } from '../base/counted-clock.ts'
import type { TlsIdentity } from '../base/http-listener.ts'
import type { ListenAddress } from '../base/listen-address.ts'
import type { Logger, LogLevel } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import type { Repository } from '../store/repository.ts'
import type { EntityStore } from '../store/store.ts'
import type { Access } from './access.ts'
import type { AdminTokens } from './admin-tokens.ts'
import type { AuditLog } from './audit-log.ts'
import type { ClusterAdmin } from '../entities/cluster-view.ts'

export interface NodeFacts {
  readonly id: string
  readonly hostname: string
  /** Of the running Node and V8, shown where Kong shows LuaJIT's. */
  readonly runtimeVersion: string
}

export interface ConnectionStats {
  readonly connections_accepted: number
  readonly connections_active: number
  readonly connections_handled: number
  readonly connections_reading: number
  readonly connections_waiting: number
  readonly connections_writing: number
  readonly total_requests: number
}

export interface MemoryStats {
  /** One per worker process. */
  readonly workers: readonly { readonly pid: number; readonly heapBytes: number }[]
  /** What the node shares between its workers (counters, configuration), by name. */
  readonly shared: Readonly<Record<string, { readonly usedBytes: number; readonly capacityBytes: number }>>
}

export interface DnsClientStats {
  readonly workerCount: number
  readonly stats: Readonly<Record<string, Readonly<Record<string, number>>>>
}

export interface NodeStats {
  /** Asked of the workers, so it takes a moment. */
  connections(): ConnectionStats | Promise<ConnectionStats>
  memory(): MemoryStats | Promise<MemoryStats>
  pids(): { readonly master: number; readonly workers: readonly number[] }
  timers(): { readonly running: number; readonly pending: number }
  /** Of the process that answers. */
  timerReport(): TimerReport
  /** All processes of the node together, by `name|type`; null with the legacy DNS client, which does not count. */
  dns(): Promise<DnsClientStats | null>
}

export interface LogLevelControl {
  level(): LogLevel
  /** In this node's processes, or in those of every control plane; back to the old level after `timeoutMs`. */
  change(request: { level: LogLevel; timeoutMs: number; scope: 'node' | 'cluster' }): Promise<void>
}

/** Health as the balancers of this node see it. Its members are Kong's. */
export interface TargetHealth {
  readonly health: 'HEALTHY' | 'UNHEALTHY' | 'HEALTHCHECKS_OFF' | 'DNS_ERROR'
  readonly data: Readonly<Record<string, unknown>>
}

export interface UpstreamHealth {
  target(upstream: Row, target: Row): Promise<TargetHealth>
  /** `{ health, balancer_health, id, details }`. */
  balancer(upstream: Row): Promise<Readonly<Record<string, unknown>>>
  /** Null when done, else why not. `address` is `ip:port` of one of the target's addresses, or null for all of them. */
  set(change: { upstream: Row; target: Row; address: string | null; healthy: boolean }): Promise<string | null>
}

/** A configuration read from a file or a request, to replace the one that a node without a database runs with. */
export interface DeclarativeRows {
  readonly rows: readonly { readonly entity: string; readonly row: Row }[]
  /** MD5 of the text it came from, 32 hex characters. */
  readonly hash: string
}

/** It does not fit where it would be saved. */
export class ConfigurationTooLarge extends Error {
  override readonly name = 'ConfigurationTooLarge'
}

export interface DatabaseLess {
  currentHash(): string
  /** All or nothing: when it rejects, with ConfigurationTooLarge for one, the old configuration still serves. */
  replace(config: DeclarativeRows): Promise<void>
}

export interface AdminOptions {
  readonly accessLog: ((line: string) => void) | null
  readonly listen: readonly ListenAddress[]
  readonly tls: readonly TlsIdentity[] | null
  /** PEM of the authorities of client certificates; empty when none are asked for. */
  readonly clientAuthorities: readonly string[]
  /** PEM; see HttpListenerOptions. */
  readonly clientRevocationLists: readonly string[]
  /** See HttpListenerOptions. */
  readonly trustsPeer: (address: string) => boolean
  readonly access: Access
  readonly tokens: AdminTokens
  /** Null when changes are not written down. */
  readonly audit: AuditLog | null
  /** Of one request body. */
  readonly bodyBytesMax: number
  readonly repository: Repository
  readonly store: EntityStore
  readonly catalog: EntityCatalog
  readonly node: NodeFacts
  readonly stats: NodeStats
  /** All settings for `GET /`, secrets already masked. */
  readonly settings: () => Readonly<Record<string, unknown>>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly logLevel: LogLevelControl
  /** `admin_gui_url`: pages of these may read; when empty, any page may (the listener is the boundary, as in Kong). */
  readonly managerUrls: readonly string[]
  /** Of the setting `headers`. */
  readonly sendServerHeader: boolean
  readonly sendLatencyHeader: boolean
  /** Null unless the node runs without a database. */
  readonly databaseLess: DatabaseLess | null
  /** Null unless the node is a control plane. */
  readonly cluster: ClusterAdmin | null
  /** On a control plane: what its data planes say. */
  readonly upstreamHealth: UpstreamHealth | null
  /** The text of `GET /metrics`, or null when the prometheus plugin is not enabled. */
  readonly metrics: (() => Promise<string>) | null
}
