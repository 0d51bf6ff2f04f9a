/** Control planes on one Cassandra, and a traditional node: one configuration, told from each to all. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { after, before, describe, test, type TestContext } from 'node:test'
import type { CassandraOptions } from '../../src/store/cassandra/connection-options.ts'
import { cassandraIsMissing, type CassandraServer, cassandraSettings, startCassandra } from '../kit/cassandra.ts'
import { switchRouterFlavor } from '../kit/flavor-switch.ts'
import { aDataPlane, aNode, freePort, temporaryFolder } from '../kit/nodes.ts'
import { postgresSettings, startPostgres } from '../kit/postgres.ts'
import { admin, anUpstream, eventually, send } from '../kit/traffic.ts'
import { assertHoldsAll, exportOf, importInto, kongExport } from '../kit/transfer.ts'

const updateSeconds = 1

describe('nodes on Cassandra', { skip: cassandraIsMissing() }, () => {
  let server: CassandraServer
  before(async () => {
    server = await startCassandra()
  })
  after(() => server.close())

  async function aControlPlane(t: TestContext, database: CassandraOptions) {
    const [adminPort, clusterPort] = [await freePort(), await freePort()]
    const node = aNode(t, {
      role: 'admin',
      admin_listen: `127.0.0.1:${adminPort}`,
      cluster_listen: `127.0.0.1:${clusterPort}`,
      status_listen: 'off',
      db_update_frequency: updateSeconds,
      ...cassandraSettings(database),
    })
    return Object.assign(node, { admin: `http://127.0.0.1:${adminPort}`, clusterPort })
  }

  test('a change at one control plane reaches the data planes of the other within db_update_frequency', async t => {
    const upstream = await anUpstream(t, 'orders')
    const database = server.newKeyspace()
    const nodes = [await aControlPlane(t, database), await aControlPlane(t, database)] as const
    const refused = await nodes[0].kong('start')
    assert.notEqual(refused.status, 0)
    assert.match(refused.stderr + refused.stdout + nodes[0].errorLog(), /kong migrations bootstrap/)
    const made = await nodes[0].kong('migrations', 'bootstrap')
    assert.equal(made.status, 0, made.stdout + made.stderr)
    const again = await nodes[1].kong('migrations', 'list')
    assert.equal(again.status, 0, again.stdout + again.stderr)
    await Promise.all(nodes.map(node => node.start()))
    const planes = await Promise.all(nodes.map(({ clusterPort }) => aDataPlane(t, clusterPort)))
    await Promise.all(planes.map(plane => plane.start()))
    await admin(nodes[0].admin, 'POST', '/services', { name: 'orders', url: upstream.url })
    for (const [at, node] of nodes.entries()) {
      const path = `/from-${at}`
      await admin(node.admin, 'POST', '/services/orders/routes', { name: `from-${at}`, paths: [path] })
      for (const { proxyPort } of planes) {
        const url = `http://127.0.0.1:${proxyPort}${path}`
        await eventually('the route on every data plane', async () => (await send(url)).status === 200)
      }
    }
    const clash = await send(`${nodes[1].admin}/services`, { method: 'POST', body: { name: 'orders', host: 'h.test' } })
    assert.equal(clash.status, 409, clash.body)
    await eventually('both data planes in the status of both control planes', async () => {
      const statuses = await Promise.all(nodes.map(node => send(`${node.admin}/clustering/status`)))
      return statuses.every(status => Object.keys(status.json()).length === 2)
    })
  })

  test('a traditional node keeps its configuration in Cassandra', async t => {
    const upstream = await anUpstream(t, 'orders')
    const [adminPort, proxyPort] = [await freePort(), await freePort()]
    const node = aNode(t, {
      admin_listen: `127.0.0.1:${adminPort}`,
      proxy_listen: `127.0.0.1:${proxyPort}`,
      status_listen: 'off',
      nginx_worker_processes: 1,
      db_update_frequency: updateSeconds,
      ...cassandraSettings(server.newKeyspace()),
    })
    const made = await node.kong('migrations', 'bootstrap')
    assert.equal(made.status, 0, made.stdout + made.stderr)
    await node.start()
    const url = `http://127.0.0.1:${adminPort}`
    await admin(url, 'POST', '/services', { name: 'orders', url: upstream.url, tags: ['shop'] })
    await admin(url, 'POST', '/services/orders/routes', { name: 'orders', paths: ['/orders'], tags: ['shop'] })
    await admin(url, 'POST', '/routes/orders/plugins', { name: 'key-auth' })
    await admin(url, 'POST', '/consumers', { username: 'alice' })
    await admin(url, 'POST', '/consumers/alice/key-auth', { key: 'secret-of-alice' })
    const answer = () => send(`http://127.0.0.1:${proxyPort}/orders/1`, { headers: { apikey: 'secret-of-alice' } })
    await eventually('the key to be known', async () => (await answer()).status === 200)
    assert.equal((await send(`${url}/tags/shop`)).json().data.length, 2)
    assert.equal((await send(`${url}/status`)).json().database.reachable, true)
    const restricted = await send(`${url}/services/orders`, { method: 'DELETE' })
    assert.equal(restricted.status, 400, restricted.body)
    await node.stop()
    await node.start()
    await eventually('the configuration after a restart', async () => (await answer()).status === 200)
  })

  test('db_export and db_import carry every entity from PostgreSQL to Cassandra, on to the embedded store, and back', async t => {
    const folder = temporaryFolder(t)
    const postgres = await startPostgres()
    t.after(() => postgres.close())
    const file = kongExport()
    const carried: string[] = []
    const places = [
      postgresSettings(await postgres.createDatabase()),
      cassandraSettings(server.newKeyspace()),
      { storage: 'embedded' },
      cassandraSettings(server.newKeyspace()),
    ]
    for (const settings of places) {
      const node = aNode(t, settings)
      const made = await node.kong('migrations', 'bootstrap')
      assert.equal(made.status, 0, made.stdout + made.stderr)
      const imported = await importInto(node, folder, carried.at(-1) ?? file)
      assert.equal(imported.status, 0, imported.stdout + imported.stderr)
      carried.push(await exportOf(node, folder))
    }
    assertHoldsAll(carried[0]!, file)
    for (const text of carried) assert.equal(text, carried[0])
  })

  test('db_import of bad input imports nothing', async t => {
    const folder = temporaryFolder(t)
    const node = aNode(t, cassandraSettings(server.newKeyspace()))
    assert.equal((await node.kong('migrations', 'bootstrap')).status, 0)
    assert.equal((await importInto(node, folder, kongExport())).status, 0)
    const whole = await exportOf(node, folder)
    const services = [
      { id: randomUUID(), name: 'new', host: 'new.test' },
      { id: randomUUID(), name: 'orders', host: 'other.test' },
    ]
    const clash = await importInto(node, folder, JSON.stringify({ _format_version: '3.0', services }))
    assert.equal(clash.status, 1)
    assert.match(clash.stderr, /Failed importing:\s.*UNIQUE/)
    const malformed = await importInto(
      node,
      folder,
      JSON.stringify({ _format_version: '3.0', services: [{ host: 1 }] }),
    )
    assert.equal(malformed.status, 1)
    assert.match(malformed.stderr, /Failed parsing/)
    assert.equal(await exportOf(node, folder), whole)
  })

  test('another router_flavor needs `kong migrations up`, and takes no routes that it could not run', async t => {
    await switchRouterFlavor(t, cassandraSettings(server.newKeyspace()))
  })

  test('`kong migrations --db-timeout` bounds how long an answer of Cassandra is waited for', async t => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    t.after(() => silent.close())
    const { port } = silent.address() as AddressInfo
    const node = aNode(t, { ...cassandraSettings({ ...server.newKeyspace(), port }), cassandra_timeout: '600000' })
    const startedAt = performance.now()
    const { status, stderr } = await node.kong('migrations', 'list', '--db-timeout', '1')
    assert.equal(status, 1, stderr)
    assert.match(stderr, new RegExp(`Cassandra at .*:${port}/.*timeout 1000 ms`))
    const seconds = (performance.now() - startedAt) / 1000
    assert.ok(seconds < 60, `${seconds} s`)
  })
})
