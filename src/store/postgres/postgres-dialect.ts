/** Kysely's statements carried out by whatever runs a text with values. */
import {
  type CompiledQuery,
  type DatabaseConnection,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from 'kysely'
import { withDirect } from '../sql/direct.ts'
import type { Sql } from '../sql/engine.ts'
import type { Answer } from './connection.ts'

export type Execute = (text: string, values: readonly unknown[]) => Promise<Answer>

/**
 * Transactions are the caller's: it begins and commits on the connection behind `execute`. `executeKept` is for the usual
 * statements (sql/direct.ts), where another way is better for them.
 */
export function postgresSql(execute: Execute, executeKept: Execute = execute): Sql {
  const connection: DatabaseConnection = {
    async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
      const { rows, rowCount } = await execute(sql, parameters)
      return { rows: rows as R[], numAffectedRows: BigInt(rowCount ?? 0) }
    },
    // biome-ignore lint/correctness/useYield: the interface wants a generator; rows are read in pages instead.
    async *streamQuery() {
      throw new Error('rows are read in pages, never streamed')
    },
  }
  const refuse = async () => {
    throw new Error('transactions belong to the engine, not to the query builder')
  }
  const db: Sql = new Kysely({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createQueryCompiler: () => new PostgresQueryCompiler(),
      createIntrospector: db => new PostgresIntrospector(db),
      createDriver: () => ({
        init: async () => {},
        acquireConnection: async () => connection,
        releaseConnection: async () => {},
        beginTransaction: refuse,
        commitTransaction: refuse,
        rollbackTransaction: refuse,
        destroy: async () => {},
      }),
    },
  })
  return withDirect(db, async (text, values) => (await executeKept(text, values)).rows)
}
