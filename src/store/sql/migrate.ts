/** Brings a database to the tables that this version expects: numbered migrations, then tables of custom entities. */
import { sql } from 'kysely'
import type { Clock } from '../../base/clock.ts'
import { EMPTY_CONFIG_HASH } from '../../entities/config.ts'
import { rowDigest, toggleDigest } from '../../entities/config-digest.ts'
import { StoreError } from '../errors.ts'
import type { Migration } from '../migrations/migration.ts'
import { changedEntities, missingPreparation, UnfitRows } from '../row-shape.ts'
import { createTableStatements } from './ddl.ts'
import type { Answered, Sql } from './engine.ts'
import { SqlReads } from './reads.ts'
import type { Tables } from './tables.ts'

export interface MigrateOptions {
  /** Runs the work in one transaction. */
  readonly engine: { write(work: (db: Sql) => Promise<Answered<void>>): Promise<void> }
  readonly tables: Tables
  readonly migrations: readonly Migration[]
  readonly clock: Clock
  /** From the SQL that all databases share to this one's. */
  readonly adapt?: (statement: string) => string
  /** Where the tables are, in a database with schemas. */
  readonly schema?: Promise<string>
}

const readBatchRows = 500

/** Runs in one transaction: several processes may open one new database at the same time. */
export async function migrate(options: MigrateOptions): Promise<void> {
  const { engine, tables, migrations, clock, adapt = statement => statement } = options
  const schema = (await options.schema) ?? null
  await engine.write(async db => {
    await execute(
      db,
      'create table if not exists "schema_migrations" ("number" bigint not null primary key, "name" text not null, "applied_at" double precision not null)',
    )
    const { missing } = await compareMigrations(db, migrations)
    for (const { number, name, statements } of missing) {
      for (const statement of statements) await execute(db, adapt(statement))
      await db.insertInto('schema_migrations').values({ number, name, applied_at: clock.now() }).execute()
    }
    await createCustomTables(db, tables, schema, adapt)
    await keepState(db, tables, clock)
    return async () => {}
  })
}

interface AppliedMigration {
  readonly number: number
  readonly name: string
}

interface MigrationsDone {
  readonly executed: readonly AppliedMigration[]
  readonly missing: readonly Migration[]
}

export interface MigrationsFound extends MigrationsDone {
  /** What a database lacks that was prepared for rows of another shape: its hash is not that of the rows this node sees. */
  readonly missingPreparation: string | null
}

/** Rejects when the database is newer than this version. */
export async function readMigrationsState(
  db: Sql,
  tables: Tables,
  migrations: readonly Migration[],
): Promise<MigrationsFound> {
  const done = await compareMigrations(db, migrations)
  if (done.missing.length > 0) return { ...done, missingPreparation: null }
  const state = await db.selectFrom('config_state').select('shape').where('id', '=', 1).executeTakeFirst()
  const isForOthers = state !== undefined && state['shape'] !== tables.shape()
  return { ...done, missingPreparation: isForOthers ? missingPreparation(state['shape'], tables.shape()) : null }
}

async function compareMigrations(db: Sql, migrations: readonly Migration[]): Promise<MigrationsDone> {
  const rows = await db.selectFrom('schema_migrations').select(['number', 'name']).orderBy('number').execute()
  const executed = rows.map(({ number, name }) => ({ number: Number(number), name: String(name) }))
  refuseNewer(executed, migrations)
  const numbers = new Set(executed.map(({ number }) => number))
  return { executed, missing: migrations.filter(({ number }) => !numbers.has(number)) }
}

function refuseNewer(applied: readonly AppliedMigration[], migrations: readonly Migration[]): void {
  const known = new Set(migrations.map(({ number }) => number))
  const newer = applied.find(({ number }) => !known.has(number))
  if (newer === undefined) return
  throw new StoreError(
    'database_error',
    `the database has migration ${newer.number} ('${newer.name}'), which this version does not know: ` +
      'it was written by a newer version; upgrade this node, or give it a database of its own',
  )
}

/** Entities of custom plugins have no numbered migration; their tables follow from their definitions. */
async function createCustomTables(
  db: Sql,
  tables: Tables,
  schema: string | null,
  adapt: (statement: string) => string,
): Promise<void> {
  const found = (await db.introspection.getTables()).filter(table => schema === null || table.schema === schema)
  const existing = new Map(found.map(({ name, columns }) => [name, columns]))
  for (const table of tables.list) {
    const columns = existing.get(table.name)
    if (columns === undefined) {
      const statements = createTableStatements(table, entity => tables.get(entity).primary.name)
      for (const statement of statements) await execute(db, adapt(statement))
      continue
    }
    const missing = table.columns.find(column => !columns.some(({ name }) => name === column.name))
    if (missing === undefined) continue
    const text = `table '${table.name}' of the database has no column '${missing.name}': its entity has changed without a migration`
    throw new StoreError('database_error', text)
  }
}

/** The first start makes the empty configuration; a changed shape of rows changes their digests, hence the hash. */
async function keepState(db: Sql, tables: Tables, clock: Clock): Promise<void> {
  const shape = tables.shape()
  const state = await db.selectFrom('config_state').selectAll().where('id', '=', 1).executeTakeFirst()
  if (state === undefined) {
    const empty = { id: 1, version: 0, config_hash: EMPTY_CONFIG_HASH, pruned_to: 0, shape }
    await db.insertInto('config_state').values(empty).execute()
    return
  }
  if (state['shape'] === shape) return
  await refuseUnfit(db, tables, clock, changedEntities(state['shape'], shape))
  const config_hash = await hashOf(db, tables, clock)
  // Nobody can catch up by a delta over rows that all read differently now.
  const version = Number(state['version']) + 1
  await db.deleteFrom('config_changes').execute()
  await db
    .updateTable('config_state')
    .set({ version, config_hash, pruned_to: version, shape })
    .where('id', '=', 1)
    .execute()
}

/** Rows that this node could not run. */
async function refuseUnfit(db: Sql, tables: Tables, clock: Clock, entities: readonly string[]): Promise<void> {
  const unfit = new UnfitRows(tables.catalog)
  const reads = new SqlReads(db, tables, clock)
  for (const entity of entities) {
    for await (const rows of reads.all(tables.get(entity), readBatchRows))
      for (const row of rows) unfit.look(entity, row)
  }
  unfit.refuse()
}

/** The configuration's hash, computed from all rows. */
export async function hashOf(db: Sql, tables: Tables, clock: Clock): Promise<string> {
  const reads = new SqlReads(db, tables, clock)
  let hash = EMPTY_CONFIG_HASH
  for (const table of tables.list.filter(candidate => candidate.exported)) {
    for await (const rows of reads.all(table, readBatchRows)) {
      for (const row of rows) {
        hash = toggleDigest(hash, rowDigest(table.name, row[table.primary.field] as string, row))
      }
    }
  }
  return hash
}

async function execute(db: Sql, statement: string): Promise<void> {
  await sql.raw(statement).execute(db)
}
