/** The store in a Cassandra cluster, which as many control planes share as like. */
import type { Clock } from '../../base/clock.ts'
import { type Logger, silentLogger } from '../../base/logger.ts'
import type { EntityCatalog } from '../../entities/catalog.ts'
import { StoreError } from '../errors.ts'
import { migrationsFault } from '../migrations/store-migrations.ts'
import { CHANGES_KEPT } from '../sql/change-log.ts'
import { Tables } from '../sql/tables.ts'
import type { EntityStore } from '../store.ts'
import { connectCassandra } from './cassandra-client.ts'
import { cassandraState } from './cassandra-migrations.ts'
import { createCassandraStore } from './cassandra-store.ts'
import { addressOf, type CassandraOptions } from './connection-options.ts'

export interface CassandraStoreOptions {
  readonly options: CassandraOptions
  readonly catalog: EntityCatalog
  readonly clock: Clock
  readonly logger?: Logger
  /** Between looks for other nodes' commits. */
  readonly pollMs?: number
  /** Changes kept for deltas. */
  readonly changesKept?: number
}

/** Rejects when the cluster cannot be reached, or its tables are not those of this version. */
export async function openCassandraStore(given: CassandraStoreOptions): Promise<EntityStore> {
  const { options, catalog, clock, logger = silentLogger, pollMs = 5000, changesKept = CHANGES_KEPT } = given
  const tables = new Tables(catalog)
  const fault = migrationsFault(await cassandraState(options, tables))
  if (fault !== null) throw new StoreError('database_error', `Cassandra at ${addressOf(options)}: ${fault}`)
  const client = await connectCassandra(options, options.keyspace)
  try {
    return await createCassandraStore({ client, tables, catalog, clock, logger, pollMs, changesKept })
  } catch (error) {
    await client.close()
    throw error
  }
}
