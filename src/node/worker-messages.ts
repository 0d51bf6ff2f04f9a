/** What the main process of a node and its workers say to each other, over the channel between parent and child. */
import type { ListenAddress } from '../base/listen-address.ts'
import type { LogLevel } from '../base/logger.ts'
import type { ConfigChange, ConfigDelta, ConfigHead, ConfigRefusal } from '../entities/config.ts'
import type { PeerChange, PeerReport } from '../proxy/health/peer-state.ts'
import type { DnsStats } from '../proxy/upstream/dns-stats.ts'
import type { MetricDump } from '../sdk/metrics.ts'

/** Who this worker is. `settings` is the JSON form of the node's settings. */
export interface WorkerStart {
  readonly settings: object
  readonly slot: number
  readonly workerCount: number
  readonly nodeId: string
  readonly hostname: string
  readonly role: string
}

export type ToWorker =
  | ({ readonly type: 'start' } & WorkerStart)
  /** Comes with a bound socket that the main process keeps too, so that connections outlive a worker's replacement. */
  | { readonly type: 'listen'; readonly address: ListenAddress }
  | { readonly type: 'snapshot-begin'; readonly id: number; readonly head: ConfigHead }
  | { readonly type: 'snapshot-batch'; readonly id: number; readonly changes: readonly ConfigChange[] }
  | { readonly type: 'snapshot-end'; readonly id: number }
  | { readonly type: 'delta'; readonly id: number; readonly delta: ConfigDelta }
  /** Changes of a larger delta, ahead of the message that has the rest of them and says what they are. */
  | { readonly type: 'delta-batch'; readonly id: number; readonly changes: readonly ConfigChange[] }
  | { readonly type: 'commit' | 'discard'; readonly id: number }
  | { readonly type: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly type: 'collect'; readonly id: number }
  | { readonly type: 'dns-stats'; readonly id: number }
  | { readonly type: 'log-level'; readonly level: LogLevel }
  | { readonly type: 'reopen-logs' }
  /** Base64; the same for all workers of the node. */
  /** Base64; the newest first. */
  | { readonly type: 'ticket-keys'; readonly keys: string }
  /** Whoever answers is not hanging. */
  | { readonly type: 'ping' }
  /** Decided for the whole node. */
  | { readonly type: 'peer-states'; readonly changes: readonly PeerChange[]; readonly marks: number }
  /** Stop accepting, finish what is under way, then exit. */
  | { readonly type: 'drain'; readonly timeoutMs: number }

export interface WorkerReport {
  readonly pid: number
  readonly slot: number
  readonly metrics: readonly MetricDump[]
  readonly connections: ConnectionCounts
  readonly memory: { readonly heapUsed: number; readonly rss: number }
}

/** nginx's stub_status numbers. */
export interface ConnectionCounts {
  readonly accepted: number
  readonly active: number
  readonly handled: number
  readonly requests: number
  readonly reading: number
  readonly writing: number
  readonly waiting: number
  /** TCP and UDP sessions, in the numbers above too. */
  readonly streamAccepted: number
  readonly streamActive: number
}

export type FromWorker =
  | { readonly type: 'started' }
  | { readonly type: 'listening'; readonly address: ListenAddress }
  /** The worker cannot run at all (a certificate that does not load, say); it exits after this. */
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'prepared'; readonly id: number; readonly refusal: ConfigRefusal | null }
  | { readonly type: 'committed'; readonly id: number }
  | { readonly type: 'ask'; readonly id: number; readonly message: unknown }
  | { readonly type: 'collected'; readonly id: number; readonly report: WorkerReport }
  | { readonly type: 'dns-stats'; readonly id: number; readonly stats: DnsStats }
  | { readonly type: 'pong' }
  /** It got a signal to end, and waits to be told to. */
  | { readonly type: 'leaving' }
  /** What traffic says of peers that have health checks. */
  | { readonly type: 'peer-reports'; readonly reports: readonly PeerReport[] }
