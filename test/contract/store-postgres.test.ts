/** The PostgreSQL store keeps the store contract, on a real server. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import type { PostgresOptions } from '../../src/store/postgres/connection-options.ts'
import { openPostgresMigrations } from '../../src/store/postgres/postgres-migrations.ts'
import { openPostgresStore } from '../../src/store/postgres/open-postgres-store.ts'
import type { EntityStore } from '../../src/store/store.ts'
import { postgresIsMissing, type PostgresServer, postgresVersions, startPostgres } from '../kit/postgres.ts'
import { contractCatalog } from './store.catalog.ts'
import { storeContract } from './store.contract.ts'
import { type OpenStore, raceProcesses, rowBuilders } from './store.kit.ts'
import { storeChangesContract } from './store-changes.contract.ts'
import { storeReadsContract } from './store-reads.contract.ts'

for (const { name, ...where } of postgresVersions()) {
  describe(`store on ${name}`, { skip: postgresIsMissing() }, () => storeOn(where))
}

function storeOn(where: { readonly programs?: string }): void {
  let server: PostgresServer
  before(async () => {
    server = await startPostgres([], where)
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

  test('onHead() hears of commits again after the listening connection broke, and of those meanwhile', async () => {
    const options = await database()
    const open = (pollMs: number) =>
      openPostgresStore({ options, catalog: contractCatalog, clock: systemClock, pollMs })
    // One that would look by itself only in an hour, and one that can only look: its notifications go elsewhere.
    const [heard, looked, writer] = [await open(3_600_000), await open(20), await open(3_600_000)]
    const rows = rowBuilders(systemRandom)
    const versions = (store: EntityStore) => {
      const seen: number[] = []
      let arrived = () => {}
      store.onHead(({ version }) => {
        seen.push(version)
        arrived()
      })
      return async (version: number) => {
        while (seen.at(-1) !== version) {
          await new Promise<void>(resolve => {
            arrived = resolve
          })
        }
      }
    }
    const [heardOf, lookedAt] = [versions(heard), versions(looked)]
    await server.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where query ~ '^(listen|select 1)' and datname = '${options.database}'`,
    )
    await writer.transaction(tx => tx.insert('houses', rows.house()))
    // By the look that follows the new connection.
    await heardOf(1)
    await writer.transaction(tx => tx.insert('houses', rows.house()))
    await Promise.all([heardOf(2), lookedAt(2)])
    // A version that nobody was told of.
    await server.query('update config_state set version = version + 1', options.database)
    await lookedAt(3)
    for (const store of [heard, looked, writer]) await store.close()
  })

  test('transactions of two nodes see each other whatever isolation the database has as its default', async () => {
    const options = await database()
    await server.query(`alter database ${options.database} set default_transaction_isolation = 'serializable'`)
    const open = () => openPostgresStore({ options, catalog: contractCatalog, clock: systemClock })
    const [one, two] = [await open(), await open()]
    const rows = rowBuilders(systemRandom)
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, at) =>
        (at % 2 === 0 ? one : two).transaction(tx => tx.insert('houses', rows.house({ name: `both-${at >> 1}` }))),
      ),
    )
    const refusals = outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason.kind] : []))
    assert.deepEqual(refusals, Array(20).fill('unique_violation'))
    assert.equal((await one.head()).version, 20)
    for (const store of [one, two]) await store.close()
  })

  test('a database without tables is refused with the command that makes them', async () => {
    const options = await server.createDatabase()
    await assert.rejects(
      openPostgresStore({ options, catalog: contractCatalog, clock: systemClock }),
      /no tables yet; run 'kong migrations bootstrap'/,
    )
  })
}
