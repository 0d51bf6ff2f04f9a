/** Finding rows, by the table that is shaped for each question; within a transaction, with its own writes on top. */
import type { Clock } from '../../base/clock.ts'
import type { Row } from '../../entities/config.ts'
import { CACHE_KEY_COLUMN, cacheKeyOf, type Table } from '../../schema/columns.ts'
import type { Tables } from '../sql/tables.ts'
import type { Page, PageOptions, StoreReads, TagPage, TagPosition } from '../store.ts'
import type { CassandraClient, ReadStrength } from './cassandra-client.ts'
import { BUCKETS, bucketOf, compareText } from './cassandra-tables.ts'
import { expiryOf, keyOf, parseRow, tagsOf, textOf } from './rows.ts'
import { inTurn, mergeOrdered, withoutRepeats } from './streams.ts'
import type { WrittenRows } from './written-rows.ts'

export interface ReadContext {
  readonly client: CassandraClient
  readonly tables: Tables
  readonly clock: Clock
}

export interface StoredRow {
  readonly key: string
  readonly row: Row
}

type Filter = Pick<PageOptions, 'where' | 'tags'>

// Keys looked up by one statement.
const keysAtOnce = 100
const keysPerRead = 1000

export class CassandraReads implements StoreReads {
  protected readonly context: ReadContext
  readonly #strength: ReadStrength
  readonly #written: WrittenRows | null

  constructor(context: ReadContext, strength: ReadStrength, written: WrittenRows | null = null) {
    this.context = context
    this.#strength = strength
    this.#written = written
  }

  async find(entity: string, key: string): Promise<Row | null> {
    return this.#live(this.context.tables.get(entity), await this.storedRow(entity, key))
  }

  async findBy(entity: string, fields: Readonly<Record<string, string | null>>): Promise<Row | null> {
    const table = this.context.tables.get(entity)
    const names = Object.keys(fields)
    const isComposite = table.cacheKey !== null && names.length > 1
    const field = isComposite ? CACHE_KEY_COLUMN : (names[0] ?? '')
    const value = isComposite ? cacheKeyOf(table, fields) : (fields[field] ?? null)
    if (value === null) return null
    if (!isComposite && this.context.tables.column(table, field).unique !== true) {
      const { rows } = await this.page(entity, { size: 1, after: null, where: { [field]: value } })
      return rows[0] ?? null
    }
    const key = await this.holderOf(entity, field, value)
    return key === null ? null : this.find(entity, key)
  }

  async page(entity: string, { size, after, tags, where }: PageOptions): Promise<Page> {
    const table = this.context.tables.get(entity)
    const rows: Row[] = []
    const filter = { ...(tags === undefined ? {} : { tags }), ...(where === undefined ? {} : { where }) }
    // One more than asked for, to know whether a further page exists.
    for await (const { row } of this.scan(table, after, size + 1, filter)) {
      if (this.#live(table, row) === null) continue
      rows.push(row)
      if (rows.length > size) break
    }
    const shown = rows.slice(0, size)
    return { rows: shown, next: rows.length > size ? keyOf(table, shown.at(-1)!) : null }
  }

  async tags({ size, after, tag }: Parameters<StoreReads['tags']>[0]): Promise<TagPage> {
    const rows: TagPage['rows'][number][] = []
    let next: TagPosition | null = null
    for await (const [name, entity_name, entity_id] of this.#tagPositions(after, tag, size + 1)) {
      if (!this.context.tables.has(entity_name)) continue
      if (rows.length === size) {
        const last = rows.at(-1)!
        next = [last.tag, last.entity_name, last.entity_id]
        break
      }
      rows.push({ tag: name, entity_name, entity_id })
    }
    return { rows, next }
  }

  /** Expired ones too: what the change log and the hash speak of. */
  async storedRow(entity: string, key: string): Promise<Row | null> {
    const written = this.#written?.get(entity, key)
    if (written !== undefined) return written.after
    const [found] = await this.context.client.read(
      'select row from config_rows where entity = ? and bucket = ? and key = ?',
      [entity, bucketOf(key), key],
      this.#strength,
    )
    return found === undefined ? null : parseRow(this.context.tables.get(entity), found['row'] as string)
  }

  /** The key of the row that holds a unique value, expired or not. */
  async holderOf(entity: string, field: string, value: string): Promise<string | null> {
    const written = this.#written?.holderOf(entity, field, value)
    if (written !== undefined) return written
    const [found] = await this.context.client.read(
      'select key from config_unique where entity = ? and field = ? and value = ?',
      [entity, field, value],
      this.#strength,
    )
    return found === undefined ? null : (found['key'] as string)
  }

  /** Rows in order of their keys, expired ones too. */
  async *scan(table: Table, after: string | null, batch: number, filter: Filter = {}): AsyncGenerator<StoredRow> {
    const fits = (row: Row) => matches(row, filter)
    const stored = this.#storedRows(table, after, Math.min(batch, keysPerRead), filter)
    const written = this.#written
    if (written === null) {
      for await (const found of stored) if (fits(found.row)) yield found
      return
    }
    const own = written
      .of(table.name)
      .flatMap(({ key, after: row }) => (row === null || !fits(row) ? [] : [{ key, row }]))
      .filter(({ key }) => after === null || compareText(key, after) > 0)
      .sort((a, b) => compareText(a.key, b.key))
    async function* others() {
      for await (const found of stored) {
        if (written!.get(table.name, found.key) === undefined && fits(found.row)) yield found
      }
    }
    yield* mergeOrdered([others(), inTurn(own)], (a, b) => compareText(a.key, b.key))
  }

  async *#storedRows(
    table: Table,
    after: string | null,
    batch: number,
    { tags, where }: Filter,
  ): AsyncGenerator<StoredRow> {
    const keys = this.#indexedKeys(table, after, batch, { ...(tags && { tags }), ...(where && { where }) })
    if (keys === null) return yield* this.#all(table, after, batch)
    for await (const group of groups(keys, Math.min(batch, keysAtOnce))) yield* this.#rowsOf(table, group)
  }

