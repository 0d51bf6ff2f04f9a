/** The configuration that the main process of a node holds for its workers: to start one, or to replace one. */
import type { ApplyOutcome } from '../cluster/link.ts'
import type { ConfigChange, ConfigDelta, ConfigHead, Row } from '../entities/config.ts'
import { EMPTY_HEAD } from '../entities/config.ts'
import type { EntityReader } from '../entities/entity-reader.ts'

/** Implemented on disk for a data plane (cluster/saved-config.ts), in memory where the store is on the same node. */
export interface ConfigCopy {
  head(): ConfigHead
  /** False until there was a first configuration, be it an empty one. */
  isConfigured(): boolean
  /** Whether the rows after this delta would have the hash that it promises; if not, only a snapshot helps. */
  check(delta: ConfigDelta): ApplyOutcome
  /** Durable when it returns. */
  applyDelta(delta: ConfigDelta): void
  beginSnapshot(head: ConfigHead): SnapshotWriter
  /** Everything, or what is of these entities only; parents before children, in batches. */
  load(entities?: ReadonlySet<string>): Iterable<readonly ConfigChange[]>
}

export interface SnapshotWriter {
  add(changes: readonly ConfigChange[]): void
  /** Replaces what was there, at once and durably; throws, and changes nothing, if the rows do not give the head's hash. */
  commit(): void
  abort(): void
}

/**
 * Entities of a copy, for the rare reader in the main process (upstreams on the Status API): each call looks through
 * all rows of the entity, which costs some 30 ms at 10,000 of them, and keeps nothing in memory between calls.
 */
export function readerOf(copy: ConfigCopy): EntityReader {
  function* all(entity: string): Generator<Row> {
    for (const batch of copy.load(new Set([entity]))) for (const { row } of batch) if (row !== null) yield row
  }
  const find = (entity: string, matches: (row: Row) => boolean) => all(entity).find(matches) ?? null
  return {
    find: (entity, key) => find(entity, row => row['id'] === key),
    findBy: (entity, field, value) => find(entity, row => row[field] === value),
    findByForeign: (entity, field, key) =>
      all(entity)
        .filter(row => (row[field] as { id?: string } | null)?.id === key)
        .toArray(),
    all,
  }
}

const BATCH_ROWS = 500

/** Rows as JSON text: a third of the memory of objects, and what the workers are sent anyway. */
export class MemoryCopy implements ConfigCopy {
  #head = EMPTY_HEAD
  #isConfigured = false
  #rows: Map<string, Map<string, string>>
  readonly #order: readonly string[]

  /** `order` names all entities, parents before children. */
  constructor(order: readonly string[]) {
    this.#order = order
    this.#rows = emptyRows(order)
  }

  head(): ConfigHead {
    return this.#head
  }
  isConfigured(): boolean {
    return this.#isConfigured
  }

  /** The store is in this process: what it says of its rows is so. */
  check(): ApplyOutcome {
    return { ok: true }
  }

  applyDelta(delta: ConfigDelta): void {
    for (const change of delta.changes) put(this.#rows, change)
    this.#head = { version: delta.version, config_hash: delta.config_hash }
    this.#isConfigured = true
  }

  beginSnapshot(head: ConfigHead): SnapshotWriter {
    const rows = emptyRows(this.#order)
    return {
      add(changes) {
        for (const change of changes) put(rows, change)
      },
      commit: () => {
        this.#rows = rows
        this.#head = head
        this.#isConfigured = true
      },
      abort() {},
    }
  }

  *load(entities?: ReadonlySet<string>): Iterable<readonly ConfigChange[]> {
    for (const [entity, rows] of this.#rows) {
      if (entities?.has(entity) === false) continue
      let batch: ConfigChange[] = []
      for (const [key, text] of rows) {
        batch.push({ entity, key, row: JSON.parse(text) as Row })
        if (batch.length === BATCH_ROWS) {
          yield batch
          batch = []
        }
      }
      if (batch.length > 0) yield batch
    }
  }
}

function emptyRows(order: readonly string[]): Map<string, Map<string, string>> {
  return new Map(order.map(entity => [entity, new Map()]))
}

function put(rows: Map<string, Map<string, string>>, { entity, key, row }: ConfigChange): void {
  let ofEntity = rows.get(entity)
  if (row === null) {
    ofEntity?.delete(key)
    return
  }
  if (ofEntity === undefined) rows.set(entity, (ofEntity = new Map()))
  ofEntity.set(key, JSON.stringify(row))
}
