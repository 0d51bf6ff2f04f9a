/** What was last read of the cluster's records, so that nodes it knows are admitted while the database is away. */
import type { RecordStore } from '../store.ts'

// Two records for each data plane of a large fleet.
const keptMax = 20_000

type Attempt = <T>(ask: () => Promise<T>, stand: (() => T) | null) => Promise<T>

/** `attempt` asks the database, or takes what stands in for its answer. */
export function knownRecords(records: RecordStore, attempt: Attempt): RecordStore {
  const known = new Map<string, object | null>()
  const name = (collection: string, key: string) => `${collection}\0${key}`
  const remember = (collection: string, key: string, value: object | null) => {
    const at = name(collection, key)
    known.delete(at)
    if (known.size >= keptMax) known.delete(known.keys().next().value!)
    known.set(at, value)
  }
  return {
    get<T>(collection: string, key: string) {
      const at = name(collection, key)
      const stand = known.has(at) ? () => (known.get(at) ?? null) as T | null : null
      return attempt(async () => {
        const value = await records.get<T>(collection, key)
        remember(collection, key, value as object | null)
        return value
      }, stand)
    },
    async put(collection, key, value, expiresAt) {
      await records.put(collection, key, value, expiresAt)
      remember(collection, key, value)
    },
    async putIf(collection, key, value, expected, expiresAt) {
      const isWritten = await records.putIf(collection, key, value, expected, expiresAt)
      if (isWritten) remember(collection, key, value)
      return isWritten
    },
    async delete(collection, key) {
      await records.delete(collection, key)
      remember(collection, key, null)
    },
    list: (collection, options) => records.list(collection, options),
  }
}
