/** What was last read of the cluster's records, so that nodes it knows are admitted while the database is away. */
import type { RecordStore } from '../store.ts'

type Attempt = <T>(ask: () => Promise<T>, stand: (() => T) | null) => Promise<T>

// Of each collection: two for each data plane of a large fleet.
const keptMax = 20_000
const listSizeDefault = 1000

/** `attempt` asks the database, or takes what stands in for its answer. */
export function knownRecords(records: RecordStore, attempt: Attempt): RecordStore {
  const collections = new Map<string, KnownCollection>()
  const of = (name: string): KnownCollection => {
    let known = collections.get(name)
    if (known === undefined) collections.set(name, (known = new KnownCollection()))
    return known
  }
  return {
    get<T>(collection: string, key: string) {
      const known = of(collection)
      const stand = known.has(key) ? () => known.get(key) as T | null : null
      return attempt(async () => {
        const value = await records.get<T>(collection, key)
        known.remember(key, value as object | null)
        return value
      }, stand)
    },
    async put(collection, key, value, expiresAt) {
      await records.put(collection, key, value, expiresAt)
      of(collection).remember(key, value)
    },
    async putIf(collection, key, value, expected, expiresAt) {
      const isWritten = await records.putIf(collection, key, value, expected, expiresAt)
      if (isWritten) of(collection).remember(key, value)
      return isWritten
    },
    async delete(collection, key) {
      await records.delete(collection, key)
      of(collection).remember(key, null)
    },
    trim: (collection, keep) => records.trim(collection, keep),
    list<T>(collection: string, options: { after?: string; size?: number } = {}) {
      const known = of(collection)
      return attempt(
        async () => {
          const found = await records.list<T>(collection, options)
          for (const { key, value } of found) known.remember(key, value as object)
          return found
        },
        () => known.list(options) as { key: string; value: T; expiresAt: null }[],
      )
    },
  }
}

class KnownCollection {
  readonly #values = new Map<string, object | null>()

  has(key: string): boolean {
    return this.#values.has(key)
  }

  get(key: string): object | null {
    return this.#values.get(key) ?? null
  }

  /** Null: there is none. The longest unheard of is forgotten first. */
  remember(key: string, value: object | null): void {
    this.#values.delete(key)
    if (this.#values.size >= keptMax) this.#values.delete(this.#values.keys().next().value!)
    this.#values.set(key, value)
  }

  list({ after, size = listSizeDefault }: { readonly after?: string; readonly size?: number }) {
    return [...this.#values]
      .filter(([key, value]) => value !== null && (after === undefined || key > after))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, size)
      .map(([key, value]) => ({ key, value, expiresAt: null }))
  }
}
