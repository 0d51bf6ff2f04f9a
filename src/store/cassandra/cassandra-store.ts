/** EntityStore in Cassandra: transactions, versions, deltas and exports over the commit log. */
import { setImmediate } from 'node:timers/promises'
import { type Clock, sleep } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { EntityCatalog } from '../../entities/catalog.ts'
import type { ConfigChange, ConfigDelta, ConfigHead, Row } from '../../entities/config.ts'
import { toggleDigest } from '../../entities/config-digest.ts'
import type { Table } from '../../schema/columns.ts'
import { StoreError } from '../errors.ts'
import type { Tables } from '../sql/tables.ts'
import {
  CHANGES_LENGTH_MAX,
  type EntityStore,
  type ExportedRow,
  type StoreCapabilities,
  type StoreTransaction,
} from '../store.ts'
import type { CassandraClient } from './cassandra-client.ts'
import { CassandraReads, type StoredRow } from './cassandra-reads.ts'
import { cassandraRecords } from './cassandra-records.ts'
import { compareText } from './cassandra-tables.ts'
import { CassandraTransaction } from './cassandra-transaction.ts'
import { CommitLog, intentMsMax, rowBefore, type StoreHead } from './commit-log.ts'
import type { RowChange } from './commit-plan.ts'
import { HeadListeners } from '../head-listeners.ts'

export interface CassandraStoreParts {
  readonly client: CassandraClient
  readonly tables: Tables
  readonly catalog: EntityCatalog
  readonly clock: Clock
  readonly logger: Logger
  readonly pollMs: number
  readonly changesKept: number
  /** How long another node's commit may be under way before this one completes it. */
  readonly patienceMs?: number
}

const capabilities: StoreCapabilities = {
  writes: true,
  // By the commit log: decided at one point, completed by whoever finds it incomplete.
  transactions: true,
  foreignKeys: true,
  // A row that went by itself would leave the configuration's hash wrong and data planes untold.
  nativeTtl: false,
  notifies: false,
  sharedBetweenNodes: true,
}

const exportBatchRows = 500
// Less than intents are kept, from which an export learns what rows were when it began.
const exportMsMax = 10 * 60_000
const sweepBatchRows = 500
const transactionMsMax = 3 * 60_000
// Other nodes' commits that one transaction gives way to before it asks for its turn.
const givenWayMax = 2
const triesMax = 50
const turnMsMax = 30_000
const turnLookMs = 20

export async function createCassandraStore(parts: CassandraStoreParts): Promise<EntityStore> {
  const store = new CassandraStore(parts)
  await store.open()
  return store
}

class CassandraStore implements EntityStore {
  readonly capabilities = capabilities
  readonly records: EntityStore['records']
  readonly #parts: CassandraStoreParts
  readonly #log: CommitLog
  readonly #reads: CassandraReads
  readonly #heads: HeadListeners
  #last: Promise<unknown> = Promise.resolve()
  /** Of the last commit made here; most often nobody else has made one since, and if so, deciding tells. */
  #own: StoreHead | null = null
  #poll: { cancel(): void } | null = null
  #polling = false
  #closed = false

  constructor(parts: CassandraStoreParts) {
    const { client, tables, clock, logger } = parts
    this.#parts = parts
    this.#log = new CommitLog(client, tables, clock, parts.patienceMs)
    this.#reads = new CassandraReads(parts, 'outside')
    this.#heads = new HeadListeners(logger)
    this.records = cassandraRecords(client, clock)
  }

  async open(): Promise<void> {
    this.#heads.begin(publicHead(await this.#log.settled()))
    this.#poll = this.#parts.clock.every(this.#parts.pollMs, () => void this.#look())
  }

  find(entity: string, key: string) {
    return this.#reads.find(entity, key)
  }

  findBy(entity: string, fields: Parameters<EntityStore['findBy']>[1]) {
    return this.#reads.findBy(entity, fields)
  }

  page(entity: string, options: Parameters<EntityStore['page']>[1]) {
    return this.#reads.page(entity, options)
  }

  tags(options: Parameters<EntityStore['tags']>[0]) {
    return this.#reads.tags(options)
  }

