/** Makes, completes and removes the tables in Cassandra; one node at a time. */
import { scheduler } from 'node:timers/promises'
import type { Clock } from '../../base/clock.ts'
import type { EntityCatalog } from '../../entities/catalog.ts'
import { EMPTY_CONFIG_HASH } from '../../entities/config.ts'
import { rowDigest, toggleDigest } from '../../entities/config-digest.ts'
import { StoreError } from '../errors.ts'
import {
  migrationName,
  MigrationsLocked,
  type MigrationsState,
  type StoreMigrations,
} from '../migrations/store-migrations.ts'
import { changedEntities, missingPreparation, UnfitRows } from '../row-shape.ts'
import { Tables } from '../sql/tables.ts'
import { type CassandraClient, connectCassandra } from './cassandra-client.ts'
import { CassandraReads } from './cassandra-reads.ts'
import { CASSANDRA_MIGRATIONS, CASSANDRA_TABLES } from './cassandra-tables.ts'
import { CommitLog } from './commit-log.ts'
import { isCassandraOutage } from './connection-failure.ts'
import type { CassandraOptions, CassandraReplication } from './connection-options.ts'

export interface CassandraMigrationsOptions {
  readonly options: CassandraOptions
  readonly catalog: EntityCatalog
  readonly clock: Clock
  /** How long to wait for another node that is at it. */
  readonly lockMsMax: number
}

const lockRetryMs = 200
// A node that dies while it changes tables keeps others out for this long.
const lockSeconds = 120
const META_TABLE = 'schema_meta_silverback'

export async function openCassandraMigrations(given: CassandraMigrationsOptions): Promise<StoreMigrations> {
  const { options, catalog, clock, lockMsMax } = given
  const tables = new Tables(catalog)
  // Where the keyspace may be missing, nothing can be in use yet.
  await (await connectCassandra(options, null)).close()

  async function alone(work: (client: CassandraClient) => Promise<void>): Promise<void> {
    const client = await connectCassandra(options, null)
    const who = crypto.randomUUID()
    try {
      await onceVisible(() => client.define(`use ${quoted(options.keyspace)}`), given)
      await makeMetaTable(client, options.keyspace)
      await onceVisible(() => lock(client, who, clock, lockMsMax), given)
      try {
        await work(client)
      } finally {
        await unlock(client, who)
      }
    } finally {
      await client.close()
    }
  }

  return {
    state: () => cassandraState(options, tables),
    async migrate() {
      await makeKeyspace(options)
      await alone(client => complete(client, tables, clock))
    },
    async reset() {
      if (!(await keyspaceExists(options))) return
      await alone(async client => {
        for (const table of CASSANDRA_TABLES) await client.define(`drop table if exists ${table}`)
        await client.write([{ query: `delete from ${META_TABLE} where key = ?`, values: ['executed'] }])
      })
    },
    close: async () => {},
  }
}

/** What a node finds when it starts. */
export async function cassandraState(options: CassandraOptions, tables: Tables): Promise<MigrationsState> {
  const none = { needsBootstrap: true, executed: [], missing: [] }
  const client = await connectCassandra(options, null)
  try {
    const existing = await tablesOf(client, options.keyspace)
    if (!existing.has(META_TABLE) || !existing.has('config_state')) return none
    const keyspace = quoted(options.keyspace)
    const executed = await executedSteps(client, `${keyspace}.${META_TABLE}`)
    if (executed.length === 0) return none
    const known = CASSANDRA_MIGRATIONS.map(migrationName)
    const newer = executed.filter(name => !known.includes(name))
    if (newer.length > 0) {
      throw new StoreError(
        'database_error',
        `the database was changed by a newer version (${newer.join(', ')}): run that version or a later one`,
      )
    }
    const missing = known.filter(name => !executed.includes(name))
    const [state] = await client.read(`select shape from ${keyspace}.config_state where id = 1`, [], 'decisive')
    const shape = state?.['shape']
    if (missing.length === 0 && typeof shape === 'string' && shape !== tables.shape()) {
      missing.push(missingPreparation(shape, tables.shape()))
    }
    return { needsBootstrap: false, executed, missing }
  } finally {
    await client.close()
  }
}

async function complete(client: CassandraClient, tables: Tables, clock: Clock): Promise<void> {
  const executed = await executedSteps(client, META_TABLE)
  for (const step of CASSANDRA_MIGRATIONS) {
    const name = migrationName(step)
    if (executed.includes(name)) continue
    for (const statement of step.statements) await client.define(statement)
    executed.push(name)
    const query = `update ${META_TABLE} set value = ? where key = ?`
    await client.write([{ query, values: [JSON.stringify(executed), 'executed'] }])
  }
  await client.decide(
    'insert into config_state (id, revision, version, config_hash, changes, pruned_to, pruned_changes, shape) ' +
      'values (1, 0, 0, ?, 0, 0, 0, ?) if not exists',
    [EMPTY_CONFIG_HASH, tables.shape()],
  )
  await client.write([
    { query: 'insert into config_applied (id, revision) values (1, 0) using timestamp 0', values: [] },
  ])
  await adoptShape(client, tables, clock)
}

