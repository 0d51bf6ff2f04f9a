/** The Cassandra store keeps the store contract, on a real server, and what is particular to it. */
import { after, before, describe } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { openCassandraMigrations } from '../../src/store/cassandra/cassandra-migrations.ts'
import type { CassandraOptions } from '../../src/store/cassandra/connection-options.ts'
import { openCassandraStore } from '../../src/store/cassandra/open-cassandra-store.ts'
import { cassandraIsMissing, type CassandraServer, startCassandra } from '../kit/cassandra.ts'
import { contractCatalog } from './store.catalog.ts'
import { storeContract } from './store.contract.ts'
import { type OpenStore, raceProcesses } from './store.kit.ts'
import { storeChangesContract } from './store-changes.contract.ts'
import { storeReadsContract } from './store-reads.contract.ts'

describe('store on Cassandra', { skip: cassandraIsMissing() }, () => {
  let server: CassandraServer
  before(async () => {
    server = await startCassandra()
  })
  after(() => server.close())

  /** An empty keyspace with its tables. */
  async function keyspace(): Promise<CassandraOptions> {
    const options = server.newKeyspace()
    const migrations = await openCassandraMigrations({
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
    const where = await keyspace()
    const open = () => openCassandraStore({ options: where, catalog: contractCatalog, pollMs: 20, ...options })
    const store = await open()
    return {
      store,
      another: open,
      race: (name, count) => raceProcesses({ cassandra: where }, name, count),
      close: () => store.close(),
    }
  }
  // First, since its rows with a time to live are made when the file is read.
  storeReadsContract('cassandra', async (rows, { clock }) => {
    const store = await openCassandraStore({ options: await keyspace(), catalog: contractCatalog, clock })
    await store.transaction(async tx => {
      for (const { entity, row } of rows) await tx.insert(entity, row)
    })
    return store
  })
  storeContract('cassandra', openStore)
  storeChangesContract('cassandra', openStore)
})