  /** One after the other within a process; against other nodes by trying again. */
  transaction<T>(work: (transaction: StoreTransaction) => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new StoreError('database_error', 'the store is closed'))
    const result = this.#last.then(() => this.#run(work))
    this.#last = result.catch(() => undefined)
    return result
  }

  async head(): Promise<ConfigHead> {
    return publicHead(await this.#log.settled())
  }

  onHead(listener: (head: ConfigHead) => void): () => void {
    return this.#heads.add(listener)
  }

  /** Deletions first, children before parents; then rows, parents before children: no step leaves a dangling child. */
  async changesSince(version: number): Promise<ConfigDelta | null> {
    const head = await this.#log.settled()
    // A version from the future belongs to another history: the tables were restored from a backup.
    if (version < head.prunedTo || version > head.version) return null
    const keys = new Map<string, Set<string>>()
    for (const entry of await this.#log.entriesAfter({ version }, head)) {
      for (const [entity, key] of entry.keys) keys.set(entity, (keys.get(entity) ?? new Set()).add(key))
    }
    const rows = new Map<Table, Map<string, Row>>()
    for (const table of this.#parts.tables.list) {
      const changed = keys.get(table.name)
      if (changed !== undefined) rows.set(table, await this.#decisive().storedRows(table, [...changed]))
    }
    const undone = new Map<string, RowChange>()
    await this.#log.undo(head, await this.#log.read(), undone)
    const deletions: ConfigChange[] = []
    const puts: ConfigChange[] = []
    let length = 0
    for (const [{ name: entity }, found] of rows) {
      for (const key of keys.get(entity)!) {
        const row = rowBefore(undone, entity, key, found.get(key) ?? null)
        length += row === null ? key.length : JSON.stringify(row).length
        if (length > CHANGES_LENGTH_MAX) return null
        if (row === null) deletions.unshift({ entity, key, row })
        else puts.push({ entity, key, row })
      }
    }
    return { ...publicHead(head), from: version, changes: [...deletions, ...puts] }
  }

  async export(): ReturnType<EntityStore['export']> {
    const head = await this.#log.settled()
    return { head: publicHead(head), batches: this.#batches(head) }
  }

  async ping(): Promise<boolean> {
    try {
      await this.#log.read()
      return true
    } catch {
      return false // The question was whether it answers.
    }
  }

  async sweep(): Promise<number> {
    let swept = 0
    for (const table of this.#parts.tables.list.filter(candidate => candidate.ttl)) {
      let count: number
      do {
        count = await this.transaction(tx => (tx as CassandraTransaction).deleteExpired(table, sweepBatchRows))
        swept += count
      } while (count === sweepBatchRows)
    }
    await this.#sweepIntents()
    return swept
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#poll?.cancel()
    await this.#last
    await this.#log.marked()
    await this.#parts.client.close()
  }

  async #run<T>(work: (transaction: StoreTransaction) => Promise<T>): Promise<T> {
    const { catalog, clock } = this.#parts
    const deadline = clock.monotonic() + transactionMsMax
    let turn: string | null = null
    try {
      for (let tries = 0; tries < triesMax; tries += 1) {
        if (tries > givenWayMax && turn === null) turn = await this.#askTurn()
        const base = (tries === 0 ? this.#own : null) ?? (await this.#baseOf(turn))
        const transaction = new CassandraTransaction(this.#parts, catalog)
        let value: T
        try {
          value = await within(deadline, clock, work(transaction))
        } catch (error) {
          // What it read may have been half of another node's commit; then it is not its fault.
          if (error instanceof StoreError && (await this.#hasMoved(base))) continue
          throw error
        } finally {
          transaction.end()
        }
        const head = await this.#commit(base, transaction)
        this.#own = head
        if (head === null) continue
        this.#heads.tell(publicHead(head))
        return value
      }
    } finally {
      if (turn !== null) await this.#log.endTurn(turn).catch(() => undefined) // It ends by itself, too.
    }
    throw new StoreError('database_error', 'other nodes write all the time; the change was not made')
  }

  /** Null when another node was faster. */
  async #commit(base: StoreHead, { written, records }: CassandraTransaction): Promise<StoreHead | null> {
    if (written.isEmpty && records.length === 0) return base
    const changes = base.changes + written.exported
    const version = base.version + (written.exported > 0 ? 1 : 0)
    return this.#log.commit(
      base,
      { rows: written.all(), records },
      {
        version,
        config_hash: toggleDigest(base.config_hash, written.digests),
        changes,
        ...(await this.#log.pruning(base, version, changes, this.#parts.changesKept)),
      },
    )
  }

  async #hasMoved(base: StoreHead): Promise<boolean> {
    return (await this.#log.read()).revision !== base.revision
  }

  /** Where the store stands, once nobody else has asked to go first. */
  async #baseOf(turn: string | null): Promise<StoreHead> {
    const { clock } = this.#parts
    const deadline = clock.monotonic() + turnMsMax
    for (;;) {
      const head = await this.#log.settled()
      if (head.turn === null || head.turn === turn || clock.monotonic() > deadline) return head
      await sleep(clock, turnLookMs)
    }
  }

  async #askTurn(): Promise<string> {
    const who = crypto.randomUUID()
    await this.#log.takeTurn(who)
    return who
  }

  #decisive(): CassandraReads {
    return new CassandraReads(this.#parts, 'decisive')
  }

  /** Rows are read as they are, and then put back to what they were at `head` by the commits made since. */
  async *#batches(head: StoreHead): AsyncGenerator<readonly ExportedRow[]> {
    const { tables, clock } = this.#parts
    const deadline = clock.monotonic() + exportMsMax
    const reads = this.#decisive()
    const undone = new Map<string, RowChange>()
    let until = head
    for (const table of tables.list.filter(candidate => candidate.exported)) {
      let after: string | null = null
      for await (const { rows, last } of batched(reads.scan(table, null, exportBatchRows), exportBatchRows)) {
        if (clock.monotonic() > deadline) {
          throw new StoreError('database_error', 'the export was not read within its time')
        }
        const now = await this.#log.read()
        await this.#log.undo(until, now, undone)
        until = now
        const through = last ? null : rows.at(-1)!.key
        const batch = asBefore(table.name, rows, undone, after, through)
        if (batch.length > 0) yield batch
        after = through
        await setImmediate()
      }
    }
  }

  async #look(): Promise<void> {
    if (this.#polling || this.#closed) return
    this.#polling = true
    try {
      this.#heads.tell(await this.head())
    } catch (error) {
      if (!this.#closed) this.#parts.logger.error('cannot read the configuration version', { error: String(error) })
    } finally {
      this.#polling = false
    }
  }

  /** A commit without changes comes first: after it, no old intent can still be decided. */
  async #sweepIntents(): Promise<void> {
    const old = await this.#log.intentsBefore(this.#parts.clock.now() - intentMsMax)
    if (old.length === 0) return
    const base = await this.#log.settled()
    const { version, config_hash, changes, prunedTo, prunedChanges } = base
    const head = await this.#log.commit(
      base,
      { rows: [], records: [] },
      {
        version,
        config_hash,
        changes,
        prunedTo,
        prunedChanges,
        forgetTo: null,
      },
    )
    if (head !== null) await this.#log.forget(old)
  }
}

