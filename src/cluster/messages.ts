/** Every message between a control plane and a data plane, its limits, and the strict reading of each. */
import type { ConfigHead } from '../entities/config.ts'
import {
  HEALTH_MARKS_BYTES_MAX,
  HEALTH_MARKS_FIELDS,
  HEALTH_REPORT_BYTES_MAX,
  HEALTH_REPORT_FIELDS,
  type HealthMarks,
  type HealthReport,
} from './health-messages.ts'
import { type Check, count, exactly, isRecord, matches, text, UUID } from './message-checks.ts'

/** Says the version of the protocol; a later one offers both, and the control plane picks. */
export const SUBPROTOCOL = 'silverback.v1'
export const SYNC_PATH = '/v1/silverback'
export const ENROLL_PATH = '/v1/silverback/enroll'

export interface Hello {
  readonly type: 'hello'
  readonly node_id: string
  readonly hostname: string
  /** The Kong version that the node is compatible with. */
  readonly version: string
  readonly labels: Readonly<Record<string, string>>
  readonly capabilities: readonly string[]
  readonly applied: ConfigHead
}
export interface Ack {
  readonly type: 'ack'
  readonly version: number
  readonly config_hash: string
}
/** `field` of a nack when the version is fine, but the node cannot keep it: it is worth trying again later. */
export const NOT_SAVED = 'saved_config_path'

export interface Nack {
  readonly type: 'nack'
  readonly version: number
  readonly entity: string
  readonly key: string
  readonly field: string | null
  readonly message: string
}
export interface Resync {
  readonly type: 'resync'
  readonly reason: string
}
export interface Heartbeat {
  readonly type: 'heartbeat'
  /** What the sender runs (data plane) or holds (control plane). */
  readonly version: number
  readonly config_hash: string
}
export interface Renew {
  readonly type: 'renew'
}
export type FromDataPlane = Hello | Ack | Nack | Resync | Heartbeat | Renew | HealthReport

export interface Welcome {
  readonly type: 'welcome'
  readonly node_id: string
  readonly version: string
}
export interface SnapshotBegin {
  readonly type: 'snapshot'
  readonly version: number
  readonly config_hash: string
  readonly encoding: SnapshotEncoding
}
export interface SnapshotEnd {
  readonly type: 'snapshot_end'
  readonly chunks: number
}
export interface Certificate {
  readonly type: 'certificate'
  readonly certificate: string
}
export interface Goodbye {
  readonly type: 'goodbye'
  readonly reason: string
}
/** Control planes also send deltas and snapshot chunks, as binary frames (wire.ts). */
export type FromControlPlane = Welcome | SnapshotBegin | SnapshotEnd | Heartbeat | Certificate | Goodbye | HealthMarks

/** The only one now; the field leaves room for a better one. */
export type SnapshotEncoding = 'zstd'

/** All that a data plane may say, with the most bytes of each. Anything else closes the connection. */
export const DATA_PLANE_MESSAGE_BYTES_MAX = {
  // 10 labels of 2 x 63 characters, 256 capabilities of 64, and the rest with room.
  hello: 24 * 1024,
  ack: 256,
  // The reason may quote a value; the data plane cuts it to fit.
  nack: 8 * 1024,
  resync: 1024,
  heartbeat: 256,
  renew: 64,
  health: HEALTH_REPORT_BYTES_MAX,
} as const satisfies Record<FromDataPlane['type'], number>

export const CONTROL_PLANE_MESSAGE_BYTES_MAX = {
  welcome: 1024,
  snapshot: 256,
  snapshot_end: 128,
  heartbeat: 256,
  certificate: 32 * 1024,
  goodbye: 1024,
  health_marks: HEALTH_MARKS_BYTES_MAX,
} as const satisfies Record<FromControlPlane['type'], number>

/** A frame that breaks the protocol; the message is safe to send to the peer and to log. */
export class WireError extends Error {
  override readonly name = 'WireError'
}

