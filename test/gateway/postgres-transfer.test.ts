/** Configurations moved between the embedded store and PostgreSQL, and traditional nodes on PostgreSQL. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, type TestContext, test } from 'node:test'
import { createCatalog } from '../../src/entities/catalog.ts'
import { bundledPlugins } from '../../src/plugins/bundled.ts'
import { createTableStatements } from '../../src/store/sql/ddl.ts'
import { Tables } from '../../src/store/sql/tables.ts'
import { aNode, freePort, temporaryFolder, type TestNode } from '../kit/nodes.ts'
import { postgresIsMissing, type PostgresServer, postgresSettings, startPostgres } from '../kit/postgres.ts'
import { admin, anUpstream, eventually, send } from '../kit/traffic.ts'
import { assertHoldsAll, exportOf, importInto, kongExport } from '../kit/transfer.ts'

const SOURCE = {
  _format_version: '3.0',
  _transform: false,
  services: [
    { id: randomUUID(), name: 's', host: 's.test', created_at: 1700000001, updated_at: 1700000002, tags: ['ä', 'b'] },
  ],
  routes: [
    {
      id: randomUUID(),
      name: 'r',
      paths: ['/r'],
      service: 's',
      created_at: 1700000003,
      headers: { 'x-version': ['1', '2'] },
    },
  ],
  consumers: [{ id: randomUUID(), username: 'alice', custom_id: '42', created_at: 1700000004 }],
  keyauth_credentials: [{ id: randomUUID(), key: 'secret-of-alice', consumer: 'alice', created_at: 1700000005 }],
  plugins: [{ id: randomUUID(), name: 'key-auth', route: 'r', created_at: 1700000006, instance_name: 'auth' }],
  upstreams: [{ id: randomUUID(), name: 'u.test', created_at: 1700000007 }],
  targets: [{ id: randomUUID(), target: '10.0.0.1:80', weight: 7, upstream: 'u.test', created_at: 1700000008.123 }],
}

describe('moving to and from PostgreSQL', { skip: postgresIsMissing() }, () => {
  let server: PostgresServer
  before(async () => {
    server = await startPostgres()
  })
  after(() => server.close())

  async function bootstrapped(t: TestContext, settings: Record<string, string | number> = {}): Promise<TestNode> {
    const node = aNode(t, { ...postgresSettings(await server.createDatabase()), ...settings })
    const { status, stderr } = await node.kong('migrations', 'bootstrap')
    assert.equal(status, 0, stderr)
    return node
  }

  test('db_export and db_import carry every entity from one to the other and back', async t => {
    const folder = temporaryFolder(t)
    const embedded = aNode(t, { storage: 'embedded' })
    const there = await importInto(embedded, folder, JSON.stringify(SOURCE))
    assert.equal(there.status, 0, there.stderr)
    const first = await exportOf(embedded, folder)
    for (const id of Object.values(SOURCE).flatMap(list => (Array.isArray(list) ? list.map(row => row.id) : []))) {
      assert.ok(first.includes(id), `${id} is exported`)
    }
    assert.match(first, /secret-of-alice/)
    for (const time of ['created_at: 1700000001', 'updated_at: 1700000002', 'created_at: 1700000008.123']) {
      assert.ok(first.includes(time), time)
    }
    const node = await bootstrapped(t)
    assert.equal((await importInto(node, folder, first)).status, 0)
    const second = await exportOf(node, folder)
    assert.equal(second, first)
    const back = aNode(t, { storage: 'embedded' })
    assert.equal((await importInto(back, folder, second)).status, 0)
    assert.equal(await exportOf(back, folder), first)
  })

  test('db_import takes what a Kong 3.9 exports, value for value', async t => {
    const folder = temporaryFolder(t)
    const file = kongExport()
    const node = await bootstrapped(t)
    const imported = await importInto(node, folder, file)
    assert.equal(imported.status, 0, imported.stdout + imported.stderr)
    const first = await exportOf(node, folder)
    assertHoldsAll(first, file)
    const embedded = aNode(t, { storage: 'embedded' })
    assert.equal((await importInto(embedded, folder, file)).status, 0)
    assert.equal(await exportOf(embedded, folder), first)
    // Once more over itself: nothing is doubled, and nothing is in its own way.
    assert.equal((await importInto(embedded, folder, first)).status, 0)
    assert.equal(await exportOf(embedded, folder), first)
  })

  test('db_import of bad input imports nothing', async t => {
    const folder = temporaryFolder(t)
    const node = await bootstrapped(t)
    const before = await exportOf(node, folder)
    const dangling = { ...SOURCE, targets: [{ target: '10.0.0.1:80', upstream: 'nowhere.test' }] }
    for (const text of [
      'services: [',
      JSON.stringify(dangling),
      JSON.stringify({ ...SOURCE, services: [{ host: 1 }] }),
    ]) {
      const { status, stderr } = await importInto(node, folder, text)
      assert.equal(status, 1)
      assert.match(stderr, /Failed parsing/)
    }
    // Valid by itself, in conflict with what is there: found while rows are written.
    assert.equal((await importInto(node, folder, JSON.stringify(SOURCE))).status, 0)
    const whole = await exportOf(node, folder)
    const clash = {
      _format_version: '3.0',
      services: [
        { id: randomUUID(), name: 'new', host: 'new.test' },
        { id: randomUUID(), name: 's', host: 'other.test' },
      ],
    }
    const { status, stderr } = await importInto(node, folder, JSON.stringify(clash))
    assert.equal(status, 1)
    assert.match(stderr, /Failed importing:\s.*UNIQUE/)
    assert.equal(await exportOf(node, folder), whole)
    assert.notEqual(whole, before)
  })

  test('a traditional node serves from PostgreSQL, and two share one configuration', async t => {
    const upstream = await anUpstream(t)
    const database = postgresSettings(await server.createDatabase())
    const nodes = []
    for (let at = 0; at < 2; at += 1) {
      const [adminPort, proxyPort] = [await freePort(), await freePort()]
      const listen = { admin_listen: `127.0.0.1:${adminPort}`, proxy_listen: `127.0.0.1:${proxyPort}` }
      const node = aNode(t, { ...database, ...listen, nginx_worker_processes: '1', status_listen: 'off' })
      nodes.push({ node, admin: `http://127.0.0.1:${adminPort}`, proxy: `http://127.0.0.1:${proxyPort}` })
    }
    await nodes[0]!.node.kong('migrations', 'bootstrap')
    for (const { node } of nodes) await node.start()
    await admin(nodes[0]!.admin, 'POST', '/services', { name: 's', url: upstream.url })
    await admin(nodes[1]!.admin, 'POST', '/services/s/routes', { name: 'r', paths: ['/r'] })
    for (const { proxy } of nodes) await eventually('the route', async () => (await send(`${proxy}/r`)).status === 200)
  })

  test('all migrations together make the tables that follow from the definitions', async t => {
    const migrated = await server.createDatabase()
    const node = aNode(t, postgresSettings(migrated))
    assert.equal((await node.kong('migrations', 'bootstrap')).status, 0)
    const derived = await server.createDatabase()
    // With this flavour routes have the most fields.
    const tables = new Tables(
      createCatalog({
        extraEntities: bundledPlugins.flatMap(({ entities = [] }) => entities),
        router_flavor: 'expressions',
      }),
    )
    for (const table of tables.list) {
      const statements = createTableStatements(table, name => tables.get(name).primary.name)
      for (const statement of statements) {
        await server.query(statement.replaceAll(/(" text)\b/g, '$1 collate "C"'), derived.database)
      }
    }
    const names = tables.list.map(({ name }) => `'${name}'`).join(', ')
    for (const what of [COLUMNS, CONSTRAINTS, INDEXES]) {
      const text = what.replace('NAMES', names)
      const shapes = await Promise.all([migrated, derived].map(({ database }) => server.query(text, database)))
      assert.deepEqual(shapes[0]!.rows, shapes[1]!.rows)
      assert.ok(shapes[0]!.rows.length > 20)
    }
  })
})

const COLUMNS = `select table_name, column_name, data_type, is_nullable, collation_name
  from information_schema.columns where table_schema = 'public' and table_name in (NAMES) order by 1, 2`
const CONSTRAINTS = `select conrelid::regclass::text, pg_get_constraintdef(oid) as definition
  from pg_constraint where conrelid::regclass::text in (NAMES) order by 1, 2`
const INDEXES = `select tablename, indexdef from pg_indexes
  where schemaname = 'public' and tablename in (NAMES) order by 1, 2`