function publicHead({ version, config_hash }: StoreHead): ConfigHead {
  return { version, config_hash }
}

/** The last batch may be empty: rows that are gone since may belong there. */
async function* batched(
  source: AsyncIterable<StoredRow>,
  size: number,
): AsyncGenerator<{ rows: StoredRow[]; last: boolean }> {
  let rows: StoredRow[] = []
  for await (const row of source) {
    if (rows.length === size) {
      yield { rows, last: false }
      rows = []
    }
    rows.push(row)
  }
  yield { rows, last: true }
}

/** Rows with keys after `after` up to `through` (null: all that follow) as they were. */
function asBefore(
  entity: string,
  rows: readonly StoredRow[],
  undone: ReadonlyMap<string, RowChange>,
  after: string | null,
  through: string | null,
): ExportedRow[] {
  const batch: ExportedRow[] = []
  for (const { key, row } of rows) {
    if (!undone.has(`${entity}\0${key}`)) batch.push({ entity, key, row })
  }
  for (const change of undone.values()) {
    if (change.entity !== entity || change.before === null) continue
    if (after !== null && compareText(change.key, after) <= 0) continue
    if (through !== null && compareText(change.key, through) > 0) continue
    batch.push({ entity, key: change.key, row: change.before })
  }
  return batch
}

/** Work that never ends would hold up every other write of the process for ever. */
async function within<T>(deadline: number, clock: Clock, work: Promise<T>): Promise<T> {
  const limit = Promise.withResolvers<never>()
  const timer = clock.after(Math.max(0, deadline - clock.monotonic()), () => {
    limit.reject(new StoreError('database_error', `a transaction took more than ${transactionMsMax / 1000} seconds`))
  })
  try {
    return await Promise.race([work, limit.promise])
  } finally {
    timer.cancel()
  }
}
