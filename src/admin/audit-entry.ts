/** What the audit log keeps of one request or import: which changes it lists, and under which key. */
import type { Random } from '../base/random.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { RowChange } from '../store/row-changes.ts'
import { maskedRow } from './masked-row.ts'

export interface AuditChange {
  readonly entity: string
  readonly id: string
  readonly action: 'create' | 'update' | 'delete'
  /** Secrets masked; null where there was or is nothing. */
  readonly before: Readonly<Record<string, unknown>> | null
  readonly after: Readonly<Record<string, unknown>> | null
}

export interface AuditEntry {
  readonly id: string
  /** Seconds since the epoch, with milliseconds. */
  readonly at: number
  readonly actor: {
    readonly kind: string
    readonly name: string | null
    readonly id: string | null
    readonly role: string
  }
  readonly client_ip: string
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly status: number
  readonly changes: readonly AuditChange[]
  /** Changes beyond those that one entry lists. */
  readonly more_changes: number
  /** Of an import: how many rows of which entity it wrote. */
  readonly counts?: Readonly<Record<string, number>>
}

export const AUDIT_COLLECTION = 'admin_audit_log'
/** One request can import a hundred thousand rows; its entry names the first. */
const CHANGES_MAX = 100
/** Characters of a row's JSON; certificates and long configurations fit, bodies of megabytes do not. */
const ROW_LENGTH_MAX = 32 * 1024
/** Characters of all changes that an entry lists. */
const ENTRY_LENGTH_MAX = 256 * 1024
const DAY_MS = 86_400_000
/** Good until the year 5138. */
const NEWEST_MS = 99_999_999_999_999

/** Records come in order of their keys, so keys count down. */
export function auditKey(nowMs: number, random: Random): string {
  return `${String(NEWEST_MS - nowMs).padStart(14, '0')}-${random.bytes(4).toString('hex')}`
}

export function auditExpiry(nowMs: number, retentionDays: number): number {
  return nowMs + retentionDays * DAY_MS
}

/** The first of the changes, as many as an entry holds. */
export function listedChanges(catalog: EntityCatalog, changes: readonly RowChange[]): AuditChange[] {
  const described: AuditChange[] = []
  let length = 0
  for (const { entity, id, before, after } of changes.slice(0, CHANGES_MAX)) {
    const action = before === null ? 'create' : after === null ? 'delete' : 'update'
    const shown = (row: RowChange['before']) => (row === null ? null : shortened(maskedRow(catalog, entity, row)))
    const change: AuditChange = { entity, id, action, before: shown(before), after: shown(after) }
    length += JSON.stringify(change).length
    if (length > ENTRY_LENGTH_MAX && described.length > 0) break
    described.push(change)
  }
  return described
}

function shortened(row: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { length } = JSON.stringify(row)
  return length <= ROW_LENGTH_MAX ? row : { id: row['id'], too_large_to_keep: length }
}
