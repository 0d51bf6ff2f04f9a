/** What `kong migrations` does to a database that several nodes share. */
export interface MigrationsState {
  /** Nothing was ever made. */
  readonly needsBootstrap: boolean
  /** Names of the steps that were run, in order. */
  readonly executed: readonly string[]
  /** Names of the steps of this version that were not; empty when bootstrap is needed. */
  readonly missing: readonly string[]
}

export interface StoreMigrations {
  state(): Promise<MigrationsState>
  /** Makes or completes the tables. Rejects with MigrationsLocked when another node is at it for too long. */
  migrate(): Promise<void>
  /** Deletes everything that the store holds. */
  reset(): Promise<void>
  close(): Promise<void>
}

/** Another node is changing the tables. */
export class MigrationsLocked extends Error {
  override readonly name = 'MigrationsLocked'
}

/** As Kong prints them: `001_store`. */
export function migrationName({ number, name }: { readonly number: number; readonly name: string }): string {
  return `${String(number).padStart(3, '0')}_${name}`
}

/** Why a node cannot start on these tables, with the command that helps; null when it can. */
export function migrationsFault({ needsBootstrap, missing }: MigrationsState): string | null {
  if (needsBootstrap) return "the database has no tables yet; run 'kong migrations bootstrap'"
  if (missing.length === 0) return null
  return `the database lacks ${missing.join(', ')}; run 'kong migrations up'`
}
