/** Statements that are the same each time but for their values: built once, since building costs more than sending. */
import type { Compilable, CompiledQuery } from 'kysely'
import type { ColumnValue } from '../../schema/columns.ts'
import type { Sql } from './engine.ts'

export type StoredColumns = Record<string, unknown>

/** For one kind of database. */
export class KeptStatements {
  readonly #statements = new Map<string, CompiledQuery>()

  /** `build` makes the statement with any values, in the order of `values`; it is called once for each name. */
  async run(
    db: Sql,
    name: string,
    values: readonly ColumnValue[],
    build: () => Compilable<any>,
  ): Promise<readonly StoredColumns[]> {
    let statement = this.#statements.get(name)
    if (statement === undefined) {
      statement = build().compile()
      if (statement.parameters.length !== values.length) {
        throw new Error(`invariant broken: statement '${name}' has ${statement.parameters.length} values`)
      }
      this.#statements.set(name, statement)
    }
    const { rows } = await db.executeQuery({ ...statement, parameters: values })
    return rows as StoredColumns[]
  }
}
