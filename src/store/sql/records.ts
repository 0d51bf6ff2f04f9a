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
      engine.write(db => write(db, { collection, key, value: JSON.stringify(value), expires_at: expiresAt ?? null })),
    putIf: (collection, key, value, expected, expiresAt) =>
      engine.write(async db => {
        const stored = await find(db, collection, key)
        if (expected === null ? stored !== undefined : stored === undefined) return false
        if (stored !== undefined && canonicalJson(JSON.parse(stored['value'])) !== canonicalJson(expected)) return false
        await write(db, { collection, key, value: JSON.stringify(value), expires_at: expiresAt ?? null })
        return true
      }),
    async delete(collection, key) {
      await engine.write(db =>
        db.deleteFrom(TABLE).where('collection', '=', collection).where('key', '=', key).execute(),
      )
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

interface StoredRecord {
  readonly collection: string
  readonly key: string
  readonly value: string
  readonly expires_at: number | null
}

async function write(db: Sql, { collection, key, value, expires_at }: StoredRecord): Promise<void> {
  await db
    .insertInto(TABLE)
    .values({ collection, key, value, expires_at })
    .onConflict(conflict => conflict.columns(['collection', 'key']).doUpdateSet({ value, expires_at }))
    .execute()
}

/** Expired records take space only; nobody is told. */
export async function sweepRecords(db: Sql, now: number): Promise<void> {
  await db.deleteFrom(TABLE).where('expires_at', '<=', now).execute()
}
