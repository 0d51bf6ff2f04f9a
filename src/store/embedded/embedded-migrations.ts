/** `kong migrations` for the store that brings its tables up to date whenever it is opened. */
import { existsSync, rmSync } from 'node:fs'
import type { Clock } from '../../base/clock.ts'
import type { EntityCatalog } from '../../entities/catalog.ts'
import { MIGRATIONS } from '../migrations/all.ts'
import { migrationName, type StoreMigrations } from '../migrations/store-migrations.ts'
import { openEmbeddedStore } from './open-embedded-store.ts'

export interface EmbeddedMigrationsOptions {
  readonly path: string
  readonly catalog: EntityCatalog
  readonly clock: Clock
}

export function embeddedMigrations({ path, catalog, clock }: EmbeddedMigrationsOptions): StoreMigrations {
  const migrate = async () => (await openEmbeddedStore({ path, catalog, clock })).close()
  return {
    async state() {
      if (!existsSync(path)) return { needsBootstrap: true, executed: [], missing: [] }
      await migrate()
      return { needsBootstrap: false, executed: MIGRATIONS.map(migrationName), missing: [] }
    },
    migrate,
    /** Nobody may have the store open. */
    async reset() {
      for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
    },
    async close() {},
  }
}
