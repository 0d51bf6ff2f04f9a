/** The audit log's entry of an import by the command line, written in the transaction of the import. */
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { ChangeRecorder } from '../store/row-changes.ts'
import { AUDIT_COLLECTION, auditExpiry, auditKey, type AuditEntry } from './audit-entry.ts'

export interface ImportRecorderOptions {
  readonly clock: Clock
  readonly random: Random
  readonly retentionDays: number
  /** Who runs the command: login name and host. */
  readonly user: string
  readonly hostname: string
  /** As it was given. */
  readonly file: string
}

export function importRecorder({ clock, random, ...given }: ImportRecorderOptions): ChangeRecorder {
  const nowMs = clock.now()
  const id = auditKey(nowMs, random)
  return {
    async record(changes, tx) {
      const counts: Record<string, number> = {}
      for (const { entity } of changes) counts[entity] = (counts[entity] ?? 0) + 1
      const entry: AuditEntry = {
        id,
        at: nowMs / 1000,
        actor: { kind: 'command', name: given.user, id: null, role: 'admin' },
        client_ip: `host:${given.hostname}`,
        method: 'IMPORT',
        path: given.file,
        status: 200,
        changes: [],
        more_changes: changes.length,
        counts,
      }
      await tx.record(AUDIT_COLLECTION, id, entry, auditExpiry(nowMs, given.retentionDays))
    },
    committed() {},
  }
}
