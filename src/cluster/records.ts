/** What the cluster keeps beside the configuration: rows of data planes, the CA, tokens, admissions. */

/** Small tables by collection and key, shared by all control planes on one store (the shape of `RecordStore` in store/). */
export interface ClusterRecords {
  get<T>(collection: string, key: string): Promise<T | null>
  /** `expiresAt` in milliseconds since the epoch; expired records are not found. */
  put(collection: string, key: string, value: object, expiresAt?: number): Promise<void>
  /** Writes only if the key is free (or, with `expected`, if the stored value equals it); true when written. */
  putIf(collection: string, key: string, value: object, expected: object | null, expiresAt?: number): Promise<boolean>
  delete(collection: string, key: string): Promise<void>
  /** In order of key. */
  list<T>(
    collection: string,
    options?: { after?: string; size?: number },
  ): Promise<{ key: string; value: T; expiresAt: number | null }[]>
}

export const COLLECTIONS = {
  dataPlanes: 'clustering_data_planes',
  authority: 'cluster_authority',
  tokens: 'cluster_tokens',
  nodes: 'cluster_nodes',
  /** One record, counted up with each revocation, so that control planes notice those of others with one cheap read. */
  revocations: 'cluster_revocations',
  /** What nodes on one store tell each other; expires. */
  events: 'cluster_events',
  /** Targets marked by hand as healthy or not. */
  marks: 'health_marks',
} as const

/** For nodes without a database of their own (tests, DB-less); lost with the process. */
export function createMemoryRecords(now: () => number): ClusterRecords {
  const rows = new Map<string, Map<string, { text: string; expiresAt: number | null }>>()
  const collectionOf = (name: string) => {
    let collection = rows.get(name)
    if (collection === undefined) rows.set(name, (collection = new Map()))
    return collection
  }
  const live = (collection: string, key: string) => {
    const entry = collectionOf(collection).get(key)
    return entry === undefined || (entry.expiresAt !== null && entry.expiresAt <= now()) ? null : entry
  }
  const write = (collection: string, key: string, value: object, expiresAt?: number) =>
    collectionOf(collection).set(key, { text: JSON.stringify(value), expiresAt: expiresAt ?? null })
  return {
    async get(collection, key) {
      const entry = live(collection, key)
      return entry === null ? null : JSON.parse(entry.text)
    },
    async put(collection, key, value, expiresAt) {
      write(collection, key, value, expiresAt)
    },
    async putIf(collection, key, value, expected, expiresAt) {
      const entry = live(collection, key)
      const matches = expected === null ? entry === null : entry?.text === JSON.stringify(expected)
      if (matches) write(collection, key, value, expiresAt)
      return matches
    },
    async delete(collection, key) {
      collectionOf(collection).delete(key)
    },
    async list(collection, { after, size = 1000 } = {}) {
      return [...collectionOf(collection).keys()]
        .filter(key => live(collection, key) !== null && (after === undefined || key > after))
        .sort()
        .slice(0, size)
        .map(key => {
          const entry = live(collection, key)!
          return { key, value: JSON.parse(entry.text), expiresAt: entry.expiresAt }
        })
    },
  }
}
