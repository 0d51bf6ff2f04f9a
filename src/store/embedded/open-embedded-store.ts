/** The store that needs no server: one SQLite file, opened by as many processes of this machine as like. */
import type { Clock } from '../../base/clock.ts'
import { type Logger, silentLogger } from '../../base/logger.ts'
import type { EntityCatalog } from '../../entities/catalog.ts'
import { MIGRATIONS } from '../migrations/all.ts'
import type { Migration } from '../migrations/migration.ts'
import { migrate } from '../sql/migrate.ts'
import { createSqlStore } from '../sql/sql-store.ts'
import { Tables } from '../sql/tables.ts'
import type { EntityStore } from '../store.ts'
import { openSqliteEngine } from './sqlite-engine.ts'

export interface EmbeddedStoreOptions {
  /** The file; it and its folder are created if need be, for the owner only. */
  readonly path: string
  readonly catalog: EntityCatalog
  readonly clock: Clock
  readonly logger?: Logger
  /** How often commits of other processes are looked for. */
  readonly pollMs?: number
  /** Changes kept for deltas. */
  readonly changesKept?: number
  /** Other steps than the released ones, for tests of migrating itself. */
  readonly migrations?: readonly Migration[]
}

export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EntityStore> {
  const { catalog, clock, logger = silentLogger, migrations = MIGRATIONS, changesKept } = options
  const engine = openSqliteEngine(options)
  try {
    await migrate({ engine, tables: new Tables(catalog), migrations, clock })
  } catch (error) {
    await engine.close()
    throw error
  }
  return createSqlStore({ engine, catalog, clock, logger, ...(changesKept === undefined ? {} : { changesKept }) })
}
