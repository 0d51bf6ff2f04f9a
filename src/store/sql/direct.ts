/** Past the query builder, for statements whose text is known: building and its layers cost more than a row does. */
import type { Sql } from './engine.ts'
import type { StoredColumns } from './kept-statements.ts'

/** Runs a text with values on the connection that the builder would use; databases in this process answer at once. */
export type RunText = (
  text: string,
  values: readonly unknown[],
) => readonly StoredColumns[] | Promise<readonly StoredColumns[]>

const runners = new WeakMap<Sql, RunText>()

export function withDirect(db: Sql, run: RunText): Sql {
  runners.set(db, run)
  return db
}

export function directOf(db: Sql): RunText {
  const run = runners.get(db)
  if (run === undefined) throw new Error('invariant broken: a database was made with its direct way')
  return run
}
