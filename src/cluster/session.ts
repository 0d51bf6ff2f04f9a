/** What a control plane knows of one connected data plane. */
import { type ConfigHead, EMPTY_HEAD } from '../entities/config.ts'
import type { DataPlaneRecord } from './records.ts'
import { HEARTBEAT_INTERVAL_MS } from './timing.ts'

export type SessionId = number

/** Who is at the other end, as TLS showed it. */
export interface Peer {
  readonly ip: string
  /** The only node id this certificate may speak for, or null when certificates do not name nodes. */
  readonly nodeId: string | null
  /** Milliseconds since the epoch. */
  readonly certificateExpiresAt: number | null
  /** True when the certificate is short-lived and ours to renew; then its end also ends the connection. */
  readonly renewable: boolean
}

export interface Update {
  readonly kind: 'delta' | 'snapshot'
  readonly startedAt: number
  /** Snapshot only: which spool. */
  readonly spool: number
  head: ConfigHead | null
  nextChunk: number
  isEnded: boolean
}

export interface Session {
  readonly id: SessionId
  peer: Peer
  readonly openedAt: number
  record: DataPlaneRecord | null
  applied: ConfigHead
  update: Update | null
  /** Version of which a delta is being built for this session. */
  waitingFrom: number | null
  needsSnapshot: boolean
  snapshotNotBefore: number
  refusedVersion: number | null
  /** Whether the store was asked if it knows the newer version that this data plane has. */
  headAnswer: 'none' | 'asked' | 'answered'
  heardAt: number
  heartbeatAt: number
  heartbeatCredit: number
  unflushed: number
  flushedAt: number
}

/** Heartbeats that may come early, in a bunch, before it counts as a flood. */
export const HEARTBEAT_CREDIT_MAX = 8

export function openSession(id: SessionId, peer: Peer, now: number): Session {
  return {
    id,
    peer,
    openedAt: now,
    record: null,
    applied: EMPTY_HEAD,
    update: null,
    waitingFrom: null,
    needsSnapshot: false,
    snapshotNotBefore: 0,
    refusedVersion: null,
    headAnswer: 'none',
    heardAt: now,
    heartbeatAt: now + HEARTBEAT_INTERVAL_MS,
    heartbeatCredit: HEARTBEAT_CREDIT_MAX,
    unflushed: 0,
    flushedAt: now,
  }
}
