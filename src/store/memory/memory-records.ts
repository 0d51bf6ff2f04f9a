/** The cluster's own small tables for a node without a database: they end with the process. */
import type { Clock } from '../../base/clock.ts'
import { canonicalJson } from '../../entities/config-digest.ts'
import { StoreError } from '../errors.ts'
import type { RecordStore } from '../store.ts'

// A node without a database records its data planes and little else; more than this is a leak.
const recordsMax = 100_000
const listSizeDefault = 1000

interface MemoryRecord {
  /** As text, so that neither side can change the other's object. */
  readonly value: string
  readonly expiresAt: number | null
}

export function memoryRecords(clock: Clock): RecordStore {
  const collections = new Map<string, Map<string, MemoryRecord>>()
  let count = 0
  const find = (collection: string, key: string): MemoryRecord | null => {
    const record = collections.get(collection)?.get(key)
    return record === undefined || isExpired(record) ? null : record
  }
  const isExpired = ({ expiresAt }: MemoryRecord) => expiresAt !== null && expiresAt <= clock.now()
  const dropExpired = () => {
    for (const records of collections.values()) {
      for (const [key, record] of records) {
        if (isExpired(record) && records.delete(key)) count -= 1
      }
    }
  }
  const put = (collection: string, key: string, value: object, expiresAt: number | undefined) => {
    let records = collections.get(collection)
    if (records === undefined) collections.set(collection, (records = new Map()))
    if (!records.has(key)) {
      if (count >= recordsMax) dropExpired()
      if (count >= recordsMax) throw new StoreError('database_error', `more than ${recordsMax} records in memory`)
      count += 1
    }
    records.set(key, { value: JSON.stringify(value), expiresAt: expiresAt ?? null })
  }
  return {
    async get<T>(collection: string, key: string) {
      const record = find(collection, key)
      return record === null ? null : (JSON.parse(record.value) as T)
    },
    async put(collection, key, value, expiresAt) {
      put(collection, key, value, expiresAt)
    },
    async putIf(collection, key, value, expected, expiresAt) {
      const record = find(collection, key)
      if ((record === null) !== (expected === null)) return false
      if (record !== null && canonicalJson(JSON.parse(record.value)) !== canonicalJson(expected)) return false
      put(collection, key, value, expiresAt)
      return true
    },
    async delete(collection, key) {
      if (collections.get(collection)?.delete(key)) count -= 1
    },
    async trim(collection, keep) {
      const records = collections.get(collection)
      for (const key of [...(records?.keys() ?? [])].sort().slice(keep)) if (records!.delete(key)) count -= 1
    },
    async list<T>(collection: string, { after, size = listSizeDefault }: { after?: string; size?: number } = {}) {
      const records = [...(collections.get(collection) ?? [])]
        .filter(([key, record]) => (after === undefined || key > after) && !isExpired(record))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .slice(0, size)
      return records.map(([key, { value, expiresAt }]) => ({ key, value: JSON.parse(value) as T, expiresAt }))
    },
  }
}
