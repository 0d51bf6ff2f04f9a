/** Opens the store that the settings name, and its migrations. */
import { resolve } from 'node:path'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Settings } from '../settings/definition.ts'
import { embeddedMigrations } from '../store/embedded/embedded-migrations.ts'
import { openEmbeddedStore } from '../store/embedded/open-embedded-store.ts'
import type { StoreMigrations } from '../store/migrations/store-migrations.ts'
import { openPostgresStore } from '../store/postgres/open-postgres-store.ts'
import { openPostgresMigrations } from '../store/postgres/postgres-migrations.ts'
import type { EntityStore } from '../store/store.ts'
import { postgresFrom, postgresReplicaFrom } from './postgres-from.ts'

export interface OpenStoreOptions {
  readonly settings: Settings
  readonly catalog: EntityCatalog
  readonly clock: Clock
  readonly log: Logger
}

/** Rejects with a text for people when it cannot be reached, or its tables are not those of this version. */
export function openStore({ settings, catalog, clock, log }: OpenStoreOptions): Promise<EntityStore> {
  switch (settings.storage) {
    case 'embedded':
      return openEmbeddedStore({ path: embeddedPath(settings), catalog, clock, logger: log })
    case 'postgres':
      return openPostgresStore({
        options: postgresFrom(settings),
        replica: postgresReplicaFrom(settings),
        catalog,
        clock,
        logger: log,
        pollMs: settings.db_update_frequency * 1000,
      })
    default:
      throw new Error(`storage "${settings.storage}" is not there yet`)
  }
}

export interface OpenMigrationsOptions extends Omit<OpenStoreOptions, 'log'> {
  /** How long to wait for another node that is changing the database. */
  readonly lockMsMax: number
}

export function openMigrations({
  settings,
  catalog,
  clock,
  lockMsMax,
}: OpenMigrationsOptions): Promise<StoreMigrations> {
  switch (settings.storage) {
    case 'embedded':
      return Promise.resolve(embeddedMigrations({ path: embeddedPath(settings), catalog, clock }))
    case 'postgres':
      return openPostgresMigrations({ options: postgresFrom(settings), catalog, clock, lockMsMax })
    default:
      throw new Error(`storage "${settings.storage}" is not there yet`)
  }
}

const embeddedPath = ({ prefix, embedded_path }: Settings) => resolve(prefix, embedded_path)
