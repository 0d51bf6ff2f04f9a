/** The PostgreSQL store keeps the store contract, on a real server. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import type { PostgresOptions } from '../../src/store/postgres/connection-options.ts'
import { openPostgresMigrations } from '../../src/store/postgres/postgres-migrations.ts'
import { openPostgresStore } from '../../src/store/postgres/open-postgres-store.ts'
import { postgresIsMissing, type PostgresServer, startPostgres } from '../kit/postgres.ts'
import { contractCatalog } from './store.catalog.ts'
import { storeContract } from './store.contract.ts'
import { type OpenStore, raceProcesses } from './store.kit.ts'
import { storeChangesContract } from './store-changes.contract.ts'
import { storeReadsContract } from './store-reads.contract.ts'

describe('store on PostgreSQL', { skip: postgresIsMissing() }, () => {
  let server: PostgresServer
  before(async () => {
    server = await startPostgres()
  })
  after(() => server.close())

  /** An empty database with its tables. */
  async function database(): Promise<PostgresOptions> {
    const options = await server.createDatabase()
    const migrations = await openPostgresMigrations({
      options,
      catalog: contractCatalog,
      clock: systemClock,
      lockMsMax: 0,
    })
    await migrations.migrate()
    await migrations.close()
    return options
  }

  const openStore: OpenStore = async options => {
    const where = await database()
    const open = () => openPostgresStore({ options: where, catalog: contractCatalog, ...options })
    const store = await open()
    return {
      store,
      another: open,
      race: (name, count) => raceProcesses({ postgres: where }, name, count),
      close: () => store.close(),
    }
  }
  storeContract('postgres', openStore)
  storeChangesContract('postgres', openStore)
  storeReadsContract('postgres', async (rows, { clock }) => {
    const store = await openPostgresStore({ options: await database(), catalog: contractCatalog, clock })
    await store.transaction(async tx => {
      for (const { entity, row } of rows) await tx.insert(entity, row)
    })
    return store
  })

  test('a database without tables is refused with the command that makes them', async () => {
    const options = await server.createDatabase()
    await assert.rejects(
      openPostgresStore({ options, catalog: contractCatalog, clock: systemClock }),
      /no tables yet; run 'kong migrations bootstrap'/,
    )
  })
})
