/** Writing rows: parents checked, children cascaded, unique values kept; all in memory until it is committed. */
import type { EntityCatalog } from '../../entities/catalog.ts'
import type { Row } from '../../entities/config.ts'
import { CACHE_KEY_COLUMN, type Table } from '../../schema/columns.ts'
import type { StoreError } from '../errors.ts'
import type { StoreTransaction } from '../store.ts'
import { invalidReference, notFound, primaryKeyViolation, referencedBy, uniqueViolation } from '../violations.ts'
import { CassandraReads, type ReadContext } from './cassandra-reads.ts'
import type { RecordPut } from './commit-plan.ts'
import { expiryOf, keyOf, parentsOf, storedForm, uniquesOf } from './rows.ts'
import { WrittenRows } from './written-rows.ts'

interface Doomed {
  readonly table: Table
  readonly key: string
  readonly row: Row
}

/** Rows in the database, as far as insertions ask. */
interface KnownRows {
  readonly keys: Set<string>
  readonly holders: Map<string, string>
}

// Insertions into one entity that ask the database for themselves.
const insertsByThemselves = 200
// Memory for more would be felt; then each row asks for itself.
const knownRowsMax = 200_000
// Expired rows that one insertion removes; `sweep` does the rest.
const expiredPerInsert = 100
const childrenPerRead = 500

export class CassandraTransaction extends CassandraReads implements StoreTransaction {
  readonly written: WrittenRows
  readonly records: RecordPut[] = []
  readonly #catalog: EntityCatalog
  readonly #inserted = new Map<string, number>()
  readonly #known = new Map<string, KnownRows>()
  #open = true

  constructor(context: ReadContext, catalog: EntityCatalog) {
    const written = new WrittenRows()
    super(context, 'decisive', written)
    this.written = written
    this.#catalog = catalog
  }

  /** What is written later would never be committed. */
  end(): void {
    this.#open = false
  }

  async insert(entity: string, row: Row): Promise<void> {
    const table = this.#writable(entity)
    const stored = storedForm(table, row)
    const key = keyOf(table, stored)
    // An expired row is invisible, so it must not be in the way either.
    if (table.ttl) await this.deleteExpired(table, expiredPerInsert)
    await this.#prepareForMany(table)
    const [before, dangling, taken] = await Promise.all([
      this.storedRow(entity, key),
      this.#missingParent(table, stored, null),
      this.#takenValue(table, stored, null),
    ])
    const refusal = dangling ?? (before === null ? taken : primaryKeyViolation({ [table.primary.field]: key }))
    if (refusal !== null) throw refusal
    this.#put(table, null, stored)
  }

  async update(entity: string, row: Row): Promise<void> {
    const table = this.#writable(entity)
    const stored = storedForm(table, row)
    const key = keyOf(table, stored)
    const before = await this.storedRow(entity, key)
    if (before === null) throw notFound({ [table.primary.field]: key })
    const [dangling, taken] = await Promise.all([
      this.#missingParent(table, stored, before),
      this.#takenValue(table, stored, before),
    ])
    const refusal = dangling ?? taken
    if (refusal !== null) throw refusal
    this.#put(table, before, stored)
  }

  async delete(entity: string, value: string, by?: string): Promise<Row | null> {
    const table = this.#writable(entity)
    const key = by === undefined || by === table.primary.field ? value : await this.holderOf(entity, by, value)
    const row = key === null ? null : await this.storedRow(entity, key)
    if (key === null || row === null) return null
    // All that goes is known, and allowed, before the first row does.
    const doomed = new Map<string, Doomed>()
    const orphans: { readonly entity: string; readonly row: Row }[] = []
    await this.#collect({ table, key, row }, doomed, orphans)
    for (const orphan of orphans) await this.update(orphan.entity, orphan.row)
    for (const member of doomed.values()) this.#put(member.table, member.row, null)
    return row
  }

  async record(collection: string, key: string, value: object, expiresAt?: number): Promise<void> {
    this.#checkOpen()
    this.records.push({ collection, key, value: JSON.stringify(value), expiresAt: expiresAt ?? null })
  }

