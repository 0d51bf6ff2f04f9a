/** The cluster's own small tables: not configuration, so no version and no change log. */
import type { Clock } from '../../base/clock.ts'
import { canonicalJson } from '../../entities/config-digest.ts'
import { StoreError } from '../errors.ts'
import type { RecordStore } from '../store.ts'
import type { CassandraClient, Columns } from './cassandra-client.ts'

const listSizeDefault = 1000
// Clocks of nodes differ: a record is gone from the database only when it is expired for all of them.
const ttlGraceSeconds = 3600
const ttlSecondsMax = 20 * 365 * 86_400
const triesMax = 20
const trimBatchRows = 5000

/** All writes are lightweight transactions, since ordinary ones at the same row would race with them unseen. */
export function cassandraRecords(client: CassandraClient, clock: Clock): RecordStore {
  const isLive = (row: Columns) => row['expires_at'] === null || (row['expires_at'] as number) > clock.now()
  const find = async (collection: string, key: string): Promise<Columns | null> => {
    const query = 'select value, expires_at from cluster_records where collection = ? and key = ?'
    const [row] = await client.readSerial(query, [collection, key])
    return row === undefined || row['value'] === null ? null : row
  }

  /** True when `value` was written over what `found` is; never by `insert`, which leaves a row that outlives its TTL. */
  async function replace(name: Name, value: object, found: Columns | null, expiresAt: number | undefined) {
    const { collection, key } = name
    const { applied } = await client.decide(
      'update cluster_records using ttl ? set value = ?, expires_at = ? where collection = ? and key = ? if value = ?',
      [
        ttlOf(expiresAt, clock),
        JSON.stringify(value),
        expiresAt ?? null,
        collection,
        key,
        found === null ? null : (found['value'] as string),
      ],
    )
    return applied
  }

  return {
    async get<T>(collection: string, key: string) {
      const row = await find(collection, key)
      return row === null || !isLive(row) ? null : (JSON.parse(row['value'] as string) as T)
    },
    async put(collection, key, value, expiresAt) {
      for (let tries = 0; tries < triesMax; tries += 1) {
        if (await replace({ collection, key }, value, await find(collection, key), expiresAt)) return
      }
      throw new StoreError('database_error', `the record '${collection}' is written by too many at once`)
    },
    async putIf(collection, key, value, expected, expiresAt) {
      const found = await find(collection, key)
      const live = found === null || !isLive(found) ? null : found
      if (expected === null) return live === null && replace({ collection, key }, value, found, expiresAt)
      if (live === null) return false
      if (canonicalJson(JSON.parse(live['value'] as string)) !== canonicalJson(expected)) return false
      return replace({ collection, key }, value, live, expiresAt)
    },
    async delete(collection, key) {
      await client.decide('delete from cluster_records where collection = ? and key = ? if exists', [collection, key])
    },
    trim: (collection, keep) => trim(client, collection, keep),
    async list<T>(collection: string, { after = '', size = listSizeDefault }: { after?: string; size?: number } = {}) {
      const records: { key: string; value: T; expiresAt: number | null }[] = []
      const query = 'select key, value, expires_at from cluster_records where collection = ? and key > ? limit ?'
      for (let last = after; records.length < size; ) {
        const rows = await client.read(query, [collection, last, size], 'decisive')
        for (const row of rows) {
          last = row['key'] as string
          if (row['value'] === null || !isLive(row) || records.length === size) continue
          const value = JSON.parse(row['value'] as string) as T
          records.push({ key: last, value, expiresAt: row['expires_at'] as number | null })
        }
        if (rows.length < size) break
      }
      return records
    },
  }
}

async function trim(client: CassandraClient, collection: string, keep: number): Promise<void> {
  const query = 'select key from cluster_records where collection = ? and key > ? limit ?'
  let last = ''
  for (let left = keep; left > 0; ) {
    const rows = await client.read(query, [collection, last, Math.min(left, trimBatchRows)], 'decisive')
    if (rows.length === 0) return
    last = rows.at(-1)!['key'] as string
    left -= rows.length
  }
  // Not by deciding: what is written meanwhile comes first in order, or is as old.
  await client.write([
    { query: 'delete from cluster_records where collection = ? and key > ?', values: [collection, last] },
  ])
}

/** For `using ttl`; 0 is none. */
export function ttlOf(expiresAt: number | undefined, clock: Clock): number {
  const ttl = expiresAt === undefined ? 0 : Math.ceil((expiresAt - clock.now()) / 1000) + ttlGraceSeconds
  return Math.min(Math.max(ttl, 0), ttlSecondsMax)
}

interface Name {
  readonly collection: string
  readonly key: string
}
