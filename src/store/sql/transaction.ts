/** Writing rows, with everything that follows from it: parents checked, children cascaded, tags and change log kept. */
import type { Clock } from '../../base/clock.ts'
import type { EntityCatalog } from '../../entities/catalog.ts'
import type { Row } from '../../entities/config.ts'
import { rowDigest } from '../../entities/config-digest.ts'
import {
  CACHE_KEY_COLUMN,
  type ColumnValue,
  decodeRow,
  ColumnRangeError,
  encodeRow,
  type Table,
  TTL_FIELD,
} from '../../schema/columns.ts'
import type { StoreTransaction } from '../store.ts'
import {
  invalidReference,
  notFound,
  outOfRange,
  primaryKeyViolation,
  referencedBy,
  uniqueViolation,
} from '../violations.ts'
import { PendingChanges } from './change-log.ts'
import type { Sql, SqlEngine } from './engine.ts'
import { SqlReads } from './reads.ts'
import type { Tables } from './tables.ts'

export interface TransactionContext {
  readonly engine: SqlEngine
  readonly catalog: EntityCatalog
  readonly tables: Tables
  readonly clock: Clock
}

interface Doomed {
  readonly table: Table
  readonly key: string
  readonly row: Row
}

// Writes under way: enough to keep a distant database busy, few enough for memory.
const sentMax = 100
// Expired rows that one insertion removes; `sweep` does the rest.
const expiredPerInsert = 100

export class SqlTransaction extends SqlReads implements StoreTransaction {
  readonly pending = new PendingChanges()
  readonly #context: TransactionContext
  #open = true
  readonly #sent = new Set<Promise<void>>()
  #failure: unknown = null

  constructor(db: Sql, context: TransactionContext) {
    super(db, context.tables, context.clock)
    this.#context = context
  }

  /** From here on it is another transaction's turn; a late call must not write into that. */
  end(): void {
    this.#open = false
  }

  /**
   * Waits for all that was written, and throws the first refusal. Where statements are pipelined, a write is refused only
   * now, or by way of the next read; that read itself only says that the transaction is void.
   */
  async settle(): Promise<void> {
    await Promise.all(this.#sent)
    if (this.#failure !== null) throw this.#failure
  }

  async insert(entity: string, row: Row): Promise<void> {
    const table = this.#writable(entity)
    const columns = this.#encode(table, row)
    const stored = decodeRow(table, columns)
    const key = columns[table.primary.name] as string
    await this.#checkParents(table, stored, null)
    // An expired row is invisible, so it must not be in the way either.
    if (table.ttl) await this.deleteExpired(table, expiredPerInsert)
    await this.#write(table, stored, () =>
      this.tables.statements.run(this.db, `insert ${table.name}`, Object.values(columns), () =>
        this.db.insertInto(table.name).values(columns),
      ),
    )
    await this.#writeTags(table, key, stored)
    this.#note(table, key, null, stored)
  }

  async update(entity: string, row: Row): Promise<void> {
    const table = this.#writable(entity)
    const columns = this.#encode(table, row)
    const stored = decodeRow(table, columns)
    const key = columns[table.primary.name] as string
    const before = (await this.stored(table, [key])).get(key)
    if (before === undefined) throw notFound({ [table.primary.field]: key })
    await this.#checkParents(table, stored, before)
    await this.#write(table, stored, () =>
      this.db.updateTable(table.name).set(columns).where(table.primary.name, '=', key).execute(),
    )
    if (JSON.stringify(before['tags']) !== JSON.stringify(stored['tags'])) {
      await this.#dropTags(table, key)
      await this.#writeTags(table, key, stored)
    }
    this.#note(table, key, before, stored)
  }

  async delete(entity: string, key: string): Promise<void> {
    const table = this.#writable(entity)
    const row = (await this.stored(table, [key])).get(key)
    if (row === undefined) return
    // All that goes is known, and allowed, before the first row does.
    const doomed = new Map<string, Doomed>()
    const orphans: Doomed[] = []
    await this.#collect({ table, key, row }, doomed, orphans)
    for (const orphan of orphans) await this.update(orphan.table.name, orphan.row)
    for (const member of doomed.values()) {
      await this.db.deleteFrom(member.table.name).where(member.table.primary.name, '=', member.key).execute()
      await this.#dropTags(member.table, member.key)
      this.#note(member.table, member.key, member.row, null)
    }
  }

