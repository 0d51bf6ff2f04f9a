/** How connections to PostgreSQL are opened, shared, limited and given up. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { openConnection } from '../../src/store/postgres/connection.ts'
import type { PostgresOptions, PostgresTls } from '../../src/store/postgres/connection-options.ts'
import { ConnectionPool } from '../../src/store/postgres/connection-pool.ts'
import { openPostgresMigrations } from '../../src/store/postgres/postgres-migrations.ts'
import { openPostgresStore } from '../../src/store/postgres/open-postgres-store.ts'
import { SharedReader } from '../../src/store/postgres/shared-reader.ts'
import { selfSignedPair } from '../kit/certificate-pair.ts'
import { postgresIsMissing, type PostgresServer, startPostgres } from '../kit/postgres.ts'
import { contractCatalog } from './store.catalog.ts'
import { rowBuilders } from './store.kit.ts'
import { systemRandom } from '../../src/base/random.ts'

const isOurs = process.env['KONG_TEST_POSTGRES'] === undefined
const skip =
  postgresIsMissing() || (isOurs ? false : 'KONG_TEST_POSTGRES: the certificates of that server are not ours')

describe('connections to PostgreSQL', { skip }, () => {
  const own = selfSignedPair('localhost')
  let server: PostgresServer
  let options: PostgresOptions
  before(async () => {
    server = await startPostgres([], { certificate: own })
    options = await server.createDatabase()
  })
  after(() => server.close())

  const tls: PostgresTls = {
    verify: false,
    required: true,
    authorities: null,
    certificate: null,
    key: null,
    versionMin: 'TLSv1.2',
  }
  const version = async (given: PostgresOptions) => {
    const connection = await openConnection(given)
    try {
      const { rows } = await connection.query('select version from pg_stat_ssl where pid = pg_backend_pid()')
      return rows[0]?.['version'] ?? null
    } finally {
      await connection.close()
    }
  }

  test('openConnection() speaks TLS when told to, and verifies when told to', async () => {
    assert.equal(await version(options), null)
    assert.equal(await version({ ...options, tls }), 'TLSv1.3')
    await assert.rejects(version({ ...options, tls: { ...tls, verify: true } }), /self.signed|unable to verify/)
    const verified = { ...tls, verify: true, authorities: own.cert }
    assert.equal(await version({ ...options, host: 'localhost', tls: verified }), 'TLSv1.3')
    // The right authority for another name.
    await assert.rejects(version({ ...options, tls: verified }), /does not match certificate/)
  })

  test('openConnection() goes on without TLS on a server that has none, unless it is required', async () => {
    await server.query('alter system set ssl = off')
    await server.query('select pg_reload_conf()')
    try {
      await assert.rejects(version({ ...options, tls }), /does not support SSL/)
      assert.equal(await version({ ...options, tls: { ...tls, required: false } }), null)
    } finally {
      await server.query('alter system reset ssl')
      await server.query('select pg_reload_conf()')
    }
  })

  test('query() gives up after the timeout, and the connection with it', async () => {
    const connection = await openConnection({ ...options, timeoutMs: 200 })
    await assert.rejects(connection.query('select pg_sleep(5)'), /timeout/)
    assert.equal(connection.isUsable, false)
  })

  test('ConnectionPool lets no more read at once than it may, and each wait only so long', async () => {
    const pool = new ConnectionPool({ ...options, concurrentMax: 2, turnMsMax: 100, waitingMax: 1 }, systemClock)
    const held = [await pool.acquire(), await pool.acquire()]
    const late = assert.rejects(pool.acquire(), /no connection was free within 100 ms/)
    await assert.rejects(pool.acquire(), /more than 1 reads wait/)
    await late
    const next = pool.acquire()
    pool.release(held[0]!.connection)
    assert.equal((await next).connection, held[0]!.connection)
    pool.release(held[0]!.connection)
    pool.release(held[1]!.connection)
    await pool.close()
    await assert.rejects(pool.acquire(), /closed/)
  })

  test('ConnectionPool.read() asks once more when a kept connection has died unnoticed', async () => {
    const pool = new ConnectionPool(options, systemClock)
    const pid = async () =>
      (await pool.read(connection => connection.query('select pg_backend_pid() as pid'))).rows[0]?.['pid']
    const first = await pid()
    await server.query(`select pg_terminate_backend(${first})`)
    assert.notEqual(await pid(), first)
    await pool.close()
  })

  test('SharedReader asks for many rows on one connection, and once more on a new one when that has died unnoticed', async () => {
    const pool = new ConnectionPool(options, systemClock)
    const shared = new SharedReader(options, pool)
    const pids = async (count: number) => {
      const ask = (at: number) => shared.query('select pg_backend_pid() as pid, $1::int as at', [at])
      const rows = (await Promise.all(Array.from({ length: count }, (_, at) => ask(at)))).map(({ rows: [row] }) => row)
      assert.deepEqual(
        rows.map(row => row?.['at']),
        rows.map((_, at) => at),
      )
      return [...new Set(rows.map(row => row?.['pid']))]
    }
    const first = await pids(20)
    assert.equal(first.length, 1)
    await server.query(`select pg_terminate_backend(${first[0]})`)
    const second = await pids(20)
    assert.equal(second.length, 1)
    assert.notEqual(second[0], first[0])
    assert.ok((await pids(200)).length > 1, 'more than wait for each other take the pool')
    await Promise.all([shared.close(), pool.close()])
    await assert.rejects(shared.query('select 1', []), /closed/)
  })

  test('openPostgresStore() reads from the replica, and from the database itself while the replica is away', async () => {
    const migrations = await openPostgresMigrations({
      options,
      catalog: contractCatalog,
      clock: systemClock,
      lockMsMax: 0,
    })
    await migrations.migrate()
    await migrations.close()
    const away = { ...options, port: 1 }
    const store = await openPostgresStore({ options, replica: away, catalog: contractCatalog, clock: systemClock })
    const house = rowBuilders(systemRandom).house()
    await store.transaction(tx => tx.insert('houses', house))
    assert.deepEqual(await store.find('houses', house['id'] as string), house)
    await store.close()
    // An empty copy of the tables stands for a replica that lags behind.
    const behind = await server.createDatabase()
    const copy = await openPostgresMigrations({
      options: behind,
      catalog: contractCatalog,
      clock: systemClock,
      lockMsMax: 0,
    })
    await copy.migrate()
    await copy.close()
    const lagging = await openPostgresStore({ options, replica: behind, catalog: contractCatalog, clock: systemClock })
    assert.equal(await lagging.find('houses', house['id'] as string), null)
    assert.equal((await lagging.head()).version, 1, 'versions and deltas are those of the database itself')
    assert.equal((await lagging.changesSince(0))?.changes.length, 1)
    await lagging.close()
  })

  test('a password is in no error', async () => {
    await assert.rejects(
      openPostgresStore({
        options: { ...options, password: 'wrong-secret' },
        catalog: contractCatalog,
        clock: systemClock,
      }),
      error => {
        assert.ok(!JSON.stringify(error, Object.getOwnPropertyNames(error)).includes('wrong-secret'))
        return true
      },
    )
  })
})
