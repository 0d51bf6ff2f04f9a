/** The newest configuration that a database was seen to hold, kept in memory for the time in which it cannot be asked. */
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../base/clock.ts'
import type { EntityCatalog } from '../../entities/catalog.ts'
import { type ConfigHead, EMPTY_HEAD, type Row } from '../../entities/config.ts'
import { type Contents, contentsOf } from '../memory/contents.ts'
import { memoryReads } from '../memory/memory-reads.ts'
import { Tables } from '../sql/tables.ts'
import type { EntityStore, ExportedRow, StoreReads } from '../store.ts'

type RowTexts = Map<string, Map<string, string>>

const exportBatchRows = 500

export class LastConfiguration {
  readonly #tables: Tables
  /** Rows as JSON text: a third of the memory of objects. */
  #rows: RowTexts = new Map()
  #head: ConfigHead = EMPTY_HEAD
  #isLoaded = false
  /** Made when first read from, forgotten with the next version. */
  #contents: Contents | null = null
  readonly reads: StoreReads

  constructor(catalog: EntityCatalog, clock: Clock) {
    this.#tables = new Tables(catalog)
    this.reads = memoryReads(() => (this.#contents ??= this.#index()), this.#tables, clock)
  }

  get head(): ConfigHead {
    return this.#head
  }

  /** Whether it can stand in for the database at all. */
  get isLoaded(): boolean {
    return this.#isLoaded
  }

  holds(entity: string): boolean {
    return this.#tables.get(entity).exported
  }

  /** Brings this copy to what the store holds now. */
  async follow(store: Pick<EntityStore, 'head' | 'changesSince' | 'export'>): Promise<void> {
    const { version, config_hash } = await store.head()
    if (this.#isLoaded && version === this.#head.version && config_hash === this.#head.config_hash) return
    const delta = this.#isLoaded && version > this.#head.version ? await store.changesSince(this.#head.version) : null
    if (delta === null) return this.#load(store)
    for (const { entity, key, row } of delta.changes) {
      if (row === null) this.#rows.get(entity)?.delete(key)
      else this.#put(this.#rows, entity, key, row)
    }
    this.#is({ version: delta.version, config_hash: delta.config_hash })
  }

  /** As of now, whatever comes meanwhile. */
  *batches(): Generator<readonly ExportedRow[]> {
    for (const { name: entity } of this.#tables.list) {
      const entries = [...(this.#rows.get(entity) ?? [])]
      for (let start = 0; start < entries.length; start += exportBatchRows) {
        const part = entries.slice(start, start + exportBatchRows)
        yield part.map(([key, text]) => ({ entity, key, row: JSON.parse(text) as Row }))
      }
    }
  }

  async export(): ReturnType<EntityStore['export']> {
    const rows = this.batches()
    return {
      head: this.#head,
      batches: (async function* () {
        for (const batch of rows) {
          yield batch
          await setImmediate()
        }
      })(),
    }
  }

  /** Without its rows, indexes cost twice their memory; once the database answers nobody reads here. */
  forgetIndexes(): void {
    this.#contents = null
  }

  async #load(store: Pick<EntityStore, 'export'>): Promise<void> {
    const rows: RowTexts = new Map()
    const { head, batches } = await store.export()
    for await (const batch of batches) {
      for (const { entity, key, row } of batch) this.#put(rows, entity, key, row)
    }
    this.#rows = rows
    this.#is(head)
  }

  #is(head: ConfigHead): void {
    this.#head = head
    this.#isLoaded = true
    this.#contents = null
  }

  #put(rows: RowTexts, entity: string, key: string, row: Row): void {
    let known = rows.get(entity)
    if (known === undefined) rows.set(entity, (known = new Map()))
    known.set(key, JSON.stringify(row))
  }

  #index(): Contents {
    return contentsOf([...this.batches()].flat(), this.#tables)
  }
}
