/** One request to the Admin API as the audit log sees it: what its transactions change, and what is written of it so far. */
import type { EntityCatalog } from '../entities/catalog.ts'
import type { ChangeRecorder, RowChange } from '../store/row-changes.ts'
import { AUDIT_COLLECTION, type AuditEntry, listedChanges } from './audit-entry.ts'

export interface AuditedRequestOptions {
  /** Key of the entry. */
  readonly id: string
  readonly nowMs: number
  readonly expiresAt: number
  readonly about: Pick<AuditEntry, 'actor' | 'client_ip' | 'method' | 'path'>
  readonly catalog: EntityCatalog
}

/** With what the Admin API answers where nothing is the matter. */
const EXPECTED_STATUS: Readonly<Record<string, number>> = { POST: 201, PUT: 200, PATCH: 200, DELETE: 204 }

/** Of one transaction. */
interface RecordedChanges {
  changes: readonly RowChange[]
  isCommitted: boolean
}

export class AuditedRequest {
  readonly nowMs: number
  readonly #given: AuditedRequestOptions
  readonly #recorded: RecordedChanges[] = []
  /** The entry as it was committed last. */
  #stored: AuditEntry | null = null

  constructor(given: AuditedRequestOptions) {
    this.#given = given
    this.nowMs = given.nowMs
  }

  get hasChanged(): boolean {
    return this.#recorded.some(({ isCommitted }) => isCommitted)
  }

  /** For one transaction. */
  begin(): ChangeRecorder {
    const { id, expiresAt, about } = this.#given
    const own: RecordedChanges = { changes: [], isCommitted: false }
    this.#recorded.push(own)
    let entry: AuditEntry | null = null
    return {
      record: async (changes, tx) => {
        own.changes = changes
        const known = this.#recorded.filter(other => other === own || other.isCommitted)
        entry = this.#entryOf(EXPECTED_STATUS[about.method] ?? 200, known)
        await tx.record(AUDIT_COLLECTION, id, entry, expiresAt)
      },
      committed: () => {
        own.isCommitted = true
        this.#stored = entry
      },
    }
  }

  /** The entry, unless it is in the store as it must be. */
  unwritten(status: number): AuditEntry | null {
    const entry = this.#entryOf(
      status,
      this.#recorded.filter(({ isCommitted }) => isCommitted),
    )
    return JSON.stringify(entry) === JSON.stringify(this.#stored) ? null : entry
  }

  #entryOf(status: number, recorded: readonly RecordedChanges[]): AuditEntry {
    const { id, nowMs, about, catalog } = this.#given
    const all = recorded.flatMap(({ changes }) => changes)
    const changes = listedChanges(catalog, all)
    return { id, at: nowMs / 1000, ...about, status, changes, more_changes: all.length - changes.length }
  }
}
