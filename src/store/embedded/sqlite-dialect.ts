/** Kysely over one `node:sqlite` connection: statements are prepared once and kept. */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { withDirect } from '../sql/direct.ts'
import type { Sql } from '../sql/engine.ts'
import type { StoredColumns } from '../sql/kept-statements.ts'

// Every entity needs about ten statements; beyond this, one-off texts (IN lists, imports) would grow it without end.
const statementsMax = 1000

/** The connection is the caller's: it begins, commits and closes. */
export function sqliteSql(database: DatabaseSync): Sql {
  const prepare = keptStatements(database)
  const db: Sql = new Kysely({ dialect: sqliteDialect(sqliteConnection(prepare)) })
  return withDirect(db, (text, values) => readAll(prepare(text), values as SQLInputValue[]))
}

function sqliteDialect(connection: DatabaseConnection): Dialect {
  const refuse = async () => {
    throw new Error('transactions belong to the engine, not to the query builder')
  }
  return {
    createAdapter: () => new SqliteAdapter(),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createIntrospector: db => new SqliteIntrospector(db),
    createDriver: () => ({
      init: async () => {},
      acquireConnection: async () => connection,
      releaseConnection: async () => {},
      beginTransaction: refuse,
      commitTransaction: refuse,
      rollbackTransaction: refuse,
      destroy: async () => {},
    }),
  }
}

function keptStatements(database: DatabaseSync): (sql: string) => StatementSync {
  const statements = new Map<string, StatementSync>()
  return sql => {
    const known = statements.get(sql)
    if (known !== undefined) return known
    const statement = database.prepare(sql)
    if (statements.size >= statementsMax) statements.delete(statements.keys().next().value!)
    statements.set(sql, statement)
    return statement
  }
}

function sqliteConnection(prepare: (sql: string) => StatementSync): DatabaseConnection {
  return {
    async executeQuery<R>({ sql, parameters, query }: CompiledQuery): Promise<QueryResult<R>> {
      const statement = prepare(sql)
      const values = parameters as SQLInputValue[]
      const returnsRows = query.kind === 'SelectQueryNode' || query.kind === 'RawNode' || 'returning' in query
      if (returnsRows) return { rows: readAll(statement, values) as R[] }
      return { rows: [], numAffectedRows: BigInt(statement.run(...values).changes) }
    },
    // biome-ignore lint/correctness/useYield: the interface wants a generator; rows are read in pages instead.
    async *streamQuery() {
      throw new Error('rows are read in pages, never streamed')
    },
  }
}

/** The driver refuses to read integers from 2⁵³ on, which Kong's largest priority is: such rows are read again with BigInts, which cost more. */
function readAll(statement: StatementSync, values: SQLInputValue[]): StoredColumns[] {
  try {
    return statement.all(...values) as StoredColumns[]
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_OUT_OF_RANGE') throw error
    statement.setReadBigInts(true)
    try {
      return statement.all(...values) as StoredColumns[]
    } finally {
      statement.setReadBigInts(false)
    }
  }
}
