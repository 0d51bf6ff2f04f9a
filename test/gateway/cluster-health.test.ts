/** Health in hybrid mode: what each data plane sees, shown by the control plane; marks by hand, passed on to all. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aCluster, aDataPlane } from '../kit/nodes.ts'
import { admin, anUpstream, eventually, send } from '../kit/traffic.ts'

test('the control plane shows the health that its data planes see, and passes marks by hand on to them', async t => {
  const { controlPlane, dataPlanes } = await aCluster(t, { dataPlanes: 1, dp: { new_dns_client: 'on' } })
  const [first] = dataPlanes
  const [one, two] = [await anUpstream(t, 'one'), await anUpstream(t, 'two')]
  const passive = { healthy: { successes: 1 }, unhealthy: { tcp_failures: 2, http_failures: 1, http_statuses: [500] } }
  await admin(controlPlane.admin, 'POST', '/upstreams', { name: 'pool.test', healthchecks: { passive } })
  const addresses = [one, two].map(({ port }) => `127.0.0.1:${port}`)
  for (const target of addresses) await admin(controlPlane.admin, 'POST', '/upstreams/pool.test/targets', { target })
  await admin(controlPlane.admin, 'POST', '/services', { name: 'pool', host: 'pool.test' })
  await admin(controlPlane.admin, 'POST', '/services/pool/routes', { paths: ['/'] })

  const answers = async (port: number) => {
    const all = await Promise.all(Array.from({ length: 12 }, () => send(`http://127.0.0.1:${port}/`)))
    return [...new Set(all.map(({ status, json }) => (status === 200 ? json().name : String(status))))].sort().join()
  }
  const seen = async () => (await send(`${controlPlane.admin}/upstreams/pool.test/health`)).json().data
  const healthOf = async (target: string) => (await seen()).find((row: any) => row.target === target)
  const mark = (target: string, word: string) =>
    send(`${controlPlane.admin}/upstreams/pool.test/targets/${target}/${word}`, { method: 'PUT' })

  await eventually('the data plane to serve both', async () => (await answers(first!.proxyPort)) === 'one,two')
  await eventually('it to have reported', async () => (await seen()).every((row: any) => row.health === 'HEALTHY'))

  await t.test('a mark takes a target out at the data plane, and comes back as its health', async () => {
    assert.equal((await mark(addresses[1]!, 'unhealthy')).status, 204)
    await eventually('one alone to answer', async () => (await answers(first!.proxyPort)) === 'one')
    const row = await eventually('the control plane to know', async () => {
      const row = await healthOf(addresses[1]!)
      return row.health === 'UNHEALTHY' && row
    })
    const [{ id }] = (await send(`${controlPlane.admin}/clustering/data-planes`)).json().data
    const address = { ip: '127.0.0.1', port: two.port, health: 'UNHEALTHY' }
    assert.deepEqual(row.data.data_planes, [{ id, health: 'UNHEALTHY', addresses: [address] }])
    const { data } = (await send(`${controlPlane.admin}/upstreams/pool.test/health?balancer_health=1`)).json()
    assert.deepEqual(data.details.weight, { total: 200, available: 100, unavailable: 100 })
    const own = (await send(`${controlPlane.admin}/clustering/data-planes/${id}/health`)).json()
    assert.equal(own.connected, true)
    assert.equal(own.data[0].upstream.name, 'pool.test')
    assert.deepEqual(
      own.data[0].addresses.map(({ port, health }: any) => [port, health]),
      [
        [two.port, 'UNHEALTHY'],
        [one.port, 'HEALTHY'],
      ],
    )
  })

  await t.test('/status/dns of a data plane counts what its workers asked for', async () => {
    await admin(controlPlane.admin, 'POST', '/services', { name: 'named', url: `http://localhost:${one.port}` })
    await admin(controlPlane.admin, 'POST', '/services/named/routes', { paths: ['/named'] })
    const url = `http://127.0.0.1:${first!.proxyPort}/named`
    const stats = await eventually('the name to be asked for', async () => {
      await send(url)
      const { stats } = (await send(`http://127.0.0.1:${first!.statusPort}/status/dns`)).json()
      return stats['localhost|A/AAAA']
    })
    assert.ok(stats.runs > 0 && stats.hit_lru > 0, JSON.stringify(stats))
  })

  const second = await aDataPlane(t, controlPlane.clusterPort)
  await t.test(
    'a data plane that joins later takes the mark over, also after the control plane was restarted',
    async () => {
      await controlPlane.stop()
      await controlPlane.start()
      await second.start()
      // A whole node starts and joins meanwhile.
      let last = ''
      await eventually(
        'the new one to serve one alone',
        async () => (last = await answers(second.proxyPort)) === 'one',
        30_000,
      ).catch(error => assert.fail(`${error}; it answers ${last}`))
      await eventually('both to have reported', async () => {
        return (await healthOf(addresses[1]!)).data.data_planes?.length === 2
      })
      assert.equal(await answers(first!.proxyPort), 'one')
    },
  )

  await t.test('a mark puts it back everywhere', async () => {
    assert.equal((await mark(addresses[1]!, 'healthy')).status, 204)
    for (const { proxyPort } of [first!, second])
      await eventually('both to answer', async () => (await answers(proxyPort)) === 'one,two')
    await eventually('the control plane to know', async () => (await healthOf(addresses[1]!)).health === 'HEALTHY')
  })

  await t.test('a data plane that leaves takes what it saw with it', async () => {
    await second.stop()
    await eventually('one report', async () => (await healthOf(addresses[0]!)).data.data_planes.length === 1)
  })

  await t.test('without checks there is nothing to mark', async () => {
    const off = { unhealthy: { tcp_failures: 0, http_failures: 0, timeouts: 0 } }
    await admin(controlPlane.admin, 'PATCH', '/upstreams/pool.test', { healthchecks: { passive: off } })
    const refusal = await mark(addresses[0]!, 'healthy')
    assert.deepEqual([refusal.status, refusal.json().message], [400, 'no healthchecker found for pool.test'])
    await eventually('health to be off', async () => (await healthOf(addresses[0]!)).health === 'HEALTHCHECKS_OFF')
  })
})
