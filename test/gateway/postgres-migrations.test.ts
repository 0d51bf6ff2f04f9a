/** `kong migrations` and the start of a node on a real PostgreSQL server. */
import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import pg from 'pg'
import { MIGRATIONS } from '../../src/store/migrations/all.ts'
import { migrationName } from '../../src/store/migrations/store-migrations.ts'
import type { PostgresOptions } from '../../src/store/postgres/connection-options.ts'
import { switchRouterFlavor } from '../kit/flavor-switch.ts'
import { aNode, freePort } from '../kit/nodes.ts'
import { postgresIsMissing, type PostgresServer, postgresSettings, startPostgres } from '../kit/postgres.ts'

describe('kong migrations on PostgreSQL', { skip: postgresIsMissing() }, () => {
  let server: PostgresServer
  before(async () => {
    server = await startPostgres()
  })
  after(() => server.close())

  async function aControlPlane(t: TestContext, database: PostgresOptions, settings: Record<string, string> = {}) {
    const [admin, cluster] = [await freePort(), await freePort()]
    return aNode(t, {
      role: 'admin',
      admin_listen: `127.0.0.1:${admin}`,
      cluster_listen: `127.0.0.1:${cluster}`,
      ...postgresSettings(database),
      ...settings,
    })
  }

  test('bootstrap, list, up, finish, status and reset answer and exit as in Kong', async t => {
    const node = await aControlPlane(t, await server.createDatabase())
    const run = async (...args: string[]) => {
      const { status, stdout, stderr } = await node.kong('migrations', ...args)
      return { status, text: (stdout + stderr).trim() }
    }
    const executed = MIGRATIONS.map(migrationName)
    assert.equal((await run('list')).status, 3)
    assert.deepEqual(JSON.parse((await run('status')).text), { needs_bootstrap: true, executed_migrations: [] })
    assert.match((await run('up')).text, /kong migrations bootstrap/)
    assert.equal((await run('up')).status, 1)
    assert.deepEqual(await run('reset', '--yes'), { status: 1, text: 'Database not bootstrapped, nothing to reset' })
    const steps = executed.map(step => `core migrated up to: ${step} (executed)\n`).join('')
    const told = `migrating core on store 'postgres'...\n${steps}${executed.length} migrations processed`
    assert.deepEqual(await run('bootstrap'), {
      status: 0,
      text: `Bootstrapping database...\n${told}\nDatabase is up-to-date`,
    })
    assert.deepEqual(await run('bootstrap'), { status: 0, text: 'Database already bootstrapped' })
    assert.deepEqual(await run('up'), { status: 0, text: 'Database is already up-to-date' })
    assert.deepEqual(await run('finish'), { status: 0, text: 'No pending migrations to finish' })
    assert.equal((await run('list')).status, 0)
    assert.deepEqual(JSON.parse((await run('list', '--json')).text), { needs_bootstrap: false, executed })
    assert.match((await run('reset')).text, /not a tty/)
    assert.deepEqual(await run('reset', '--yes'), {
      status: 0,
      text: 'Resetting database...\nDatabase successfully reset',
    })
    assert.equal((await run('list')).status, 3)
  })

  test('two bootstraps at once make one set of tables', async t => {
    const database = await server.createDatabase()
    const nodes = [await aControlPlane(t, database), await aControlPlane(t, database)]
    const results = await Promise.all(nodes.map(node => node.kong('migrations', 'bootstrap')))
    assert.deepEqual(
      results.map(({ status }) => status),
      [0, 0],
      JSON.stringify(results),
    )
    const { rows } = await server.query('select count(*)::int as count from schema_migrations', database.database)
    assert.equal(rows[0].count, MIGRATIONS.length)
  })

  test('migrations wait for another node for --lock-timeout, then give up', async t => {
    const database = await server.createDatabase()
    const node = await aControlPlane(t, database)
    const other = new pg.Client({ ...database, ssl: false, password: database.password! })
    await other.connect()
    await other.query("begin; select pg_advisory_xact_lock(1263488583, hashtext('public'))")
    const { status, stderr } = await node.kong('migrations', 'bootstrap', '--lock-timeout', '0')
    await other.end()
    assert.equal(status, 1)
    assert.match(stderr, /aborted: another node is performing database changes/)
  })

  test('a node does not start on missing, incomplete or newer tables, and says what helps', async t => {
    const database = await server.createDatabase()
    const node = await aControlPlane(t, database)
    const start = async () => {
      const { status, stdout, stderr } = await node.kong('start')
      assert.equal(status, 1)
      return stdout + stderr
    }
    assert.match(await start(), /no tables yet; run 'kong migrations bootstrap'/)
    await node.kong('migrations', 'bootstrap')
    await server.query('drop table snis', database.database)
    assert.match(await start(), /lacks table snis; run 'kong migrations up'/)
    assert.equal((await node.kong('migrations', 'list')).status, 5)
    assert.equal((await node.kong('migrations', 'up')).status, 0)
    await server.query(`insert into schema_migrations values (9999, 'from the future', 0)`, database.database)
    assert.match(await start(), /9999 \('from the future'\).*newer version/)
  })

  test('a node that does not reach the server says which, and why', async t => {
    const database = await server.createDatabase()
    const port = await freePort()
    const nowhere = await aControlPlane(t, { ...database, port })
    const refused = await nowhere.kong('start')
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, new RegExp(`PostgreSQL at 127.0.0.1:${port}/${database.database}.*ECONNREFUSED`))
    const stranger = await aControlPlane(t, { ...database, password: 'wrong-secret' })
    const { stderr } = await stranger.kong('start')
    assert.match(stderr, /as user 'kong': password authentication failed/)
    assert.ok(!stderr.includes('wrong-secret'))
  })

  test('the tables of a Kong are left alone', async t => {
    const database = await server.createDatabase()
    await server.query('create table schema_meta (key text)', database.database)
    const node = await aControlPlane(t, database)
    assert.match((await node.kong('migrations', 'bootstrap')).stderr, /holds the tables of a Kong.*pg_schema/)
    const apart = await aControlPlane(t, database, { pg_schema: 'Silver back' })
    assert.equal((await apart.kong('migrations', 'bootstrap')).status, 0)
    await apart.start()
    await apart.stop()
  })

  test('another router_flavor needs `kong migrations up`, and takes no routes that it could not run', async t => {
    await switchRouterFlavor(t, postgresSettings(await server.createDatabase()))
  })

  test('start --run-migrations makes the tables first', async t => {
    const node = await aControlPlane(t, await server.createDatabase())
    const { status, stderr } = await node.kong('start', '--run-migrations')
    assert.equal(status, 0, stderr)
    await node.stop()
  })
})
