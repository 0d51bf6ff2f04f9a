/** Statements that are the same each time but for their values: built once, since building costs more than sending. */
import type { Compilable } from 'kysely'
import type { ColumnValue } from '../../schema/columns.ts'
import { directOf } from './direct.ts'
import type { Sql } from './engine.ts'

export type StoredColumns = Record<string, unknown>

/** For one kind of database. */
export class KeptStatements {
  readonly #statements = new Map<string, string>()

  /** `build` makes the statement with any values, in the order of `values`; it is called once for each name. */
  async run(
    db: Sql,
    name: string,
    values: readonly ColumnValue[],
    build: () => Compilable<any>,
  ): Promise<readonly StoredColumns[]> {
    let text = this.#statements.get(name)
    if (text === undefined) {
      const { sql, parameters } = build().compile()
      if (parameters.length !== values.length) {
        throw new Error(`invariant broken: statement '${name}' has ${parameters.length} values`)
      }
      this.#statements.set(name, (text = sql))
    }
    return directOf(db)(text, values)
  }
}