  /** Deletes at most `max` rows whose time has passed, and returns how many there were. */
  async deleteExpired(table: Table, max: number): Promise<number> {
    const now = this.context.clock.now() / 1000
    const hints = await this.context.client.read(
      'select key from config_expiries where entity = ? and expires_at <= ? limit ?',
      [table.name, now, max],
      'decisive',
    )
    let count = 0
    for (const hint of hints) {
      const row = await this.storedRow(table.name, hint['key'] as string)
      const expiry = expiryOf(table, row)
      if (expiry === null || expiry > now) continue
      await this.delete(table.name, hint['key'] as string)
      count += 1
    }
    return count
  }

  #writable(entity: string): Table {
    this.#checkOpen()
    return this.context.tables.get(entity)
  }

  #checkOpen(): void {
    if (!this.#open) throw new Error('invariant broken: a transaction is used only while its work runs')
  }

  #put(table: Table, before: Row | null, after: Row | null): void {
    this.#checkOpen()
    this.written.put(table, before, after)
  }

  /** Children before parents: data planes delete in this order. */
  async #collect(
    member: Doomed,
    doomed: Map<string, Doomed>,
    orphans: { readonly entity: string; readonly row: Row }[],
  ): Promise<void> {
    for (const { entity, field, on_delete } of this.#catalog.references(member.table.name)) {
      const child = this.context.tables.get(entity.name)
      const children = this.scan(child, null, childrenPerRead, { where: { [field]: member.key } })
      for await (const { key, row } of children) {
        if (on_delete === 'restrict') throw referencedBy(member.table.name, child.name)
        if (doomed.has(`${child.name} ${key}`)) continue
        if (on_delete === 'null') orphans.push({ entity: child.name, row: { ...row, [field]: null } })
        else await this.#collect({ table: child, key, row }, doomed, orphans)
      }
    }
    doomed.set(`${member.table.name} ${member.key}`, member)
  }

  async #missingParent(table: Table, row: Row, before: Row | null): Promise<StoreError | null> {
    const known = new Map(before === null ? [] : parentsOf(table, before))
    for (const [field, id] of parentsOf(table, row)) {
      if (known.get(field) === id) continue
      const parent = this.context.tables.column(table, field).references!
      if ((await this.find(parent, id)) === null) return invalidReference({ id }, field, parent)
    }
    return null
  }

  async #takenValue(table: Table, row: Row, before: Row | null): Promise<StoreError | null> {
    const key = keyOf(table, row)
    const known = new Map(before === null ? [] : uniquesOf(table, before))
    const fresh = uniquesOf(table, row).filter(([field, value]) => known.get(field) !== value)
    const holders = await Promise.all(fresh.map(([field, value]) => this.holderOf(table.name, field, value)))
    for (const [at, [field]] of fresh.entries()) {
      const holder = holders[at] ?? null
      if (holder === null || holder === key) continue
      if (table.ttl && (await this.find(table.name, holder)) === null) {
        await this.delete(table.name, holder)
        continue
      }
      const fields = field === CACHE_KEY_COLUMN ? table.cacheKey! : [field]
      return uniqueViolation(Object.fromEntries(fields.map(name => [name, row[name] ?? null])))
    }
    return null
  }

  /** Two questions to the database for each of thousands of rows would take minutes; one look at all rows answers them. */
  async #prepareForMany(table: Table): Promise<void> {
    const count = (this.#inserted.get(table.name) ?? 0) + 1
    this.#inserted.set(table.name, count)
    if (count !== insertsByThemselves) return
    const known: KnownRows = { keys: new Set(), holders: new Map() }
    for await (const { key, row } of this.storedScan(table)) {
      known.keys.add(key)
      for (const [field, value] of uniquesOf(table, row)) known.holders.set(`${field}\0${value}`, key)
      if (known.keys.size > knownRowsMax) return
    }
    this.#known.set(table.name, known)
  }

  override async storedRow(entity: string, key: string): Promise<Row | null> {
    const known = this.#known.get(entity)
    if (known !== undefined && !known.keys.has(key)) return this.written.get(entity, key)?.after ?? null
    return super.storedRow(entity, key)
  }

  override async holderOf(entity: string, field: string, value: string): Promise<string | null> {
    const known = this.#known.get(entity)
    if (known === undefined) return super.holderOf(entity, field, value)
    const written = this.written.holderOf(entity, field, value)
    return written === undefined ? (known.holders.get(`${field}\0${value}`) ?? null) : written
  }
}
