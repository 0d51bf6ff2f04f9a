/** Writes what is known of each data plane into the store: at once when it matters, else rarely; and reads it back. */
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { DataPlaneRecord } from '../entities/cluster-view.ts'
import { type ClusterRecords, COLLECTIONS } from './records.ts'

export interface DataPlaneRecords {
  /** `changed`: the applied version or the error is new. */
  note(record: DataPlaneRecord, changed: boolean): void
  page(options: { readonly size: number; readonly after: string | null }): Promise<{
    readonly rows: readonly (DataPlaneRecord & { readonly ttl: number })[]
    readonly next: string | null
  }>
  has(id: string): Promise<boolean>
  /** Writes what is waiting. */
  flush(): Promise<void>
  close(): Promise<void>
}

export interface DataPlaneRecordsOptions {
  readonly records: ClusterRecords
  readonly purgeDelaySeconds: number
  readonly clock: Clock
  readonly logger: Logger
}

interface Entry {
  record: DataPlaneRecord
  isDirty: boolean
  isUrgent: boolean
  writtenAt: number
}

/** `last_seen` alone is written so often; it may lag by that much after a restart of the control plane. */
const IDLE_WRITE_MS = 15_000
/** While many versions follow one another, a row is written at most so often. */
const CHANGED_WRITE_MS = 1_000
const SWEEP_MS = 500

export function createDataPlaneRecords(options: DataPlaneRecordsOptions): DataPlaneRecords {
  const { records, purgeDelaySeconds, clock, logger } = options
  const entries = new Map<string, Entry>()
  let writing: Promise<void> = Promise.resolve()
  let isWriting = false

  const isDue = ({ isDirty, isUrgent, writtenAt }: Entry, now: number) =>
    isDirty && now - writtenAt >= (isUrgent ? CHANGED_WRITE_MS : IDLE_WRITE_MS)

  /** One write at a time: whatever else changes meanwhile is covered by the next round. */
  function writeDue(all: boolean): Promise<void> {
    if (isWriting && !all) return writing
    writing = writing.then(() => writeEntries(all))
    return writing
  }

  async function writeEntries(all: boolean): Promise<void> {
    isWriting = true
    for (const entry of entries.values()) {
      if (!(all ? entry.isDirty : isDue(entry, clock.now()))) continue
      entry.isDirty = false
      entry.isUrgent = false
      entry.writtenAt = clock.now()
      try {
        const { record } = entry
        await records.put(COLLECTIONS.dataPlanes, record.id, record, expiryOf(record))
      } catch (error) {
        // The data plane does not depend on its row; the next round writes it.
        entry.isDirty = true
        logger.error(`cannot write the status of data plane ${entry.record.id}: ${(error as Error).message}`)
      }
    }
    isWriting = false
    forgetOld()
  }

  function expiryOf({ last_seen }: DataPlaneRecord): number {
    return (last_seen + purgeDelaySeconds) * 1000
  }

  /** A node that has left is in the store; memory keeps only what may still change. */
  function forgetOld() {
    const now = clock.now()
    for (const [id, { isDirty, record }] of entries) {
      if (!isDirty && now - record.last_seen * 1000 > 10 * IDLE_WRITE_MS) entries.delete(id)
    }
  }

  const timer = clock.every(SWEEP_MS, () => {
    void writeDue(false)
  })

  return {
    note(record, changed) {
      const entry = entries.get(record.id)
      if (entry === undefined) {
        entries.set(record.id, { record, isDirty: true, isUrgent: true, writtenAt: 0 })
      } else {
        entry.record = record
        entry.isDirty = true
        entry.isUrgent ||= changed
      }
      if (changed) void writeDue(false)
    },
    async page({ size, after }) {
      await writeDue(true)
      const page = after === null ? { size: size + 1 } : { size: size + 1, after }
      const rows = await records.list<DataPlaneRecord>(COLLECTIONS.dataPlanes, page)
      const now = clock.now()
      const shown = rows.slice(0, size).map(({ value, expiresAt }) => ({
        ...value,
        ttl: Math.max(0, Math.ceil(((expiresAt ?? expiryOf(value)) - now) / 1000)),
      }))
      return { rows: shown, next: rows.length > size ? shown.at(-1)!.id : null }
    },
    async has(id) {
      return entries.has(id) || (await records.get(COLLECTIONS.dataPlanes, id)) !== null
    },
    flush: () => writeDue(true),
    async close() {
      timer.cancel()
      await writeDue(true)
    },
  }
}
