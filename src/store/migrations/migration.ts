/** One step of the database schema. Steps are never changed once released; a new one is added. */
export interface Migration {
  readonly number: number
  readonly name: string
  /** In the part of SQL that SQLite and PostgreSQL share. */
  readonly statements: readonly string[]
}
