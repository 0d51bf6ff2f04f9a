/** The store in a PostgreSQL server, which as many control planes share as like. */
import type { Clock } from '../../base/clock.ts'
import { type Logger, silentLogger } from '../../base/logger.ts'
import type { EntityCatalog } from '../../entities/catalog.ts'
import { StoreError } from '../errors.ts'
import { migrationsFault } from '../migrations/store-migrations.ts'
import { createSqlStore } from '../sql/sql-store.ts'
import { Tables } from '../sql/tables.ts'
import type { EntityStore } from '../store.ts'
import { cannotConnect, openConnection } from './connection.ts'
import { addressOf, type PostgresOptions } from './connection-options.ts'
import { postgresSql } from './postgres-dialect.ts'
import { openPostgresEngine } from './postgres-engine.ts'
import { postgresState } from './postgres-migrations.ts'

export interface PostgresStoreOptions {
  readonly options: PostgresOptions
  readonly replica?: PostgresOptions | null
  readonly catalog: EntityCatalog
  readonly clock: Clock
  readonly logger?: Logger
  /** Between looks for other nodes' commits, beside notifications. */
  readonly pollMs?: number
  /** Changes kept for deltas. */
  readonly changesKept?: number
}

/** Rejects when the server cannot be reached, or its tables are not those of this version. */
export async function openPostgresStore(given: PostgresStoreOptions): Promise<EntityStore> {
  const { options, replica = null, catalog, clock, logger = silentLogger, pollMs = 5000, changesKept } = given
  await checkTables(options, catalog)
  const engine = await openPostgresEngine({ options, replica, clock, logger, pollMs })
  return createSqlStore({ engine, catalog, clock, logger, ...(changesKept === undefined ? {} : { changesKept }) })
}

const versionMin = 130_000

async function checkTables(options: PostgresOptions, catalog: EntityCatalog): Promise<void> {
  const connection = await openConnection(options).catch(error => {
    throw cannotConnect(options, error)
  })
  try {
    const { rows } = await connection.query("select current_setting('server_version_num')::int as version")
    if ((rows[0]?.['version'] as number) < versionMin) {
      throw new StoreError(
        'database_error',
        `PostgreSQL at ${addressOf(options)} is older than 13, the oldest that works`,
      )
    }
    const db = postgresSql((text, values) => connection.query(text, values))
    const fault = migrationsFault(await postgresState(db, connection, new Tables(catalog)))
    if (fault !== null) throw new StoreError('database_error', `PostgreSQL at ${addressOf(options)}: ${fault}`)
  } finally {
    await connection.close()
  }
}
