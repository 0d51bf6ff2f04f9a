/**
 * What was changed through the Admin API: who, when, from where, what, before and after.
 *
 * The entry of a change of entities is written in the transaction of that change: there is none without the other. What is
 * known only after it (a status that was not to be expected, a second transaction) completes the entry. Changes that are
 * no entities (tokens, marks, log levels) have their entry right after them, before the client has its answer; where that
 * cannot be written it goes to the error log instead, whole.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { ChangeRecorder } from '../store/row-changes.ts'
import type { RecordStore } from '../store/store.ts'
import type { Actor } from './access.ts'
import { AUDIT_COLLECTION, auditExpiry, type AuditEntry, auditKey } from './audit-entry.ts'
import { AuditedRequest } from './audited-request.ts'
import type { Reply } from './reply.ts'

export interface AuditLog {
  /** Runs a request that may change something, and writes down what it did. */
  watch(request: IncomingMessage, path: string, actor: Actor, work: () => Promise<Reply>): Promise<Reply>
  /** For the repository's writes; null outside of a request. */
  begin(): ChangeRecorder | null
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
  /** Entries kept at most. */
  readonly entriesMax: number
}

/** Entries that a node writes between looks for those that are too many. */
const TRIM_EVERY = 100

export function createAuditLog(options: AuditLogOptions): AuditLog {
  const { records, catalog, clock, random, logger, retentionDays } = options
  const current = new AsyncLocalStorage<AuditedRequest>()
  let written = 0

  async function write(entry: AuditEntry, nowMs: number): Promise<void> {
    try {
      await records.put(AUDIT_COLLECTION, entry.id, entry, auditExpiry(nowMs, retentionDays))
    } catch (error) {
      logger.error(`the audit log cannot be written (${reasonOf(error)}); the entry: ${JSON.stringify(entry)}`)
    }
  }

  /** Nobody waits for it. */
  function trimNowAndThen(): void {
    if (written++ % TRIM_EVERY !== 0) return
    records.trim(AUDIT_COLLECTION, options.entriesMax).catch(error => {
      logger.warn(`old entries of the audit log could not be removed: ${reasonOf(error)}`)
    })
  }

  /** What is not in the store yet. */
  async function complete(request: AuditedRequest, status: number): Promise<void> {
    // A request that failed half-way may have changed something all the same.
    if (status >= 400 && !request.hasChanged) return
    const entry = request.unwritten(status)
    if (entry !== null) await write(entry, request.nowMs)
    trimNowAndThen()
  }

  return {
    async watch(request, path, actor, work) {
      const { kind, name, id, role } = actor
      const nowMs = clock.now()
      const watched = new AuditedRequest({
        id: auditKey(nowMs, random),
        nowMs,
        expiresAt: auditExpiry(nowMs, retentionDays),
        about: {
          actor: { kind, name, id, role },
          client_ip: request.socket.remoteAddress ?? 'unix:',
          method: request.method ?? '',
          path,
        },
        catalog,
      })
      let status = 500
      try {
        const reply = await current.run(watched, work)
        status = reply.status
        return reply
      } finally {
        await complete(watched, status)
      }
    },
    begin() {
      return current.getStore()?.begin() ?? null
    },
    async list({ size, after }) {
      const rows = await records.list<AuditEntry>(AUDIT_COLLECTION, after === null ? { size } : { size, after })
      return rows.map(({ value }) => value)
    },
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
