/** Opens the store that the settings name, and its migrations. */
import { resolve } from 'node:path'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Settings } from '../settings/definition.ts'
import type { StoreMigrations } from '../store/migrations/store-migrations.ts'
import type { EntityStore } from '../store/store.ts'
import { cassandraFrom } from './cassandra-from.ts'
import { postgresFrom, postgresReplicaFrom } from './postgres-from.ts'

export interface OpenStoreOptions {
  readonly settings: Settings
  readonly catalog: EntityCatalog
  readonly clock: Clock
  readonly log: Logger
}

/** Of a node that runs for long: one on a server goes on from memory while that server is away. */
export async function openNodeStore(options: OpenStoreOptions): Promise<EntityStore> {
  const { settings, catalog, clock, log } = options
  const store = await openStore(options)
  const isOutage = await outageTest(settings)
  if (isOutage === null) return store
  const { createStandbyStore } = await import('../store/standby/standby-store.ts')
  return createStandbyStore({ store, catalog, clock, logger: log, isOutage })
}

async function outageTest({ storage }: Settings): Promise<((error: unknown) => boolean) | null> {
  if (storage === 'postgres') return (await import('../store/postgres/connection-failure.ts')).isConnectionFailure
  if (storage === 'cassandra') return (await import('../store/cassandra/connection-failure.ts')).isCassandraOutage
  return null
}

/** Rejects with a text for people when it cannot be reached, or its tables are not those of this version. */
export async function openStore({ settings, catalog, clock, log }: OpenStoreOptions): Promise<EntityStore> {
  // Each driver is loaded only where it is used.
  switch (settings.storage) {
    case 'embedded': {
      const { openEmbeddedStore } = await import('../store/embedded/open-embedded-store.ts')
      return openEmbeddedStore({ path: embeddedPath(settings), catalog, clock, logger: log })
    }
    case 'postgres': {
      const { openPostgresStore } = await import('../store/postgres/open-postgres-store.ts')
      return openPostgresStore({
        options: postgresFrom(settings),
        replica: postgresReplicaFrom(settings),
        catalog,
        clock,
        logger: log,
        pollMs: settings.db_update_frequency * 1000,
      })
    }
    case 'cassandra': {
      const { openCassandraStore } = await import('../store/cassandra/open-cassandra-store.ts')
      const pollMs = settings.db_update_frequency * 1000
      return openCassandraStore({ options: cassandraFrom(settings), catalog, clock, logger: log, pollMs })
    }
    default:
      throw new Error(`storage "${settings.storage}" is not there yet`)
  }
}

export interface OpenMigrationsOptions extends Omit<OpenStoreOptions, 'log'> {
  /** How long to wait for another node that is changing the database. */
  readonly lockMsMax: number
}

export async function openMigrations({
  settings,
  catalog,
  clock,
  lockMsMax,
}: OpenMigrationsOptions): Promise<StoreMigrations> {
  switch (settings.storage) {
    case 'embedded': {
      const { embeddedMigrations } = await import('../store/embedded/embedded-migrations.ts')
      return embeddedMigrations({ path: embeddedPath(settings), catalog, clock })
    }
    case 'postgres': {
      const { openPostgresMigrations } = await import('../store/postgres/postgres-migrations.ts')
      return openPostgresMigrations({ options: postgresFrom(settings), catalog, clock, lockMsMax })
    }
    case 'cassandra': {
      const { openCassandraMigrations } = await import('../store/cassandra/cassandra-migrations.ts')
      return openCassandraMigrations({ options: cassandraFrom(settings), catalog, clock, lockMsMax })
    }
    default:
      throw new Error(`storage "${settings.storage}" is not there yet`)
  }
}

export const embeddedPath = ({ prefix, embedded_path }: Settings) => resolve(prefix, embedded_path)