  /** Keys from the narrowest table that knows; null when only all rows will do. */
  #indexedKeys(
    table: Table,
    after: string | null,
    batch: number,
    { tags, where = {} }: Filter,
  ): AsyncIterable<string> | null {
    const foreign = Object.keys(where).find(field => this.context.tables.column(table, field).references !== null)
    if (foreign !== undefined) return this.#children(table.name, foreign, where[foreign]!, after, batch)
    if (tags === undefined) return null
    if ('all' in tags) return tags.all[0] === undefined ? null : this.#tagged(table.name, tags.all[0], after, batch)
    const streams = [...new Set(tags.any)].map(tag => this.#tagged(table.name, tag, after, batch))
    return withoutRepeats(mergeOrdered(streams, compareText))
  }

  async *#children(
    entity: string,
    field: string,
    parent: string,
    after: string | null,
    batch: number,
  ): AsyncGenerator<string> {
    const query = 'select key from config_children where entity = ? and field = ? and parent = ? and key > ? limit ?'
    yield* this.#keys(query, [entity, field, parent], after, batch)
  }

  async *#tagged(entity: string, tag: string, after: string | null, batch: number): AsyncGenerator<string> {
    const query = 'select key from config_tags where bucket = ? and tag = ? and entity = ? and key > ? limit ?'
    yield* this.#keys(query, [bucketOf(tag), tag, entity], after, batch)
  }

  async *#keys(query: string, values: readonly (string | number)[], after: string | null, batch: number) {
    for (let last = after ?? ''; ; ) {
      const found = await this.context.client.read(query, [...values, last, batch], this.#strength)
      for (const { key } of found) yield key as string
      if (found.length < batch) return
      last = found.at(-1)!['key'] as string
    }
  }

  /** All partitions of an entity, in order; the later ones at once, since the first had fewer than asked for. */
  async *#all(table: Table, after: string | null, batch: number): AsyncGenerator<StoredRow> {
    const first = after === null ? 0 : bucketOf(after)
    const read = async (bucket: number, last: string) =>
      this.context.client.read(
        'select key, row from config_rows where entity = ? and bucket = ? and key > ? limit ?',
        [table.name, bucket, last, batch],
        this.#strength,
      )
    let atOnce = 1
    for (let bucket = first; bucket < BUCKETS; ) {
      const buckets = Array.from({ length: Math.min(atOnce, BUCKETS - bucket) }, (_, at) => bucket + at)
      const pages = await Promise.all(buckets.map(each => read(each, each === first ? (after ?? '') : '')))
      for (let [at, page] of pages.entries()) {
        for (;;) {
          for (const { key, row } of page) yield { key: key as string, row: parseRow(table, row as string) }
          if (page.length < batch) break
          page = await read(buckets[at]!, page.at(-1)!['key'] as string)
        }
      }
      bucket += buckets.length
      atOnce = pages.some(page => page.length === batch) ? 1 : atOnce * 4
    }
  }

  /** All rows that the database has; the transaction's own writes do not count. */
  storedScan(table: Table): AsyncGenerator<StoredRow> {
    return this.#all(table, null, keysPerRead)
  }

  async *#rowsOf(table: Table, keys: readonly string[]): AsyncGenerator<StoredRow> {
    const rows = await this.storedRows(table, keys)
    for (const key of keys) {
      const row = rows.get(key)
      if (row !== undefined) yield { key, row }
    }
  }

  /** Rows by key as the database has them; the transaction's own writes do not count. */
  async storedRows(table: Table, keys: readonly string[]): Promise<Map<string, Row>> {
    const byBucket = Map.groupBy(keys, bucketOf)
    const statements: Promise<readonly Readonly<Record<string, unknown>>[]>[] = []
    const query = 'select key, row from config_rows where entity = ? and bucket = ? and key in ?'
    for (const [bucket, members] of byBucket) {
      for (let start = 0; start < members.length; start += keysAtOnce) {
        const part = members.slice(start, start + keysAtOnce)
        statements.push(this.context.client.read(query, [table.name, bucket, part], this.#strength))
      }
    }
    const rows = new Map<string, Row>()
    for (const found of await Promise.all(statements)) {
      for (const { key, row } of found) rows.set(key as string, parseRow(table, row as string))
    }
    return rows
  }

  async *#tagPositions(after: TagPosition | null, tag: string | undefined, batch: number): AsyncGenerator<TagPosition> {
    const stored = this.#storedTags(after, tag, batch)
    const written = this.#written
    if (written === null) return yield* stored
    const own = written
      .all()
      .flatMap(({ entity, key, after: row }) => tagsOf(row).map((name): TagPosition => [name, entity, key]))
      .filter(
        position => (tag === undefined || position[0] === tag) && (after === null || compareTags(position, after) > 0),
      )
      .sort(compareTags)
    async function* others() {
      for await (const position of stored) if (written!.get(position[1], position[2]) === undefined) yield position
    }
    yield* mergeOrdered([others(), inTurn(own)], compareTags)
  }

  async *#storedTags(after: TagPosition | null, tag: string | undefined, batch: number): AsyncGenerator<TagPosition> {
    const first = tag === undefined ? (after === null ? 0 : bucketOf(after[0])) : bucketOf(tag)
    const last = tag === undefined ? BUCKETS - 1 : first
    let position: TagPosition = after ?? [tag ?? '', '', '']
    for (let bucket = first; bucket <= last; ) {
      const found = await this.context.client.read(
        'select tag, entity, key from config_tags where bucket = ? and (tag, entity, key) > (?, ?, ?) limit ?',
        [bucket, ...position, batch],
        this.#strength,
      )
      for (const row of found) {
        position = [row['tag'] as string, row['entity'] as string, row['key'] as string]
        if (tag !== undefined && position[0] !== tag) return
        yield position
      }
      if (found.length < batch) bucket += 1
    }
  }

  #live(table: Table, row: Row | null): Row | null {
    const expiry = expiryOf(table, row)
    return expiry === null || expiry > this.context.clock.now() / 1000 ? row : null
  }
}

function matches(row: Row, { tags, where = {} }: Filter): boolean {
  if (!Object.entries(where).every(([field, value]) => textOf(row[field]) === value)) return false
  if (tags === undefined) return true
  const own = new Set(tagsOf(row))
  return 'all' in tags ? tags.all.every(tag => own.has(tag)) : tags.any.some(tag => own.has(tag))
}

function compareTags(a: TagPosition, b: TagPosition): number {
  return compareText(a[0], b[0]) || compareText(a[1], b[1]) || compareText(a[2], b[2])
}

async function* groups(keys: AsyncIterable<string>, size: number): AsyncGenerator<string[]> {
  let group: string[] = []
  for await (const key of keys) {
    group.push(key)
    if (group.length < size) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}
