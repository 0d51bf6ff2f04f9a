/**
 * Health on the wire: what a data plane sees of the targets of its upstreams, and the marks set by hand that it is told.
 *
 * Neither side sends any of it to a peer that does not know it. A data plane says in its hello that it takes marks; it
 * reports only after the first message of marks, which a control plane that reads reports sends with its welcome.
 */
import {
  boolean,
  type Check,
  count,
  exactly,
  isRecord,
  listOf,
  matches,
  orNull,
  text,
  tuple,
  UUID,
} from './message-checks.ts'

/** Among the capabilities of a hello. */
export const HEALTH_CAPABILITY = 'health.v1'

/** One address: host of its target, address, port, whether it takes traffic. */
export type ReportedPeer = readonly [host: string, ip: string, port: number, healthy: boolean]

/**
 * All of one upstream, replacing what was said of it before; null when it has no checks any more. `hidden`: healthy
 * peers that did not fit.
 */
export type UpstreamReport = readonly [upstream: string, peers: readonly ReportedPeer[] | null, hidden: number]

export interface HealthReport {
  readonly type: 'health'
  readonly upstreams: readonly UpstreamReport[]
}

/** A target, or one of its addresses, declared healthy or not by hand. Taken over once by every data plane. */
export interface HealthMark {
  readonly id: string
  readonly upstream: string
  readonly target: string
  /** `ip:port`; null: all addresses of the target. */
  readonly address: string | null
  readonly healthy: boolean
  /** Milliseconds since the epoch. */
  readonly at: number
}

export interface HealthMarks {
  readonly type: 'health_marks'
  readonly marks: readonly HealthMark[]
}

/** A report every second of so much at most: a slow trickle beside configuration, and nothing to fill memory with. */
export const HEALTH_REPORT_BYTES_MAX = 64 * 1024
export const HEALTH_MARKS_BYTES_MAX = 64 * 1024
/** A mark is at most 500 bytes. */
export const MARKS_PER_MESSAGE_MAX = 100
const ENTRIES_MAX = 2000

const HOST = text(253, 1)
const IP = matches(/^[0-9A-Fa-f:.]{2,45}$/)
const port: Check = value => count(value) && (value as number) <= 65_535
// Ids of rows are as their owner gave them.
const uuid = matches(new RegExp(UUID.source, 'i'))

const MARK_FIELDS = {
  id: uuid,
  upstream: uuid,
  target: uuid,
  address: orNull(text(253, 1)),
  healthy: boolean,
  at: count,
}
const mark: Check = value => isRecord(value) && exactly(value, MARK_FIELDS) === null

export const HEALTH_REPORT_FIELDS: Record<string, Check> = {
  upstreams: listOf(ENTRIES_MAX, tuple(uuid, orNull(listOf(ENTRIES_MAX, tuple(HOST, IP, port, boolean))), count)),
}
export const HEALTH_MARKS_FIELDS: Record<string, Check> = { marks: listOf(MARKS_PER_MESSAGE_MAX, mark) }
