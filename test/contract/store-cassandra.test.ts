/** The Cassandra store keeps the store contract, on a real server, and what is particular to it. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { systemRandom } from '../../src/base/random.ts'
import { EMPTY_HEAD } from '../../src/entities/config.ts'
import { type CassandraClient, connectCassandra } from '../../src/store/cassandra/cassandra-client.ts'
import { openCassandraMigrations } from '../../src/store/cassandra/cassandra-migrations.ts'
import { createCassandraStore } from '../../src/store/cassandra/cassandra-store.ts'
import { isCassandraOutage } from '../../src/store/cassandra/connection-failure.ts'
import type { CassandraOptions } from '../../src/store/cassandra/connection-options.ts'
import { openCassandraStore } from '../../src/store/cassandra/open-cassandra-store.ts'
import { StoreError } from '../../src/store/errors.ts'
import { MigrationsLocked } from '../../src/store/migrations/store-migrations.ts'
import type { EntityStore } from '../../src/store/store.ts'
import { Tables } from '../../src/store/sql/tables.ts'
import { cassandraIsMissing, type CassandraServer, startCassandra } from '../kit/cassandra.ts'
import { checkIntegrity } from '../kit/cassandra-integrity.ts'
import { contractCatalog } from './store.catalog.ts'
import { storeContract } from './store.contract.ts'
import { exported, hashOf, type OpenStore, raceProcesses, refuses, rowBuilders, shiftableClock } from './store.kit.ts'
import { storeChangesContract } from './store-changes.contract.ts'
import { storeReadsContract } from './store-reads.contract.ts'

describe('store on Cassandra', { skip: cassandraIsMissing() }, () => {
  let server: CassandraServer
  before(async () => {
    server = await startCassandra()
  })
  const opened: EntityStore[] = []
  after(async () => {
    for (const store of opened) await store.close()
    await server.close()
  })

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

  const tables = new Tables(contractCatalog)
  const rows = rowBuilders(systemRandom)
  const openOn = (options: CassandraOptions) =>
    openCassandraStore({ options, catalog: contractCatalog, clock: systemClock, pollMs: 20 })

  test('whatever step a write ends at, it is made whole or not at all, by the next node that comes', async () => {
    const options = await keyspace()
    const house = rows.house({ name: 'old', tags: ['a', 'b'] })
    const doors = [1, 2].map(() => rows.door({ house: { id: house['id'] } }))
    const prepared = await openOn(options)
    await prepared.transaction(tx => tx.insert('houses', house))
    for (const door of doors) await prepared.transaction(tx => tx.insert('doors', door))
    await prepared.close()
    const outcomes = { whole: 0, nothing: 0 }
    for (let steps = 0, done = false; !done; steps += 1) {
      const name = `name-${steps}`
      const crashing = await storeThatCrashes(options, steps)
      const before = await crashing.store.head()
      done = await crashing.store
        .transaction(async tx => {
          const current = (await tx.find('houses', house['id'] as string))!
          await tx.update('houses', { ...current, name, tags: ['b', name] })
          await tx.insert('rooms', rows.room(house))
          await tx.delete('doors', ((await tx.page('doors', { size: 1, after: null })).rows[0]?.['id'] ?? '') as string)
          await tx.insert('doors', rows.door({ house: { id: house['id'] } }))
          await tx.record('log', name, { name })
        })
        .then(
          () => true,
          () => false,
        )
      await crashing.end()
      const store = await openOn(options)
      const after = await store.head()
      await checkIntegrity(options, tables)
      const holder = await store.findBy('houses', { name })
      assert.equal(holder !== null, after.version === before.version + 1)
      assert.equal((await store.changesSince(before.version))?.changes.length, holder === null ? 0 : 4)
      assert.equal((await store.records.get('log', name)) !== null, holder !== null, 'the record of it as well')
      const taken = store.transaction(tx => tx.insert('houses', rows.house({ name })))
      if (holder === null) {
        await taken
        outcomes.nothing += 1
      } else {
        await refuses(taken, 'unique_violation', { name })
        outcomes.whole += 1
      }
      await store.close()
    }
    assert.ok(outcomes.whole > 5 && outcomes.nothing > 1, JSON.stringify(outcomes))
  })

  /** A store whose node ends after so many statements that change something: from then on none arrives. */
  async function storeThatCrashes(options: CassandraOptions, steps: number) {
    const client = await connectCassandra(options, options.keyspace)
    let left = steps
    const step = () => {
      left -= 1
      if (left < 0) throw new Error('the node has ended')
    }
    const crashing: CassandraClient = {
      ...client,
      async write(statements) {
        for (const statement of statements) {
          step()
          await client.write([statement])
        }
      },
      async decide(query, values) {
        step()
        return client.decide(query, values)
      },
    }
    const common = { catalog: contractCatalog, clock: systemClock, logger: silentLogger, tables }
    const patience = { pollMs: 60_000, changesKept: 1000, patienceMs: 50 }
    return {
      store: await createCassandraStore({ ...common, ...patience, client: crashing }),
      end: () => client.close(),
    }
  }

  test('two stores that write all the time keep one order and every row', async () => {
    const options = await keyspace()
    const stores = [await openOn(options), await openOn(options)]
    const each = 40
    const outcomes = await Promise.allSettled(
      stores.flatMap(store =>
        Array.from({ length: each }, (_, at) =>
          store.transaction(async tx => {
            const house = rows.house({ name: `contended-${at}`, tags: [`tag-${at % 7}`] })
            await tx.insert('houses', house)
            await tx.insert('rooms', rows.room(house))
          }),
        ),
      ),
    )
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') assert.equal(outcome.reason.kind, 'unique_violation', String(outcome.reason))
    }
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, each)
    assert.deepEqual(await stores[0]!.head(), await stores[1]!.head())
    assert.equal((await stores[0]!.head()).version, each)
    assert.equal((await stores[1]!.changesSince(0))?.changes.length, 2 * each)
    for (const store of stores) await store.close()
    await checkIntegrity(options, tables)
  })

  test('sweep() forgets what commits were made of, and the store goes on', async () => {
    const options = await keyspace()
    const clock = shiftableClock()
    const store = await openCassandraStore({ options, catalog: contractCatalog, clock })
    for (let at = 0; at < 3; at += 1) await store.transaction(tx => tx.insert('houses', rows.house()))
    const head = await store.head()
    clock.shift(3_600_000)
    await store.sweep()
    const client = await connectCassandra(options, options.keyspace)
    assert.equal((await client.read('select distinct attempt from config_intents', [], 'decisive')).length, 1)
    await client.close()
    assert.deepEqual(await store.head(), head)
    assert.equal((await store.changesSince(0))?.changes.length, 3)
    await store.transaction(tx => tx.insert('houses', rows.house()))
    assert.equal((await store.head()).version, head.version + 1)
    await store.close()
    await checkIntegrity(options, tables)
  })

  describe('openCassandraMigrations()', () => {
    const migrationsOf = (options: CassandraOptions, lockMsMax = 20_000) =>
      openCassandraMigrations({ options, catalog: contractCatalog, clock: systemClock, lockMsMax })

    test('migrate() makes keyspace and tables once, however many nodes begin at the same time', async () => {
      const options = server.newKeyspace()
      // Cassandra 3 does not bear two nodes that make one table at the same time.
      const isOld = process.env['KONG_TEST_CASSANDRA_VERSION']?.startsWith('3.') === true
      const several = await Promise.all((isOld ? [1] : [1, 2, 3]).map(() => migrationsOf(options)))
      assert.deepEqual(await several[0]!.state(), { needsBootstrap: true, executed: [], missing: [] })
      await assert.rejects(openOn(options), /no tables yet; run 'kong migrations bootstrap'/)
      await Promise.all(several.map(migrations => migrations.migrate()))
      assert.deepEqual(await several[0]!.state(), { needsBootstrap: false, executed: ['001_store'], missing: [] })
      const store = await openOn(options)
      await store.transaction(tx => tx.insert('houses', rows.house()))
      await several.at(-1)!.migrate()
      assert.equal((await store.page('houses', { size: 5, after: null })).rows.length, 1)
      await store.close()
    })

    test('migrate() gives up when another node is at it for too long', async () => {
      const options = await keyspace()
      const client = await connectCassandra(options, options.keyspace)
      const query = "insert into schema_meta_silverback (key, value) values ('lock', 'another') if not exists"
      assert.equal((await client.decide(query, [])).applied, true)
      await assert.rejects((await migrationsOf(options, 0)).migrate(), MigrationsLocked)
      await client.close()
    })

    test('reset() leaves nothing behind', async () => {
      const options = await keyspace()
      const store = await openOn(options)
      await store.transaction(tx => tx.insert('houses', rows.house()))
      await store.close()
      const migrations = await migrationsOf(options)
      await migrations.reset()
      assert.equal((await migrations.state()).needsBootstrap, true)
      await migrations.migrate()
      const empty = await openOn(options)
      assert.deepEqual(await empty.head(), EMPTY_HEAD)
      await empty.close()
    })

    test('other entities than the tables were prepared for are refused, and prepared by migrate()', async () => {
      const options = await keyspace()
      const store = await openOn(options)
      await store.transaction(tx => tx.insert('houses', rows.house()))
      await store.close()
      const { definitions } = contractCatalog
      const catalog = { ...contractCatalog, definitions: definitions.filter(({ name }) => name !== 'facts') }
      const open = () => openCassandraStore({ options, catalog, clock: systemClock })
      await assert.rejects(open(), /lacks preparation for doing without the entities facts .*run 'kong migrations up'/)
      const migrations = await openCassandraMigrations({ options, catalog, clock: systemClock, lockMsMax: 1000 })
      await migrations.migrate()
      const changed = await open()
      assert.equal((await changed.head()).version, 2)
      assert.equal(await changed.changesSince(1), null)
      assert.equal(hashOf(await exported(changed)), (await changed.head()).config_hash)
      await changed.close()
    })
  })

  // Last, since the server is away meanwhile.
  test('a server that was away is used again without opening the store anew', async t => {
    if (server.control === null) return t.skip('the server is not ours to stop')
    const store = await openOn(await keyspace())
    opened.push(store)
    await store.transaction(tx => tx.insert('houses', rows.house({ name: 'kept' })))
    await server.control.stop()
    assert.equal(await store.ping(), false)
    const attempt = store.transaction(tx => tx.insert('houses', rows.house()))
    await assert.rejects(attempt, error => error instanceof StoreError && isCassandraOutage(error))
    await server.control.start()
    const deadline = performance.now() + 30_000
    while (!(await store.ping())) {
      assert.ok(performance.now() < deadline, 'the store does not come back')
      await pause(100)
    }
    assert.notEqual(await store.findBy('houses', { name: 'kept' }), null)
    await store.transaction(tx => tx.insert('houses', rows.house({ name: 'later' })))
    assert.equal((await store.head()).version, 2)
  })
})
