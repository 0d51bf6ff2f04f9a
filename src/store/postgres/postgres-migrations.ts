/** Makes, completes and removes the tables in PostgreSQL; one node at a time. */
import { scheduler } from 'node:timers/promises'
import pg from 'pg'
import type { Clock } from '../../base/clock.ts'
import type { EntityCatalog } from '../../entities/catalog.ts'
import { StoreError } from '../errors.ts'
import { MIGRATIONS } from '../migrations/all.ts'
import type { Migration } from '../migrations/migration.ts'
import {
  migrationName,
  MigrationsLocked,
  type MigrationsState,
  type StoreMigrations,
} from '../migrations/store-migrations.ts'
import { migrate, readMigrationsState } from '../sql/migrate.ts'
import { Tables } from '../sql/tables.ts'
import type { Answered, Sql } from '../sql/engine.ts'
import { cannotConnect, type Connection, openConnection } from './connection.ts'
import type { PostgresOptions } from './connection-options.ts'
import { postgresSql } from './postgres-dialect.ts'

export interface PostgresMigrationsOptions {
  readonly options: PostgresOptions
  readonly catalog: EntityCatalog
  readonly clock: Clock
  /** How long to wait for another node that is at it. */
  readonly lockMsMax: number
  /** Other steps than the released ones, for tests of migrating itself. */
  readonly migrations?: readonly Migration[]
}

const lockRetryMs = 200
/** Any number will do, as long as all nodes use the same; the second half tells schemas of one database apart. */
const lockQuery = 'select pg_try_advisory_xact_lock(1263488583, hashtext(current_schema())) as locked'
// Tables of a large configuration may be rewritten by a step.
const stepMsMax = 30 * 60_000

export async function openPostgresMigrations(given: PostgresMigrationsOptions): Promise<StoreMigrations> {
  const { options, catalog, clock, lockMsMax, migrations = MIGRATIONS } = given
  const connection = await openConnection(options).catch(error => {
    throw cannotConnect(options, error)
  })
  const tables = new Tables(catalog)
  const query = (text: string, values: readonly unknown[] = []) =>
    connection.query(text, values, { timeoutMs: stepMsMax })
  const db = postgresSql(query)

  /** All or nothing, and nobody else meanwhile. */
  async function alone<T>(work: () => Promise<T>): Promise<T> {
    await query('begin')
    try {
      await lock(connection, clock, lockMsMax)
      const value = await work()
      await query('commit')
      return value
    } catch (error) {
      await query('rollback').catch(() => undefined)
      throw error
    }
  }

  return {
    async state() {
      return postgresState(db, connection, tables, migrations)
    },
    async migrate() {
      await makeSchema(options, query)
      await refuseKong(connection)
      await alone(() => {
        const engine = { write: async (work: (db: Sql) => Promise<Answered<void>>) => (await work(db))() }
        return migrate({
          engine,
          tables,
          migrations,
          clock,
          adapt: withBytewiseOrder,
          schema: currentSchema(connection),
        })
      })
    },
    reset: () => alone(() => dropTables(connection, tables)),
    close: () => connection.close(),
  }
}

/** What a node finds when it starts. */
export async function postgresState(
  db: Sql,
  connection: Connection,
  tables: Tables,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<MigrationsState> {
  const existing = await tablesOf(connection)
  if (!existing.has('schema_migrations')) return { needsBootstrap: true, executed: [], missing: [] }
  const { executed, missing, missingPreparation } = await readMigrationsState(db, tables, migrations)
  const lacking = missing.map(migrationName)
  if (missing.length === 0) {
    lacking.push(...tables.list.filter(({ name }) => !existing.has(name)).map(({ name }) => `table ${name}`))
    if (lacking.length === 0 && missingPreparation !== null) lacking.push(missingPreparation)
  }
  return { needsBootstrap: false, executed: executed.map(migrationName), missing: lacking }
}

async function lock(connection: Connection, clock: Clock, lockMsMax: number): Promise<void> {
  const deadline = clock.monotonic() + lockMsMax
  for (;;) {
    const { rows } = await connection.query(lockQuery)
    if (rows[0]?.['locked'] === true) return
    if (clock.monotonic() >= deadline) throw new MigrationsLocked('another node is performing database changes')
    // Not by the clock, whose timers let a process end: a command that waits for its turn must not be lost.
    await scheduler.wait(lockRetryMs)
  }
}

/**
 * Text in the order of its bytes, as in the embedded store: a collation of the system would order pages otherwise, and
 * break the indexes whenever an upgrade of the system changes it.
 */
function withBytewiseOrder(statement: string): string {
  return /^\s*(create|alter) table/i.test(statement) ? statement.replaceAll(/(" text)\b/g, '$1 collate "C"') : statement
}

async function makeSchema({ schema }: PostgresOptions, query: (text: string) => Promise<unknown>): Promise<void> {
  if (schema === null) return
  const { rows } = (await query(`select to_regnamespace(${pg.escapeLiteral(pg.escapeIdentifier(schema))}) as oid`)) as {
    rows: readonly Record<string, unknown>[]
  }
  if (rows[0]?.['oid'] === null) await query(`create schema if not exists ${pg.escapeIdentifier(schema)}`)
}

/** The tables of a Kong have names that ours need too, and must stay as they are. */
async function refuseKong(connection: Connection): Promise<void> {
  if (!(await tablesOf(connection)).has('schema_meta')) return
  throw new StoreError(
    'database_error',
    `the schema '${await currentSchema(connection)}' of the database holds the tables of a Kong: choose another ` +
      "database (pg_database) or schema (pg_schema), and move the configuration with 'kong config db_export' there " +
      "and 'kong config db_import' here",
  )
}

async function currentSchema(connection: Connection): Promise<string> {
  const { rows } = await connection.query('select current_schema() as "schema"')
  const schema = rows[0]?.['schema']
  if (typeof schema === 'string') return schema
  throw new StoreError('database_error', 'no schema of the search path exists in the database: set pg_schema')
}

async function tablesOf(connection: Connection): Promise<ReadonlySet<string>> {
  const { rows } = await connection.query(
    'select tablename from pg_catalog.pg_tables where schemaname = current_schema()',
  )
  return new Set(rows.map(row => row['tablename'] as string))
}

const ownTables = ['schema_migrations', 'config_state', 'config_changes', 'entity_tags', 'cluster_records']

async function dropTables(connection: Connection, tables: Tables): Promise<void> {
  for (const name of [...ownTables, ...tables.list.map(table => table.name)]) {
    // Cascading removes the foreign keys of tables of plugins that are not enabled here, not those tables.
    await connection.query(`drop table if exists ${pg.escapeIdentifier(name)} cascade`)
  }
}
