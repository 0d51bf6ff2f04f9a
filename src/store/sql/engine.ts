/** What the generic SQL store needs of a database: connections, transactions, and the meaning of its errors. */
import type { Kysely } from 'kysely'
import type { ConfigHead } from '../../entities/config.ts'
import type { StoreCapabilities } from '../store.ts'

/** Tables come from definitions at run time, so their columns are not known to the compiler. */
export type SqlTables = Record<string, Record<string, any>>
export type Sql = Kysely<SqlTables>

/** A breach that the database found; `columns` where it says which. */
export interface ConstraintBreach {
  readonly kind: 'unique' | 'foreign'
  readonly table: string | null
  readonly columns: readonly string[]
}

/** Waits for the database's answers to what was sent, and gives the value; rejects with the first refusal. */
export type Answered<T> = () => Promise<T>

/** What one transaction changed. */
export interface VersionChanges {
  /** Digests of rows that went and came, together (entities/config-digest.ts). */
  readonly digests: string
  readonly entities: readonly string[]
  readonly keys: readonly string[]
}

export interface NextVersion extends ConfigHead {
  /** Positions of the change log's first and last line; null when it has none. */
  readonly first: number | null
  readonly last: number | null
}

/** What another node has committed; null when only a look can tell. */
export type HeadNews = ConfigHead | null

export interface SqlEngine {
  readonly capabilities: StoreCapabilities
  /** Whether a statement of a transaction may be sent before earlier ones are answered; a failed one voids the rest. */
  readonly pipelines: boolean
  /** For reads of what is committed. */
  readonly reader: Sql
  /** For reads that may lag behind by what replication takes. */
  readonly replica: Sql
  /**
   * Runs `work` in a write transaction and resolves once it is durable; it is undone when `work` or its answer rejects.
   * One at a time: the work must not wait for another transaction of the same store. It may run more than once.
   */
  write<T>(work: (db: Sql) => Promise<Answered<T>>): Promise<T>
  /** Runs `work` on tables that are not configuration; each statement may commit by itself. */
  apart<T>(work: (db: Sql) => Promise<T>): Promise<T>
  /** Makes the next version, writes its changes down, and tells other nodes once the transaction has committed. */
  nextVersion(db: Sql, changes: VersionChanges): Promise<NextVersion>
  /** A connection that sees one moment until `end`, without holding up writers. */
  snapshot(): Promise<{ readonly db: Sql; end(): void }>
  breach(error: unknown): ConstraintBreach | null
  /** Called when another process or connection may have committed. */
  onOthers(listener: (news: HeadNews) => void): () => void
  close(): Promise<void>
}