/** Rows read differently once entities have other fields: the hash is made anew, as a version that has no delta. */
async function adoptShape(client: CassandraClient, tables: Tables, clock: Clock): Promise<void> {
  const log = new CommitLog(client, tables, clock)
  for (;;) {
    const base = await log.settled()
    const shape = tables.shape()
    if (base.shape === shape) return
    const reads = new CassandraReads({ client, tables, clock }, 'decisive')
    let config_hash = EMPTY_CONFIG_HASH
    const unfit = new UnfitRows(tables.catalog)
    const changed = base.shape === null ? [] : changedEntities(base.shape, shape)
    for (const table of tables.list.filter(({ exported }) => exported)) {
      for await (const { key, row } of reads.scan(table, null, 500)) {
        if (changed.includes(table.name)) unfit.look(table.name, row)
        config_hash = toggleDigest(config_hash, rowDigest(table.name, key, row))
      }
    }
    unfit.refuse()
    const version = base.version + 1
    const next = { version, config_hash, changes: base.changes, prunedTo: version, prunedChanges: base.changes }
    if ((await log.commit({ ...base, shape }, { rows: [], records: [] }, { ...next, forgetTo: null })) !== null) return
  }
}

/** What another node is just making exists for us before we can use it. */
async function onceVisible<T>(work: () => Promise<T>, { options, clock }: CassandraMigrationsOptions): Promise<T> {
  const deadline = clock.monotonic() + options.schemaAgreementMs
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!/does not exist|unconfigured table/i.test(String(error)) || clock.monotonic() >= deadline) throw error
      await scheduler.wait(lockRetryMs)
    }
  }
}

async function executedSteps(client: CassandraClient, table: string): Promise<string[]> {
  const [row] = await client.read(`select value from ${table} where key = 'executed'`, [], 'decisive')
  return row === undefined ? [] : (JSON.parse(row['value'] as string) as string[])
}

async function lock(client: CassandraClient, who: string, clock: Clock, lockMsMax: number): Promise<void> {
  const query = `insert into ${META_TABLE} (key, value) values ('lock', ?) if not exists using ttl ${lockSeconds}`
  const deadline = clock.monotonic() + lockMsMax
  while (!(await hasLock(client, query, who, clock.monotonic() >= deadline))) {
    if (clock.monotonic() >= deadline) throw new MigrationsLocked('another node is performing database changes')
    // Not by the clock, whose timers let a process end: a command that waits for its turn must not be lost.
    await scheduler.wait(lockRetryMs)
  }
}

/** A server that ran out of time may have written the lock all the same: then the next attempt finds our own name. */
async function hasLock(client: CassandraClient, query: string, who: string, isLast: boolean): Promise<boolean> {
  try {
    const { applied, found } = await client.decide(query, [who])
    return applied || found?.['value'] === who
  } catch (error) {
    if (isLast || !isCassandraOutage(error)) throw error
    return false
  }
}

async function unlock(client: CassandraClient, who: string): Promise<void> {
  await client.decide(`delete from ${META_TABLE} where key = 'lock' if value = ?`, [who])
}

async function keyspaceExists(options: CassandraOptions): Promise<boolean> {
  const client = await connectCassandra(options, null)
  try {
    return await hasKeyspace(client, options.keyspace)
  } finally {
    await client.close()
  }
}

async function hasKeyspace(client: CassandraClient, keyspace: string): Promise<boolean> {
  const query = 'select keyspace_name from system_schema.keyspaces where keyspace_name = ?'
  return (await client.read(query, [keyspace], 'outside')).length > 0
}

async function makeKeyspace(options: CassandraOptions): Promise<void> {
  const client = await connectCassandra(options, null)
  try {
    // One that exists stays as its owner made it, and making it needs a permission that we then need not have.
    if (await hasKeyspace(client, options.keyspace)) return
    const replication = replicationText(options.replication)
    await client.define(`create keyspace if not exists ${quoted(options.keyspace)} with replication = ${replication}`)
  } finally {
    await client.close()
  }
}

/** Nothing keeps others out yet: before 4.0, Cassandra itself does not bear two nodes that make one table. */
async function makeMetaTable(client: CassandraClient, keyspace: string): Promise<void> {
  if ((await tablesOf(client, keyspace)).has(META_TABLE)) return
  await client.define(`create table if not exists ${META_TABLE} (key text primary key, value text)`)
}

function replicationText(replication: CassandraReplication): string {
  const members: Record<string, string | number> =
    replication.strategy === 'SimpleStrategy'
      ? { class: replication.strategy, replication_factor: replication.factor }
      : { class: replication.strategy, ...replication.replicas }
  const texts = Object.entries(members).map(([name, value]) => `${literal(name)}: ${literal(String(value))}`)
  return `{${texts.join(', ')}}`
}

async function tablesOf(client: CassandraClient, keyspace: string): Promise<ReadonlySet<string>> {
  const query = 'select table_name from system_schema.tables where keyspace_name = ?'
  const rows = await client.read(query, [keyspace], 'outside')
  return new Set(rows.map(row => row['table_name'] as string))
}

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`