  /** Deletes at most `max` rows whose time has passed, and returns how many there were. */
  async deleteExpired(table: Table, max: number): Promise<number> {
    const expired = await this.db
      .selectFrom(table.name)
      .select(table.primary.name)
      .where(TTL_FIELD, '<=', this.clock.now() / 1000)
      .limit(max)
      .execute()
    for (const columns of expired) await this.delete(table.name, columns[table.primary.name] as string)
    return expired.length
  }

  #writable(entity: string): Table {
    if (!this.#open) throw new Error('invariant broken: a transaction is used only while its work runs')
    return this.tables.get(entity)
  }

  #encode(table: Table, row: Row): Record<string, ColumnValue> {
    try {
      return encodeRow(table, row)
    } catch (error) {
      if (error instanceof ColumnRangeError) throw outOfRange(error)
      throw error
    }
  }

  /** Children before parents, so that each deletion leaves the database whole. */
  async #collect(member: Doomed, doomed: Map<string, Doomed>, orphans: Doomed[]): Promise<void> {
    for (const { entity, field, on_delete } of this.#context.catalog.references(member.table.name)) {
      const child = this.tables.get(entity.name)
      const column = this.tables.column(child, field)
      const query = this.db.selectFrom(child.name).selectAll().where(column.name, '=', member.key)
      if (on_delete === 'restrict') {
        if ((await query.limit(1).executeTakeFirst()) !== undefined) throw referencedBy(member.table.name, child.name)
        continue
      }
      for (const columns of await query.execute()) {
        const row = decodeRow(child, columns)
        const key = columns[child.primary.name] as string
        if (doomed.has(`${child.name} ${key}`)) continue
        if (on_delete === 'null') orphans.push({ table: child, key, row: { ...row, [field]: null } })
        else await this.#collect({ table: child, key, row }, doomed, orphans)
      }
    }
    doomed.set(`${member.table.name} ${member.key}`, member)
  }

  async #checkParents(table: Table, row: Row, before: Row | null): Promise<void> {
    for (const { field, references } of this.#context.catalog.foreignFields(table.name)) {
      const reference = row[field] as { readonly id: string } | null
      if (reference === null || (before?.[field] as typeof reference)?.id === reference.id) continue
      if ((await this.find(references.name, reference.id)) === null) {
        throw invalidReference({ id: reference.id }, field, references.name)
      }
    }
  }

  async #write(table: Table, row: Row, write: () => Promise<unknown>): Promise<void> {
    if (!this.#context.engine.pipelines) return this.#guard(table, row, write)
    const sent = this.#guard(table, row, write)
      .catch(error => {
        this.#failure ??= error
      })
      .finally(() => this.#sent.delete(sent))
    this.#sent.add(sent)
    if (this.#sent.size >= sentMax) await sent
  }

  async #guard(table: Table, row: Row, write: () => Promise<unknown>): Promise<void> {
    try {
      await write()
    } catch (error) {
      const breach = this.#context.engine.breach(error)
      if (breach === null || breach.kind !== 'unique') throw error
      const column = breach.columns[0]
      if (column === table.primary.name) throw primaryKeyViolation({ [table.primary.field]: row[table.primary.field] })
      const fields = column === CACHE_KEY_COLUMN ? table.cacheKey! : [this.#fieldOf(table, column)]
      throw uniqueViolation(Object.fromEntries(fields.map(field => [field, row[field] ?? null])))
    }
  }

  #fieldOf(table: Table, column: string | undefined): string {
    return table.columns.find(candidate => candidate.name === column)?.field ?? String(column)
  }

  async #writeTags(table: Table, key: string, row: Row): Promise<void> {
    const tags = row['tags']
    if (!Array.isArray(tags) || tags.length === 0) return
    const rows = [...new Set(tags as string[])].map(tag => ({ tag, entity_name: table.name, entity_id: key }))
    await this.#write(table, row, () => this.db.insertInto('entity_tags').values(rows).execute())
  }

  async #dropTags(table: Table, key: string): Promise<void> {
    if (!table.tagged) return
    await this.db.deleteFrom('entity_tags').where('entity_name', '=', table.name).where('entity_id', '=', key).execute()
  }

  #note(table: Table, key: string, before: Row | null, after: Row | null): void {
    if (!table.exported) return
    const digest = (row: Row | null) => (row === null ? null : rowDigest(table.name, key, row))
    this.pending.add(table.name, key, digest(before), digest(after))
  }
}
