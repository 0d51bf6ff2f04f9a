/**
 * Configuration at rest: the narrow interface each database implements.
 *
 * A driver knows tables, keys and transactions, all derived from the entity definitions; it knows nothing of
 * validation, defaults or error texts. Those are in repository.ts, once, for every database.
 */
import type { ConfigDelta, ConfigHead, Row } from '../entities/config.ts'

export interface StoreCapabilities {
  /** False for a store over a declarative file: every write rejects with `operation_unsupported`. */
  readonly writes: boolean
  /** Several rows change together or not at all. Without it the repository orders writes so that a crash leaves no dangling child. */
  readonly transactions: boolean
  /** Foreign keys are checked and cascaded by the database; otherwise the repository does both. */
  readonly foreignKeys: boolean
  /** Rows with a `ttl` vanish by themselves; otherwise `sweep` must be called. */
  readonly nativeTtl: boolean
  /** `onHead` fires for commits of other processes at once; otherwise only within the polling interval. */
  readonly notifies: boolean
  /** Other processes and nodes may use the same store at the same time. */
  readonly sharedBetweenNodes: boolean
}

export interface PageOptions {
  /** Rows at most, 1..1000. */
  readonly size: number
  /** Primary key after which the page begins, or null for the first. */
  readonly after: string | null
  /** All of, or any of, these tags. */
  readonly tags?: { readonly all: readonly string[] } | { readonly any: readonly string[] }
  /** Only rows whose field (foreign key: its id) equals the value. */
  readonly where?: Readonly<Record<string, string>>
}

export interface Page {
  /** Ordered by primary key. */
  readonly rows: readonly Row[]
  /** Primary key of the last row when there are more, else null. */
  readonly next: string | null
}

export type TagPosition = readonly [tag: string, entity: string, key: string]
export interface TagPage {
  readonly rows: readonly { readonly tag: string; readonly entity_name: string; readonly entity_id: string }[]
  readonly next: TagPosition | null
}

export interface ExportedRow {
  readonly entity: string
  readonly key: string
  readonly row: Row
}

export interface StoreReads {
  find(entity: string, key: string): Promise<Row | null>
  /** By one unique field, or by the fields of a composite cache key (unset ones null). */
  findBy(entity: string, fields: Readonly<Record<string, string | null>>): Promise<Row | null>
  page(entity: string, options: PageOptions): Promise<Page>
  /** Which rows carry which tag, ordered by tag, entity and primary key; `after` is the last of the page before. */
  tags(options: { readonly size: number; readonly after: TagPosition | null; readonly tag?: string }): Promise<TagPage>
}

/** One transaction. Reads see its own writes. Constraint breaches reject with StoreError (errors.ts). */
export interface StoreTransaction extends StoreReads {
  insert(entity: string, row: Row): Promise<void>
  /** Replaces the whole row; the row must exist. */
  update(entity: string, row: Row): Promise<void>
  /** By primary key, or by the unique field `by`; with what goes along with it. The row that was there, or null. */
  delete(entity: string, key: string, by?: string): Promise<Row | null>
  /** Writes a record (see RecordStore) that is there if, and only if, the transaction is committed. */
  record(collection: string, key: string, value: object, expiresAt?: number): Promise<void>
}

/** Characters of JSON; twice what a delta between nodes may have. */
export const CHANGES_LENGTH_MAX = 8 * 1024 * 1024

export interface EntityStore extends StoreReads {
  readonly capabilities: StoreCapabilities
  /** Runs `work`, appends what it changed to the change log with the next version, commits durably, in one transaction. */
  transaction<T>(work: (transaction: StoreTransaction) => Promise<T>): Promise<T>
  head(): Promise<ConfigHead>
  /** Called after a commit of this process, and of others as `capabilities.notifies` says. Returns the unsubscriber. */
  onHead(listener: (head: ConfigHead) => void): () => void
  /**
   * Exported changes after `version`; null when the log no longer reaches back that far, or when they are more than
   * should be in memory at once (CHANGES_LENGTH_MAX): an export says the same in batches.
   */
  changesSince(version: number): Promise<ConfigDelta | null>
  /** All exported rows as of one version, parents before children, in batches, in bounded memory. */
  export(): Promise<{
    readonly head: ConfigHead
    readonly batches: AsyncIterable<readonly ExportedRow[]>
  }>
  /** Rows of tables that are not configuration (data plane status, cluster CA, tokens): no change log, no version. */
  readonly records: RecordStore
  /** True when a trivial query is answered. */
  ping(): Promise<boolean>
  /** Deletes expired rows, recording the deletions in the change log. */
  sweep(): Promise<number>
  close(): Promise<void>
}

/** Small tables of the cluster itself, by collection and key; JSON values. */
export interface RecordStore {
  get<T>(collection: string, key: string): Promise<T | null>
  /** `expiresAt` in milliseconds since the epoch; expired records are not found. */
  put(collection: string, key: string, value: object, expiresAt?: number): Promise<void>
  /** Writes only if the key is free (or, with `expected`, if the stored value equals it); true when written. */
  putIf(collection: string, key: string, value: object, expected: object | null, expiresAt?: number): Promise<boolean>
  delete(collection: string, key: string): Promise<void>
  /** Deletes all but the first `keep` in order of their keys. */
  trim(collection: string, keep: number): Promise<void>
  list<T>(
    collection: string,
    options?: { after?: string; size?: number },
  ): Promise<{ key: string; value: T; expiresAt: number | null }[]>
}
