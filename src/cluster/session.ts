/** What a control plane knows of one connected data plane. */
import { type ConfigHead, EMPTY_HEAD } from '../entities/config.ts'
import type { Hello } from './messages.ts'
import type { DataPlaneRecord } from '../entities/cluster-view.ts'
import { HEARTBEAT_INTERVAL_MS, HELLO_TIMEOUT_MS, PEER_TIMEOUT_MS, UPDATE_TIMEOUT_MS } from './timing.ts'

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
  /** Times in a row that it could not keep what it was sent, and when it is tried again. */
  saveFailures: number
  retryNotBefore: number
  /** Whether the store was asked if it knows the newer version that this data plane has. */
  headAnswer: 'none' | 'asked' | 'answered'
  heardAt: number
  heartbeatAt: number
  heartbeatCredit: number
  unflushed: number
  flushedAt: number
  /** It takes marks, and reports health; the number is that of the last mark it was told. */
  followsHealth: boolean
  markNumber: number
  reportCredit: number
  reportedAt: number
}

/** Heartbeats that may come early, in a bunch, before it counts as a flood. */
export const HEARTBEAT_CREDIT_MAX = 8
/** A data plane reports health once a second; each second two more are allowed, as clocks differ. */
const REPORT_CREDIT_MAX = 8
const REPORT_CREDIT_PER_SECOND = 2
/** Beyond this many unsent frames the peer does not read; only small messages ever get here. */
const UNFLUSHED_FRAMES_MAX = 32

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
    saveFailures: 0,
    retryNotBefore: 0,
    headAnswer: 'none',
    heardAt: now,
    heartbeatAt: now + HEARTBEAT_INTERVAL_MS,
    heartbeatCredit: HEARTBEAT_CREDIT_MAX,
    unflushed: 0,
    flushedAt: now,
    followsHealth: false,
    markNumber: 0,
    reportCredit: REPORT_CREDIT_MAX,
    reportedAt: now,
  }
}

/** Why a session must not go on, or null. Asked at every tick. */
export function reasonToClose(session: Session, now: number): string | null {
  const { record, openedAt, heardAt, unflushed, flushedAt, update, peer } = session
  if (record === null && now - openedAt >= HELLO_TIMEOUT_MS) return 'no hello'
  if (now - heardAt >= PEER_TIMEOUT_MS) return 'nothing heard'
  const isStuck = unflushed > 0 && now - flushedAt >= PEER_TIMEOUT_MS
  if (isStuck || unflushed > UNFLUSHED_FRAMES_MAX) return 'does not read'
  if (update !== null && now - update.startedAt >= UPDATE_TIMEOUT_MS) return 'update not answered'
  const { renewable, certificateExpiresAt } = peer
  return renewable && certificateExpiresAt !== null && now >= certificateExpiresAt ? 'certificate expired' : null
}

const SAVE_RETRY_MS = 10_000
const SAVE_RETRY_MS_MAX = 300_000

/** A full disk is emptied by people, and meanwhile a large snapshot would come again and again. */
export function postponeRetry(session: Session, now: number): void {
  session.retryNotBefore = now + Math.min(SAVE_RETRY_MS_MAX, SAVE_RETRY_MS * 2 ** session.saveFailures)
  session.saveFailures++
}

/** Takes one report from what the session may still send; false when it floods us. */
export function mayReport(session: Session, now: number): boolean {
  const earned = ((now - session.reportedAt) / 1000) * REPORT_CREDIT_PER_SECOND
  session.reportCredit = Math.min(REPORT_CREDIT_MAX, session.reportCredit + earned) - 1
  session.reportedAt = now
  return session.reportCredit >= 0
}

/** What is known of a data plane that has just said hello. */
export function firstRecord(
  hello: Hello,
  { ip, certificateExpiresAt }: Peer,
  { isCompatible, now }: { readonly isCompatible: boolean; readonly now: number },
): DataPlaneRecord {
  const { node_id, hostname, version, applied, labels } = hello
  return {
    id: node_id,
    hostname,
    ip,
    version,
    config_hash: applied.config_hash,
    sync_status: isCompatible ? 'normal' : 'kong_version_incompatible',
    last_seen: Math.floor(now / 1000),
    labels: Object.keys(labels).length === 0 ? null : labels,
    cert_details: certificateExpiresAt === null ? null : { expiry_timestamp: Math.floor(certificateExpiresAt / 1000) },
    applied_version: applied.version === 0 ? null : applied.version,
    last_error: null,
  }
}
