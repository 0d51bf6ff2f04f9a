/** Several control planes on one PostgreSQL database: one configuration, one cluster, no favourite. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { aDataPlaneOf, aRelay, controlPlanes, statusOf } from '../kit/control-planes.ts'
import { postgresIsMissing, type PostgresServer, startPostgres } from '../kit/postgres.ts'
import { admin, anUpstream, eventually, send, Traffic } from '../kit/traffic.ts'

describe('several control planes on PostgreSQL', { skip: postgresIsMissing() }, () => {
  let server: PostgresServer
  before(async () => {
    server = await startPostgres()
  })
  after(() => server.close())

  test('a change at either reaches the data planes of both at once, and both show all of them', async t => {
    const upstream = await anUpstream(t)
    // Nobody looks by himself during this test: what arrives was told.
    const settings = { db_update_frequency: '600' }
    const [a, b] = await controlPlanes(t, await server.createDatabase(), { settings })
    const planes = [await aDataPlaneOf(t, [a!.clusterPort]), await aDataPlaneOf(t, [b!.clusterPort])]
    await admin(a!.admin, 'POST', '/services', { name: 's', url: upstream.url })
    await admin(b!.admin, 'POST', '/services/s/routes', { name: 'first', paths: ['/first'] })
    for (const { proxy } of planes) {
      await eventually('the first route', async () => (await send(`${proxy}/first`)).status === 200)
    }
    for (const [name, from, to] of [
      ['there', a!, planes[1]!],
      ['back', b!, planes[0]!],
    ] as const) {
      const startedAt = performance.now()
      await admin(from.admin, 'POST', '/services/s/routes', { name, paths: [`/${name}`] })
      await eventually(`the route ${name}`, async () => (await send(`${to.proxy}/${name}`)).status === 200)
      const ms = performance.now() - startedAt
      assert.ok(ms < 3000, `it took ${ms} ms to cross`)
    }
    for (const node of [a!, b!]) {
      const hashes = await eventually('both data planes with one hash', async () => {
        const found = Object.values(await statusOf(node)).map(({ config_hash }) => config_hash)
        return found.length === 2 && found[0] === found[1] && found
      })
      assert.match(hashes[0]!, /^[0-9a-f]{32}$/)
    }
  })

  test('two that write at the same time make one order of versions, and equal hashes everywhere', async t => {
    const database = await server.createDatabase()
    const nodes = await controlPlanes(t, database)
    const planes = await Promise.all(nodes.map(({ clusterPort }) => aDataPlaneOf(t, [clusterPort])))
    const each = 60
    const outcomes = await Promise.all(
      nodes.flatMap(({ admin: url }, node) =>
        Array.from({ length: each }, async (_, at) => {
          await admin(url, 'POST', '/services', { name: `own-${node}-${at}`, host: 'h.test' })
          return (await send(`${url}/services`, { method: 'POST', body: { name: `same-${at}`, host: 'h.test' } }))
            .status
        }),
      ),
    )
    assert.equal(outcomes.filter(status => status === 201).length, each)
    assert.equal(outcomes.filter(status => status === 409).length, each)
    const { rows } = await server.query('select version::int, config_hash from config_state', database.database)
    assert.equal(rows[0].version, 3 * each, 'each successful write is one version')
    for (const node of nodes) {
      await eventually('both data planes at the hash of the database', async () => {
        const found = Object.values(await statusOf(node))
        return found.length === planes.length && found.every(({ config_hash }) => config_hash === rows[0].config_hash)
      })
    }
  })

  test('a data plane that moves to another control plane goes on by delta', async t => {
    const upstream = await anUpstream(t)
    const [a, b] = await controlPlanes(t, await server.createDatabase())
    await admin(a!.admin, 'POST', '/services', { name: 's', url: upstream.url })
    for (let at = 0; at < 300; at += 1) {
      // Random text, so that no compression makes a snapshot small.
      const tags = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()]
      await admin(a!.admin, 'POST', '/services/s/routes', { name: `route-${at}`, paths: [`/route-${at}`], tags })
    }
    const relays = [await aRelay(t, a!.clusterPort), await aRelay(t, b!.clusterPort)]
    const plane = await aDataPlaneOf(
      t,
      relays.map(({ port }) => port),
    )
    await eventually('the routes', async () => (await send(`${plane.proxy}/route-299`)).status === 200)
    const [here, there] = relays[0]!.bytesBack() > relays[1]!.bytesBack() ? relays : relays.toReversed()
    const whole = here!.bytesBack()
    assert.ok(whole > 20_000, `a snapshot of ${whole} bytes`)
    const before = there!.bytesBack()
    const [left, other] = here === relays[0] ? [a!, b!] : [b!, a!]
    left.killAll()
    await admin(other.admin, 'POST', '/services/s/routes', { name: 'later', paths: ['/later'] })
    await eventually('the later route', async () => (await send(`${plane.proxy}/later`)).status === 200, 30_000)
    const sent = there!.bytesBack() - before
    assert.ok(sent < whole / 4, `${sent} bytes for one route, after a snapshot of ${whole}`)
  })

  test('CA, tokens and revocations are those of all', async t => {
    const settings = { cluster_auto_approve: 'off' }
    const [a, b] = await controlPlanes(t, await server.createDatabase(), { settings })
    const { token } = await admin(a!.admin, 'POST', '/clustering/tokens', { name: 'edge', uses: 1 })
    const plane = await aDataPlaneOf(t, [b!.clusterPort], { cluster_join_token: token })
    await admin(b!.admin, 'POST', '/routes', { name: 'r', paths: ['/r'] })
    const id = await eventually('the data plane at the other control plane', async () => {
      return Object.keys(await statusOf(a!))[0]
    })
    assert.ok(plane.processIds().length > 0)
    const second = await aDataPlaneOf(t, [a!.clusterPort], { cluster_join_token: token })
    await eventually('the used token to be refused', async () => /token/.test(second.errorLog()))
    await admin(a!.admin, 'POST', `/clustering/nodes/${id}/revoke`)
    await eventually('the revoked node to be cut off', async () => /revoked/.test(plane.errorLog()), 30_000)
  })

  test('one killed under load: its data planes are on the other within seconds, and no request fails', async t => {
    const upstream = await anUpstream(t)
    const nodes = await controlPlanes(t, await server.createDatabase())
    const ports = nodes.map(({ clusterPort }) => clusterPort)
    const planes = [await aDataPlaneOf(t, ports), await aDataPlaneOf(t, ports.toReversed())]
    await admin(nodes[0]!.admin, 'POST', '/services', { name: 's', url: upstream.url })
    await admin(nodes[0]!.admin, 'POST', '/services/s/routes', { name: 'r', paths: ['/r'] })
    for (const { proxy } of planes) await eventually('the route', async () => (await send(`${proxy}/r`)).status === 200)
    const traffics = planes.map(({ proxy }) => new Traffic(t, `${proxy}/r`))
    await Promise.all(traffics.map(traffic => traffic.more(50)))
    const writing = { goesOn: true, failures: [] as string[] }
    const writer = (async () => {
      for (let at = 0; writing.goesOn; at += 1) {
        const answer = await send(`${nodes[1]!.admin}/services`, {
          method: 'POST',
          body: { name: `w-${at}`, host: 'h' },
        })
        if (answer.status !== 201) writing.failures.push(`${answer.status} ${answer.body}`)
      }
    })()
    nodes[0]!.killAll()
    const killedAt = performance.now()
    await admin(nodes[1]!.admin, 'POST', '/services/s/routes', { name: 'after', paths: ['/after'] })
    for (const { proxy } of planes) {
      await eventually('the route of after', async () => (await send(`${proxy}/after`)).status === 200, 30_000)
    }
    const seconds = (performance.now() - killedAt) / 1000
    assert.ok(seconds < 15, `${seconds} s until both were on the other`)
    await Promise.all(traffics.map(traffic => traffic.more(50)))
    writing.goesOn = false
    await Promise.all([writer, ...traffics.map(traffic => traffic.stop())])
    assert.deepEqual(writing.failures, [])
    assert.deepEqual(
      traffics.flatMap(({ failures }) => failures),
      [],
    )
  })

  test('a mark by hand and a log level set at one control plane reach the other, and its data planes', async t => {
    const upstream = await anUpstream(t)
    const settings = { db_update_frequency: '0.2' }
    const [a, b] = await controlPlanes(t, await server.createDatabase(), { settings })
    const { proxy } = await aDataPlaneOf(t, [b!.clusterPort])
    const healthchecks = { passive: { unhealthy: { tcp_failures: 2 } } }
    await admin(a!.admin, 'POST', '/upstreams', { name: 'pool.test', healthchecks })
    const target = `127.0.0.1:${upstream.port}`
    await admin(a!.admin, 'POST', '/upstreams/pool.test/targets', { target })
    await admin(a!.admin, 'POST', '/services', { name: 's', host: 'pool.test' })
    await admin(a!.admin, 'POST', '/services/s/routes', { paths: ['/'] })
    await eventually('the route', async () => (await send(`${proxy}/`)).status === 200)
    await admin(a!.admin, 'PUT', `/upstreams/pool.test/targets/${target}/unhealthy`)
    await eventually('no live target', async () => (await send(`${proxy}/`)).status === 503)
    await eventually('the control plane that it is connected to to know', async () => {
      const { data } = (await send(`${b!.admin}/upstreams/pool.test/health`)).json()
      return data[0].health === 'UNHEALTHY'
    })
    await admin(b!.admin, 'PUT', `/upstreams/pool.test/targets/${target}/healthy`)
    await eventually('the target again', async () => (await send(`${proxy}/`)).status === 200)

    await admin(a!.admin, 'PUT', '/debug/cluster/control-planes-nodes/log-level/debug')
    await eventually('the log level at the other', async () => {
      return (await send(`${b!.admin}/debug/node/log-level`)).json().message === 'log level: debug'
    })
    await admin(b!.admin, 'PUT', '/debug/node/log-level/info')
    assert.equal((await send(`${a!.admin}/debug/node/log-level`)).json().message, 'log level: debug')
  })
})
