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
import { StoreError } from '../errors.ts'
import type { StoreTransaction } from '../store.ts'
import { invalidReference, notFound, outOfRange, primaryKeyViolation, uniqueViolation } from '../violations.ts'
import { PendingChanges } from './change-log.ts'
import { directOf } from './direct.ts'
import type { Sql, SqlEngine } from './engine.ts'
import { familyOf } from './family.ts'
import { SqlReads } from './reads.ts'
import { putStatement } from './records.ts'
import type { Tables } from './tables.ts'

export interface StoreContext {
  readonly engine: SqlEngine
  readonly catalog: EntityCatalog
  readonly tables: Tables
  readonly clock: Clock
}

export interface TransactionContext extends StoreContext {
  /** Expired rows are deleted before an insertion. */
  readonly removesExpired: boolean
  /** Set when the row that was in the way may be one that has expired. */
  mayBeExpired: boolean
}

const usedLate = 'invariant broken: a transaction is used only while its work runs'
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
  /** Rows that this transaction has read: nobody else writes meanwhile, so they need not be read again. */
  readonly #read = new Map<string, Row>()

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

  override async find(entity: string, key: string): Promise<Row | null> {
    const known = this.#read.get(`${entity}\0${key}`)
    if (known !== undefined) return known
    const row = await super.find(entity, key)
    if (row !== null) this.#read.set(`${entity}\0${key}`, row)
    return row
  }

  async insert(entity: string, row: Row): Promise<void> {
    const table = this.#writable(entity)
    const columns = this.#encode(table, row)
    const stored = decodeRow(table, columns)
    const key = columns[table.primary.name] as string
    await this.#checkParents(table, stored, null)
    if (table.ttl && this.#context.removesExpired) await this.deleteExpired(table, expiredPerInsert)
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
    const before = await this.#before(table, key)
    if (before === undefined) throw notFound({ [table.primary.field]: key })
    await this.#checkParents(table, stored, before)
    await this.#write(table, stored, () =>
      this.tables.statements.run(this.db, `update ${table.name}`, [...Object.values(columns), key], () =>
        this.db.updateTable(table.name).set(columns).where(table.primary.name, '=', key),
      ),
    )
    if (JSON.stringify(before['tags']) !== JSON.stringify(stored['tags'])) {
      await this.#dropTags(table, key, before)
      await this.#writeTags(table, key, stored)
    }
    this.#note(table, key, before, stored)
  }

  async delete(entity: string, key: string, by?: string): Promise<Row | null> {
    const table = this.#writable(entity)
    const column = by === undefined ? table.primary : this.tables.column(table, by)
    const known = column.primary ? this.#read.get(`${table.name}\0${key}`) : undefined
    // All that goes is known, and allowed, before the first row does.
    const family = await familyOf(this.db, this.#context, { table, column, value: key, known })
    if (family === null) return null
    for (const orphan of family.orphans) {
      this.#read.delete(`${orphan.table.name}\0${orphan.key}`)
      await this.update(orphan.table.name, orphan.row)
    }
    for (const member of family.doomed) {
      await this.#write(member.table, member.row, () =>
        this.tables.statements.run(this.db, `delete ${member.table.name}`, [member.key], () =>
          this.db.deleteFrom(member.table.name).where(member.table.primary.name, '=', member.key),
        ),
      )
      await this.#dropTags(member.table, member.key, member.row)
      this.#note(member.table, member.key, member.row, null)
    }
    return family.root.row
  }

  async record(collection: string, key: string, value: object, expiresAt?: number): Promise<void> {
    if (!this.#open) throw new Error(usedLate)
    const record = { collection, key, value: JSON.stringify(value), expires_at: expiresAt ?? null }
    await this.#send(async () => {
      await this.tables.statements.run(this.db, 'put record', [collection, key, record.value, record.expires_at], () =>
        putStatement(this.db, record),
      )
    })
  }

  async #before(table: Table, key: string): Promise<Row | undefined> {
    return this.#read.get(`${table.name}\0${key}`) ?? (await this.stored(table, [key])).get(key)
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
    if (!this.#open) throw new Error(usedLate)
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

  async #checkParents(table: Table, row: Row, before: Row | null): Promise<void> {
    for (const { field, references } of this.#context.catalog.foreignFields(table.name)) {
      const reference = row[field] as { readonly id: string } | null
      if (reference === null || (before?.[field] as typeof reference)?.id === reference.id) continue
      const check = async () => {
        if ((await this.find(references.name, reference.id)) !== null) return
        throw invalidReference({ id: reference.id }, field, references.name)
      }
      // The foreign key refuses the row of a missing parent; who asks for the parent only learns which one it is. Only
      // a parent that has expired is there and must not be.
      if (this.tables.get(references.name).ttl) await check()
      else await this.#send(check)
    }
  }

  async #write(table: Table, row: Row, write: () => Promise<unknown>): Promise<void> {
    await this.#send(() => this.#guard(table, row, write))
  }

  /** Where statements are pipelined, without waiting for the answer. */
  async #send(statement: () => Promise<void>): Promise<void> {
    if (!this.#context.engine.pipelines) return statement()
    const sent = statement()
      .catch(error => {
        // A foreign key's refusal does not say which value; who asked for the parent does.
        const isVague = this.#failure !== null && this.#context.engine.breach(this.#failure)?.kind === 'foreign'
        if (this.#failure === null || (isVague && error instanceof StoreError)) this.#failure = error
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
      if (table.ttl && !this.#context.removesExpired) this.#context.mayBeExpired = true
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
    const tags = tagsOf(row)
    if (tags.length === 0) return
    const rows = [...new Set(tags)].map(tag => ({ tag, entity_name: table.name, entity_id: key }))
    const { sql, parameters } = this.db.insertInto('entity_tags').values(rows).compile()
    // Sent before this function gives way to others: where statements are pipelined, the commit waits for nobody.
    await this.#write(table, row, async () => directOf(this.db)(sql, parameters))
  }

  async #dropTags(table: Table, key: string, row: Row): Promise<void> {
    if (!tagsOf(row).length) return
    await this.#write(table, row, () =>
      this.tables.statements.run(this.db, 'drop tags', [table.name, key], () =>
        this.db.deleteFrom('entity_tags').where('entity_name', '=', table.name).where('entity_id', '=', key),
      ),
    )
  }

  #note(table: Table, key: string, before: Row | null, after: Row | null): void {
    this.#read.delete(`${table.name}\0${key}`)
    if (!table.exported) return
    const digest = (row: Row | null) => (row === null ? null : rowDigest(table.name, key, row))
    this.pending.add(table.name, key, digest(before), digest(after))
  }
}

function tagsOf(row: Row): readonly string[] {
  const tags = row['tags']
  return Array.isArray(tags) ? (tags as string[]) : []
}
