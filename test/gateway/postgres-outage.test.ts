/** PostgreSQL stopped, restarted and unreachable under running nodes. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { aControlPlane, aDataPlaneOf, aRelay, controlPlanes, statusOf } from '../kit/control-planes.ts'
import { postgresIsMissing, type PostgresServer, startPostgres } from '../kit/postgres.ts'
import { admin, anUpstream, eventually, send, Traffic } from '../kit/traffic.ts'

const isOurs = process.env['KONG_TEST_POSTGRES'] === undefined
const skip = postgresIsMissing() || (isOurs ? false : 'KONG_TEST_POSTGRES: that server is not ours to stop')

describe('PostgreSQL goes away', { skip }, () => {
  let server: PostgresServer
  before(async () => {
    server = await startPostgres()
  })
  after(() => server.close())

  test('stopped: reads and data planes go on, writes get 500; started again: all is as before', async t => {
    const upstream = await anUpstream(t)
    const [a] = await controlPlanes(t, await server.createDatabase(), { count: 1 })
    const plane = await aDataPlaneOf(t, [a!.clusterPort])
    const late = await aDataPlaneOf(t, [a!.clusterPort])
    const service = await admin(a!.admin, 'POST', '/services', { name: 's', url: upstream.url })
    await admin(a!.admin, 'POST', '/services/s/routes', { name: 'r', paths: ['/r'], tags: ['kept'] })
    for (const { proxy } of [plane, late]) {
      await eventually('the route', async () => (await send(`${proxy}/r`)).status === 200)
    }
    const ids = Object.keys(await statusOf(a!)).sort()
    const traffic = new Traffic(t, `${plane.proxy}/r`)
    // As if it had never had a configuration: its saved one is gone.
    await late.stop()
    rmSync(join(late.prefix, 'saved-config.db'))

    server.control!.stop('fast')
    const write = await send(`${a!.admin}/services`, { method: 'POST', body: { name: 'lost', host: 'h.test' } })
    assert.equal(write.status, 500)
    assert.equal(write.json().message, 'An unexpected error occurred')
    assert.equal((await send(`${a!.admin}/status`)).json().database.reachable, false)
    assert.deepEqual((await send(`${a!.admin}/services/s`)).json(), service)
    assert.equal((await send(`${a!.admin}/services/s/routes?tags=kept`)).json().data.length, 1)
    assert.equal((await send(`${a!.admin}/services/none`)).status, 404)
    assert.deepEqual(Object.keys(await statusOf(a!)).sort(), ids)
    await late.start()
    await eventually('the last configuration', async () => (await send(`${late.proxy}/r`)).status === 200)

    server.control!.start()
    await eventually('writes to be taken again', async () => {
      return (
        (await send(`${a!.admin}/services`, { method: 'POST', body: { name: 'kept', host: 'h.test' } })).status === 201
      )
    })
    await admin(a!.admin, 'POST', '/services/s/routes', { name: 'after', paths: ['/after'] })
    for (const { proxy } of [plane, late]) {
      await eventually('the route of after', async () => (await send(`${proxy}/after`)).status === 200)
    }
    await eventually('the database to be called reachable', async () => {
      return (await send(`${a!.admin}/status`)).json().database.reachable === true
    })
    await traffic.stop()
    assert.deepEqual(traffic.failures, [], 'the data plane noticed nothing')
  })

  test('unreachable without a word: requests end within the timeout, and nobody waits twice', async t => {
    const database = await server.createDatabase()
    const relay = await aRelay(t, server.port)
    const node = await aControlPlane(t, { ...database, port: relay.port }, { pg_timeout: '1000' })
    await node.kong('migrations', 'bootstrap')
    await node.start()
    await admin(node.admin, 'POST', '/services', { name: 's', host: 'h.test' })
    // The copy in memory follows within milliseconds; there is nothing to see of it until it is needed.
    for (let at = 0; at < 100; at += 1) assert.equal((await send(`${node.admin}/services/s`)).status, 200)
    relay.block()
    assert.equal((await send(`${node.admin}/services/s`)).status, 200)
    const startedAt = performance.now()
    for (let at = 0; at < 20; at += 1) assert.equal((await send(`${node.admin}/services/s`)).status, 200)
    assert.ok(performance.now() - startedAt < 1500, 'reads do not wait for the server each time')
    const write = await send(`${node.admin}/services`, { method: 'POST', body: { name: 't', host: 'h.test' } })
    assert.equal(write.status, 500)
    relay.unblock()
    await eventually('writes to be taken again', async () => {
      return (await send(`${node.admin}/services/t`, { method: 'PUT', body: { host: 'h.test' } })).status === 200
    })
  })

  test('restarted in the middle of writes: each acknowledged one is there, each version once', async t => {
    const database = await server.createDatabase()
    const [a, b] = await controlPlanes(t, database)
    const plane = await aDataPlaneOf(t, [b!.clusterPort])
    const acknowledged: string[] = []
    let goesOn = true
    const writers = [a!, b!].map(async (node, who) => {
      for (let at = 0; goesOn; at += 1) {
        const name = `service-${who}-${at}`
        const answer = await send(`${node.admin}/services`, { method: 'POST', body: { name, host: 'h.test' } })
        if (answer.status === 201) acknowledged.push(name)
        else assert.equal(answer.status, 500, answer.body)
      }
    })
    await eventually('some writes', async () => acknowledged.length > 50)
    server.control!.stop('immediate')
    server.control!.start()
    const before = acknowledged.length
    await eventually('more writes', async () => acknowledged.length > before + 50)
    goesOn = false
    await Promise.all(writers)
    const { rows } = await server.query(
      'select version::int, config_hash, (select count(*)::int from services) as count from config_state',
      database.database,
    )
    assert.equal(rows[0].version, rows[0].count, 'one version for each service')
    const stored = await server.query('select name from services', database.database)
    const names = new Set(stored.rows.map(({ name }) => name))
    assert.deepEqual(
      acknowledged.filter(name => !names.has(name)),
      [],
    )
    assert.ok(plane.processIds().length > 0)
    await eventually('the data plane at the hash of the database', async () => {
      return Object.values(await statusOf(a!))[0]?.config_hash === rows[0].config_hash
    })
  })
})
