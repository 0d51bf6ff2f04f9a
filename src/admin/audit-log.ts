/**
 * What was changed through the Admin API: who, when, from where, what, before and after.
 *
 * An entry is written when its change is committed and before the client has its answer. Where it cannot be written
 * it goes to the error log instead, whole, so that only a node that dies between the two leaves a change without one.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { RowChange } from '../store/row-changes.ts'
import type { RecordStore } from '../store/store.ts'
import type { Actor } from './access.ts'
import { maskedRow } from './masked-row.ts'
import type { Reply } from './reply.ts'

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
  /** Changes beyond the number that one entry lists. */
  readonly more_changes: number
}

export interface AuditLog {
  /** Runs a request that may change something, and writes down what it did. */
  watch(request: IncomingMessage, path: string, actor: Actor, work: () => Promise<Reply>): Promise<Reply>
  /** Tells of a committed change; for the repository. */
  noteChanges(changes: readonly RowChange[]): void
  /** Newest first. */
  list(options: { size: number; after: string | null }): Promise<AuditEntry[]>
}

export interface AuditLogOptions {
  readonly records: RecordStore
  readonly catalog: EntityCatalog
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly retentionDays: number
}

const COLLECTION = 'admin_audit_log'
/** One request can import a hundred thousand rows; its entry names the first. */
const CHANGES_MAX = 100
/** Characters of a row's JSON; certificates and long configurations fit, bodies of megabytes do not. */
const ROW_LENGTH_MAX = 32 * 1024
const DAY_MS = 86_400_000
/** Records come in order of their keys, so keys count down; good until the year 5138. */
const NEWEST_MS = 99_999_999_999_999

interface Watched {
  readonly changes: AuditChange[]
  more: number
}

export function createAuditLog(options: AuditLogOptions): AuditLog {
  const { records, catalog, clock, random, logger, retentionDays } = options
  const current = new AsyncLocalStorage<Watched>()

  function describe({ entity, id, before, after }: RowChange): AuditChange {
    const action = before === null ? 'create' : after === null ? 'delete' : 'update'
    const shown = (row: RowChange['before']) => (row === null ? null : shortened(maskedRow(catalog, entity, row)))
    return { entity, id, action, before: shown(before), after: shown(after) }
  }

  async function write(entry: AuditEntry, nowMs: number): Promise<void> {
    try {
      await records.put(COLLECTION, entry.id, entry, nowMs + retentionDays * DAY_MS)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      logger.error(`the audit log cannot be written (${reason}); the entry: ${JSON.stringify(entry)}`)
    }
  }

  return {
    async watch(request, path, actor, work) {
      const watched: Watched = { changes: [], more: 0 }
      let status = 500
      try {
        const reply = await current.run(watched, work)
        status = reply.status
        return reply
      } finally {
        // A request that failed half-way may have changed something all the same.
        if (status < 400 || watched.changes.length > 0) {
          const nowMs = clock.now()
          await write(
            {
              id: `${String(NEWEST_MS - nowMs).padStart(14, '0')}-${random.bytes(4).toString('hex')}`,
              at: nowMs / 1000,
              actor: { kind: actor.kind, name: actor.name, id: actor.id, role: actor.role },
              client_ip: request.socket.remoteAddress ?? 'unix:',
              method: request.method ?? '',
              path,
              status,
              changes: watched.changes,
              more_changes: watched.more,
            },
            nowMs,
          )
        }
      }
    },
    noteChanges(changes) {
      const watched = current.getStore()
      if (watched === undefined) return
      for (const change of changes) {
        if (watched.changes.length < CHANGES_MAX) watched.changes.push(describe(change))
        else watched.more++
      }
    },
    async list({ size, after }) {
      const rows = await records.list<AuditEntry>(COLLECTION, after === null ? { size } : { size, after })
      return rows.map(({ value }) => value)
    },
  }
}

function shortened(row: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { length } = JSON.stringify(row)
  return length <= ROW_LENGTH_MAX ? row : { id: row['id'], too_large_to_keep: length }
}