const HASH = matches(/^[0-9a-f]{32}$/)
export const HOSTNAME = /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?$/
export const VERSION = /^[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}([.+-][0-9A-Za-z.+-]{0,32})?$/
const LABEL = /^[a-z0-9]([\w.:-]{0,61}[a-z0-9])?$/i
// Kong allows 10 (reference of cluster_dp_labels).
const LABELS_MAX = 10
const CAPABILITIES_MAX = 256

const labels: Check = value =>
  isRecord(value) &&
  Object.keys(value).length <= LABELS_MAX &&
  Object.entries(value).every(([key, label]) => LABEL.test(key) && typeof label === 'string' && LABEL.test(label))
const capabilities: Check = value =>
  Array.isArray(value) && value.length <= CAPABILITIES_MAX && value.every(text(64, 1))
const head: Check = value => isRecord(value) && exactly(value, { version: count, config_hash: HASH }) === null

const VERSION_AND_HASH = { version: count, config_hash: HASH }
const DATA_PLANE_FIELDS: Record<FromDataPlane['type'], Record<string, Check>> = {
  hello: {
    node_id: matches(UUID),
    hostname: matches(HOSTNAME),
    version: matches(VERSION),
    labels,
    capabilities,
    applied: head,
  },
  ack: VERSION_AND_HASH,
  nack: {
    version: count,
    entity: text(64),
    key: text(256),
    field: value => value === null || text(256)(value),
    message: text(4096),
  },
  resync: { reason: text(256) },
  heartbeat: VERSION_AND_HASH,
  renew: {},
  health: HEALTH_REPORT_FIELDS,
}
const CONTROL_PLANE_FIELDS: Record<FromControlPlane['type'], Record<string, Check>> = {
  welcome: { node_id: matches(UUID), version: matches(VERSION) },
  snapshot: { ...VERSION_AND_HASH, encoding: value => value === 'zstd' },
  snapshot_end: { chunks: count },
  heartbeat: VERSION_AND_HASH,
  certificate: { certificate: text(30 * 1024, 1) },
  goodbye: { reason: text(512) },
  health_marks: HEALTH_MARKS_FIELDS,
}

function decode(
  frame: string,
  fields: Record<string, Record<string, Check>>,
  bytesMax: Record<string, number>,
): Record<string, unknown> {
  // The limits are in bytes; no message legally holds so many characters that counting bytes first would cost.
  if (frame.length > Math.max(...Object.values(bytesMax))) throw new WireError('message too large')
  let value: unknown
  try {
    value = JSON.parse(frame)
  } catch {
    throw new WireError('message is not JSON')
  }
  if (!isRecord(value)) throw new WireError('message is not an object')
  const { type, ...members } = value
  if (typeof type !== 'string' || !Object.hasOwn(fields, type)) throw new WireError('unknown message type')
  if (Buffer.byteLength(frame) > bytesMax[type]!) throw new WireError(`${type} message too large`)
  const wrong = exactly(members, fields[type]!)
  if (wrong !== null) throw new WireError(closeReason(`${type} message has a wrong member: ${wrong}`))
  return value
}

/** What a data plane said; throws WireError for anything that is not in the table. */
export function decodeFromDataPlane(frame: string): FromDataPlane {
  return decode(frame, DATA_PLANE_FIELDS, DATA_PLANE_MESSAGE_BYTES_MAX) as unknown as FromDataPlane
}

export function decodeFromControlPlane(frame: string): FromControlPlane {
  return decode(frame, CONTROL_PLANE_FIELDS, CONTROL_PLANE_MESSAGE_BYTES_MAX) as unknown as FromControlPlane
}

export function encodeMessage(message: FromDataPlane | FromControlPlane): string {
  return JSON.stringify(message)
}

/** What fits into a closing frame (RFC 6455, 5.5: 125 bytes with the code) and into one line of a log, whoever wrote it. */
export function closeReason(text: string): string {
  return text.slice(0, 120).replace(/[^\x20-\x7e]/g, '?')
}
