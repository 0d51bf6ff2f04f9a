/** The statements that carry out one commit: rows, and what the tables beside them hold. */
import type { Clock } from '../../base/clock.ts'
import { mapKey } from '../../base/map-key.ts'
import { TTL_FIELD } from '../../schema/columns.ts'
import type { Row } from '../../entities/config.ts'
import type { Tables } from '../sql/tables.ts'
import type { Statement, Value } from './cassandra-client.ts'
import { ttlOf } from './cassandra-records.ts'
import { bucketOf } from './cassandra-tables.ts'
import { expiryOf, parentsOf, tagsOf, uniquesOf } from './rows.ts'

/** One row that a commit changes; null where there is none. */
export interface RowChange {
  readonly entity: string
  readonly key: string
  readonly before: Row | null
  readonly after: Row | null
}

/** A record (cluster_records) that comes with a commit; `value` is JSON. */
export interface RecordPut {
  readonly collection: string
  readonly key: string
  readonly value: string
  readonly expiresAt: number | null
}

/** What one commit writes. */
export interface Commit {
  readonly rows: readonly RowChange[]
  readonly records: readonly RecordPut[]
}

/** As rows are: carried out again, they undo no later word. They have no row marker that would outlive their TTL. */
export function recordStatements(revision: number, records: readonly RecordPut[], clock: Clock): Statement[] {
  return records.map(({ collection, key, value, expiresAt }) => ({
    query:
      'update cluster_records using timestamp ? and ttl ? set value = ?, expires_at = ? where collection = ? and key = ?',
    values: [revision, ttlOf(expiresAt ?? undefined, clock), value, expiresAt, collection, key],
  }))
}

/**
 * `using timestamp` of all of them is the commit's number: run again, even after later commits, they change nothing.
 * At one time a deletion wins over a write, so nothing is both deleted and written.
 */
export function statementsOf(revision: number, changes: readonly RowChange[], tables: Tables): Statement[] {
  const statements: Statement[] = []
  const beside = new Beside(revision)
  for (const { entity, key, before, after } of changes) {
    const table = tables.get(entity)
    if (after === null) {
      statements.push({
        query: 'delete from config_rows using timestamp ? where entity = ? and bucket = ? and key = ?',
        values: [revision, entity, bucketOf(key), key],
      })
    } else {
      statements.push({
        query: 'insert into config_rows (entity, bucket, key, row) values (?, ?, ?, ?) using timestamp ?',
        values: [entity, bucketOf(key), key, JSON.stringify(after), revision],
      })
    }
    const pairs = (row: Row | null, of: (row: Row) => [string, string][]) => (row === null ? [] : of(row))
    const uniques = (row: Row | null) => pairs(row, whole => uniquesOf(table, whole))
    const parents = (row: Row | null) => pairs(row, whole => parentsOf(table, whole))
    beside.differ('config_unique', ['entity', 'field', 'value'], ['key'], {
      before: uniques(before).map(pair => [entity, ...pair, key]),
      after: uniques(after).map(pair => [entity, ...pair, key]),
    })
    beside.differ('config_children', ['entity', 'field', 'parent', 'key'], [], {
      before: parents(before).map(pair => [entity, ...pair, key]),
      after: parents(after).map(pair => [entity, ...pair, key]),
    })
    beside.differ('config_tags', ['bucket', 'tag', 'entity', 'key'], [], {
      before: tagsOf(before).map(tag => [bucketOf(tag), tag, entity, key]),
      after: tagsOf(after).map(tag => [bucketOf(tag), tag, entity, key]),
    })
    const expiry = (row: Row | null) =>
      expiryOf(table, row) === null ? [] : [[entity, row![TTL_FIELD] as number, key]]
    beside.differ('config_expiries', ['entity', 'expires_at', 'key'], [], {
      before: expiry(before),
      after: expiry(after),
    })
  }
  return [...statements, ...beside.statements()]
}

/** Entries of the tables beside the rows: what goes is deleted, unless another row of the commit puts it there again. */
class Beside {
  readonly #revision: number
  readonly #deletions = new Map<string, Statement>()
  readonly #puts = new Map<string, Statement>()

  constructor(revision: number) {
    this.#revision = revision
  }

  differ(
    table: string,
    keys: readonly string[],
    others: readonly string[],
    { before, after }: { before: readonly (readonly Value[])[]; after: readonly (readonly Value[])[] },
  ): void {
    const name = (values: readonly Value[]) => `${table}\0${mapKey(JSON.stringify(values.slice(0, keys.length)))}`
    const had = new Set(before.map(name))
    const has = new Set(after.map(name))
    const columns = [...keys, ...others]
    for (const values of after) {
      if (had.has(name(values))) continue
      this.#puts.set(name(values), {
        query: `insert into ${table} (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')}) using timestamp ?`,
        values: [...values, this.#revision],
      })
    }
    for (const values of before) {
      if (has.has(name(values))) continue
      this.#deletions.set(name(values), {
        query: `delete from ${table} using timestamp ? where ${keys.map(key => `${key} = ?`).join(' and ')}`,
        values: [this.#revision, ...values.slice(0, keys.length)],
      })
    }
  }

  *statements(): Generator<Statement> {
    yield* this.#puts.values()
    for (const [name, deletion] of this.#deletions) if (!this.#puts.has(name)) yield deletion
  }
}
