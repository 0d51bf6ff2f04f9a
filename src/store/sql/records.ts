/** The cluster's own small tables in one SQL table: not configuration, so no version and no change log. */
import { canonicalJson } from '../../entities/config-digest.ts'
import type { Clock } from '../../base/clock.ts'
import type { RecordStore } from '../store.ts'
import type { Sql, SqlEngine } from './engine.ts'

const TABLE = 'cluster_records'
const listSizeDefault = 1000

export function sqlRecords(engine: SqlEngine, clock: Clock): RecordStore {
  const live = (db: Sql) => {
    const now = clock.now()
    return db
      .selectFrom(TABLE)
      .select(['key', 'value', 'expires_at'])
      .where(eb => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
  }
  const find = (db: Sql, collection: string, key: string) =>
    live(db).where('collection', '=', collection).where('key', '=', key).executeTakeFirst()
  return {
    async get<T>(collection: string, key: string) {
      const stored = await find(engine.reader, collection, key)
      return stored === undefined ? null : (JSON.parse(stored['value']) as T)
    },
    put: (collection, key, value, expiresAt) =>
      engine.apart(db => write(db, { collection, key, value: JSON.stringify(value), expires_at: expiresAt ?? null })),
    // Each way is one deciding statement, since on some databases nothing else keeps others out meanwhile.
    putIf: (collection, key, value, expected, expiresAt) =>
      engine.apart(async db => {
        const record = { collection, key, value: JSON.stringify(value), expires_at: expiresAt ?? null }
        if (expected === null) return insertFree(db, record, clock.now())
        const stored = await find(db, collection, key)
        if (stored === undefined) return false
        if (canonicalJson(JSON.parse(stored['value'])) !== canonicalJson(expected)) return false
        return replaceText(db, record, stored['value'])
      }),
    async delete(collection, key) {
      await engine.apart(db =>
        db.deleteFrom(TABLE).where('collection', '=', collection).where('key', '=', key).execute(),
      )
    },
    async trim(collection, keep) {
      await engine.apart(db => {
        const last = db.selectFrom(TABLE).select('key').where('collection', '=', collection).orderBy('key')
        return db
          .deleteFrom(TABLE)
          .where('collection', '=', collection)
          .where('key', '>=', last.limit(1).offset(keep))
          .execute()
      })
    },
    async list<T>(collection: string, options: { after?: string; size?: number } = {}) {
      let query = live(engine.reader).where('collection', '=', collection)
      if (options.after !== undefined) query = query.where('key', '>', options.after)
      const stored = await query
        .orderBy('key')
        .limit(options.size ?? listSizeDefault)
        .execute()
      return stored.map(({ key, value, expires_at }) => ({
        key: key as string,
        value: JSON.parse(value) as T,
        expiresAt: expires_at === null ? null : Number(expires_at),
      }))
    },
  }
}

export interface StoredRecord {
  readonly collection: string
  readonly key: string
  readonly value: string
  readonly expires_at: number | null
}

async function write(db: Sql, record: StoredRecord): Promise<void> {
  await putStatement(db, record).execute()
}

/** For whoever writes a record in a transaction of his own. */
export function putStatement(db: Sql, { collection, key, value, expires_at }: StoredRecord) {
  return db
    .insertInto(TABLE)
    .values({ collection, key, value, expires_at })
    .onConflict(conflict =>
      conflict.columns(['collection', 'key']).doUpdateSet(excluded => ({
        value: excluded.ref('excluded.value'),
        expires_at: excluded.ref('excluded.expires_at'),
      })),
    )
}

async function insertFree(db: Sql, record: StoredRecord, now: number): Promise<boolean> {
  const { collection, key } = record
  await db
    .deleteFrom(TABLE)
    .where('collection', '=', collection)
    .where('key', '=', key)
    .where('expires_at', '<=', now)
    .execute()
  const { numInsertedOrUpdatedRows } = await db
    .insertInto(TABLE)
    .values({ ...record })
    .onConflict(conflict => conflict.columns(['collection', 'key']).doNothing())
    .executeTakeFirst()
  return numInsertedOrUpdatedRows === 1n
}

async function replaceText(db: Sql, record: StoredRecord, text: string): Promise<boolean> {
  const { collection, key, value, expires_at } = record
  const { numUpdatedRows } = await db
    .updateTable(TABLE)
    .set({ value, expires_at })
    .where('collection', '=', collection)
    .where('key', '=', key)
    .where('value', '=', text)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** Expired records take space only; nobody is told. */
export async function sweepRecords(db: Sql, now: number): Promise<void> {
  await db.deleteFrom(TABLE).where('expires_at', '<=', now).execute()
}
