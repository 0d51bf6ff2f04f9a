/** Finding rows, within a transaction or outside of one. */
import type { Clock } from '../../base/clock.ts'
import type { Row } from '../../entities/config.ts'
import {
  CACHE_KEY_COLUMN,
  cacheKeyOf,
  type ColumnValue,
  decodeRow,
  encodeValue,
  type Table,
  TTL_FIELD,
} from '../../schema/columns.ts'
import type { Page, PageOptions, StoreReads, TagPage } from '../store.ts'
import type { Sql } from './engine.ts'
import type { Tables } from './tables.ts'

/** SQLite allows 32,766 parameters, PostgreSQL 65,535; this many keep a statement short. */
const keysPerStatement = 500

export class SqlReads implements StoreReads {
  protected readonly db: Sql
  protected readonly tables: Tables
  protected readonly clock: Clock

  constructor(db: Sql, tables: Tables, clock: Clock) {
    this.db = db
    this.tables = tables
    this.clock = clock
  }

  async find(entity: string, key: string): Promise<Row | null> {
    const table = this.tables.get(entity)
    return this.#first(table, table.primary.name, key)
  }

  async findBy(entity: string, fields: Readonly<Record<string, string | null>>): Promise<Row | null> {
    const table = this.tables.get(entity)
    const names = Object.keys(fields)
    if (table.cacheKey !== null && names.length > 1) {
      return this.#first(table, CACHE_KEY_COLUMN, cacheKeyOf(table, fields))
    }
    const column = this.tables.column(table, names[0] ?? '')
    return this.#first(table, column.name, encodeValue(column, fields[names[0]!]))
  }

  async page(entity: string, { size, after, tags, where }: PageOptions): Promise<Page> {
    const table = this.tables.get(entity)
    const primary = `${table.name}.${table.primary.name}`
    let query = this.#live(table)
    // The column that both orders and bounds the page; the database walks its index.
    let position = primary
    if (tags !== undefined && 'any' in tags) {
      const tagged = this.db
        .selectFrom('entity_tags')
        .select('entity_id')
        .where('entity_name', '=', entity)
        .where('tag', 'in', tags.any)
      query = query.where(primary, 'in', tagged)
    } else {
      for (const [at, tag] of (tags?.all ?? []).entries()) {
        query = query.innerJoin(`entity_tags as tag${at}`, join =>
          join
            .onRef(`tag${at}.entity_id`, '=', primary)
            .on(`tag${at}.entity_name`, '=', entity)
            .on(`tag${at}.tag`, '=', tag),
        )
        position = 'tag0.entity_id'
      }
    }
    if (after !== null) query = query.where(position, '>', after)
    for (const [field, value] of Object.entries(where ?? {})) {
      const column = this.tables.column(table, field)
      query = query.where(`${table.name}.${column.name}`, '=', encodeValue(column, value))
    }
    // One more than asked for, to know whether a further page exists.
    const stored = await query
      .orderBy(position)
      .limit(size + 1)
      .execute()
    const rows = stored.slice(0, size).map(columns => decodeRow(table, columns))
    const next = stored.length > size ? (rows.at(-1)?.[table.primary.field] as string) : null
    return { rows, next }
  }

  async tags({ size, after, tag }: Parameters<StoreReads['tags']>[0]): Promise<TagPage> {
    let query = this.db.selectFrom('entity_tags').select(['tag', 'entity_name', 'entity_id'])
    if (tag !== undefined) query = query.where('tag', '=', tag)
    if (after !== null) {
      const [afterTag, entityName, entityId] = after
      query = query.where(eb =>
        eb.or([
          eb('tag', '>', afterTag),
          eb.and([eb('tag', '=', afterTag), eb('entity_name', '>', entityName)]),
          eb.and([eb('tag', '=', afterTag), eb('entity_name', '=', entityName), eb('entity_id', '>', entityId)]),
        ]),
      )
    }
    const stored = await query
      .orderBy('tag')
      .orderBy('entity_name')
      .orderBy('entity_id')
      .limit(size + 1)
      .execute()
    const rows = stored.slice(0, size).map(columns => ({ ...columns })) as unknown as TagPage['rows']
    const last = stored.length > size ? rows.at(-1) : undefined
    return { rows, next: last === undefined ? null : [last.tag, last.entity_name, last.entity_id] }
  }

  /** Rows by primary key, expired ones too: what the change log and the hash speak of. */
  async stored(table: Table, keys: readonly string[]): Promise<Map<string, Row>> {
    const rows = new Map<string, Row>()
    if (keys.length === 1) {
      const found = await this.tables.statements.run(this.db, `stored ${table.name}`, [keys[0]!], () =>
        this.db.selectFrom(table.name).selectAll().where(table.primary.name, '=', keys[0]!),
      )
      for (const columns of found) rows.set(keys[0]!, decodeRow(table, columns))
      return rows
    }
    for (let start = 0; start < keys.length; start += keysPerStatement) {
      const part = keys.slice(start, start + keysPerStatement)
      const found = await this.db.selectFrom(table.name).selectAll().where(table.primary.name, 'in', part).execute()
      for (const columns of found) rows.set(columns[table.primary.name] as string, decodeRow(table, columns))
    }
    return rows
  }

  /** All rows of a table in batches, expired ones too. */
  async *all(table: Table, size: number): AsyncGenerator<readonly Row[]> {
    let after: string | null = null
    for (;;) {
      let query = this.db.selectFrom(table.name).selectAll()
      if (after !== null) query = query.where(table.primary.name, '>', after)
      const stored = await query.orderBy(table.primary.name).limit(size).execute()
      if (stored.length > 0) yield stored.map(columns => decodeRow(table, columns))
      if (stored.length < size) return
      after = stored.at(-1)![table.primary.name] as string
    }
  }

  #live(table: Table) {
    const query = this.db.selectFrom(table.name).selectAll(table.name)
    if (!table.ttl) return query
    const now = this.clock.now() / 1000
    return query.where(eb => eb.or([eb(TTL_FIELD, 'is', null), eb(TTL_FIELD, '>', now)]))
  }

  async #first(table: Table, column: string, value: ColumnValue): Promise<Row | null> {
    const values = table.ttl ? [this.clock.now() / 1000, value] : [value]
    const [columns] = await this.tables.statements.run(this.db, `first ${table.name} ${column}`, values, () =>
      this.#live(table).where(column, '=', value),
    )
    return columns === undefined ? null : decodeRow(table, columns)
  }
}
