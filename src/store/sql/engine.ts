/** What the generic SQL store needs of a database: connections, transactions, and the meaning of its errors. */
import type { Kysely } from 'kysely'
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

export interface SqlEngine {
  readonly capabilities: StoreCapabilities
  /** For reads of what is committed. */
  readonly reader: Sql
  /**
   * Runs `work` in a write transaction and resolves once it is durable; it is undone when `work` rejects. One at a time:
   * the work must not wait for another transaction of the same store.
   */
  write<T>(work: (db: Sql) => Promise<T>): Promise<T>
  /** A connection that sees one moment until `end`, without holding up writers. */
  snapshot(): Promise<{ readonly db: Sql; end(): void }>
  breach(error: unknown): ConstraintBreach | null
  /** Called when another process or connection may have committed. */
  onOthers(listener: () => void): () => void
  close(): Promise<void>
}
