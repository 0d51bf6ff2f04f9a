/** The configuration of a declarative file: read like any store, replaced as a whole, never written row by row. */
import type { Clock } from '../../base/clock.ts'
import type { EntityCatalog } from '../../entities/catalog.ts'
import { type ConfigChange, type ConfigDelta, type ConfigHead, EMPTY_HEAD, type Row } from '../../entities/config.ts'
import { StoreError } from '../errors.ts'
import { Tables } from '../sql/tables.ts'
import type { EntityStore, ExportedRow } from '../store.ts'
import { type Contents, contentsOf, hashOfContents } from './contents.ts'
import { DeltaHistory } from './delta-history.ts'
import { memoryReads } from './memory-reads.ts'
import { memoryRecords } from './memory-records.ts'

export interface MemoryStore extends EntityStore {
  /** Makes `rows` the whole configuration, as the next version; the same rows again make no new version. */
  replace(rows: readonly { readonly entity: string; readonly row: Row }[]): Promise<ConfigHead>
}

export interface MemoryStoreOptions {
  readonly catalog: EntityCatalog
  readonly clock: Clock
  readonly changesKept?: number
}

const exportBatchRows = 500

export function createMemoryStore({ catalog, clock, changesKept = 20_000 }: MemoryStoreOptions): MemoryStore {
  const tables = new Tables(catalog)
  const history = new DeltaHistory(changesKept)
  const listeners = new Set<(head: ConfigHead) => void>()
  let contents: Contents = contentsOf([], tables)
  let head: ConfigHead = EMPTY_HEAD

  const store: MemoryStore = {
    capabilities: {
      writes: false,
      transactions: true,
      foreignKeys: true,
      nativeTtl: true,
      notifies: true,
      sharedBetweenNodes: false,
    },
    records: memoryRecords(clock),
    ...memoryReads(() => contents, tables, clock),
    async transaction() {
      throw new StoreError('operation_unsupported', 'cannot write entities when not using a database')
    },
    async replace(rows) {
      const next = contentsOf(rows, tables)
      const config_hash = hashOfContents(next, tables)
      if (config_hash === head.config_hash) return head
      const version = head.version + 1
      history.record(version, contents, next, tables)
      contents = next
      head = { version, config_hash }
      for (const listener of listeners) listener(head)
      return head
    },
    head: async () => head,
    onHead(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    changesSince: async version => deltaOf(version, { head, history, contents, tables }),
    async export() {
      return { head, batches: batches(contents, tables) }
    },
    ping: async () => true,
    sweep: async () => 0, // Rows of a file stay until the file changes; expired ones are only not found.
    async close() {
      listeners.clear()
    },
  }
  return store
}

interface Present {
  readonly head: ConfigHead
  readonly history: DeltaHistory
  readonly contents: Contents
  readonly tables: Tables
}

/** Deletions first, children before parents; then rows, parents before children. */
function deltaOf(version: number, { head, history, contents, tables }: Present): ConfigDelta | null {
  const changed = history.since(version, head.version)
  if (changed === null) return null
  const deletions: ConfigChange[] = []
  const puts: ConfigChange[] = []
  for (const { name: entity } of tables.list) {
    for (const key of changed.get(entity) ?? []) {
      const row = contents.get(entity)?.rows.get(key) ?? null
      if (row === null) deletions.unshift({ entity, key, row })
      else puts.push({ entity, key, row })
    }
  }
  return { ...head, from: version, changes: [...deletions, ...puts] }
}

async function* batches(contents: Contents, tables: Tables): AsyncGenerator<readonly ExportedRow[]> {
  for (const { name: entity } of tables.list.filter(table => table.exported)) {
    const { keys = [], rows } = contents.get(entity) ?? {}
    for (let start = 0; start < keys.length; start += exportBatchRows) {
      yield keys.slice(start, start + exportBatchRows).map(key => ({ entity, key, row: rows!.get(key)! }))
    }
  }
}
