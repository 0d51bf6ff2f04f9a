import assert from 'node:assert/strict'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { aCluster, aDataPlane } from '../kit/nodes.ts'
import { admin, anUpstream, eventually, send, Traffic } from '../kit/traffic.ts'

type Status = Record<string, { config_hash: string; hostname: string; ip: string; last_seen: number }>

async function statusOf(adminUrl: string): Promise<Status> {
  return (await send(`${adminUrl}/clustering/status`)).json()
}

test('hybrid mode keeps its promise from the first route to the loss of every control plane', async t => {
  const upstream = await anUpstream(t, 'orders')
  const { controlPlane, dataPlanes } = await aCluster(t, { dataPlanes: 2 })
  const [first, second] = dataPlanes.map(plane => `http://127.0.0.1:${plane.proxyPort}`)

  await t.test('a data plane whose control plane holds nothing is ready, and knows no route', async () => {
    await eventually('ready', async () => {
      const ready = await send(`http://127.0.0.1:${dataPlanes[0]!.statusPort}/status/ready`)
      return ready.status === 200
    })
    const answer = await send(`${first}/orders`)
    assert.deepEqual([answer.status, answer.json().message], [404, 'no Route matched with those values'])
  })

  await t.test('what the Admin API acknowledges is live on every data plane', async () => {
    await admin(controlPlane.admin, 'POST', '/services', { name: 'orders', url: upstream.url })
    await admin(controlPlane.admin, 'POST', '/services/orders/routes', { name: 'orders', paths: ['/orders'] })
    await admin(controlPlane.admin, 'POST', '/routes/orders/plugins', { name: 'key-auth' })
    await admin(controlPlane.admin, 'POST', '/consumers', { username: 'alice' })
    await admin(controlPlane.admin, 'POST', '/consumers/alice/key-auth', { key: 'secret-of-alice' })
    for (const proxy of [first, second]) {
      await eventually('the key to be known', async () => {
        const answer = await send(`${proxy}/orders/1`, { headers: { apikey: 'secret-of-alice' } })
        return answer.status === 200 && answer.json().url === '/1'
      })
      assert.equal((await send(`${proxy}/orders/1`)).status, 401)
      assert.equal((await send(`${proxy}/orders/1`, { headers: { apikey: 'wrong' } })).status, 401)
    }
    const seen = upstream.requests.at(-1)!
    assert.equal(seen.headers['x-consumer-username'], 'alice')
    const ready = await send(`http://127.0.0.1:${dataPlanes[0]!.statusPort}/status/ready`)
    assert.equal(ready.status, 200, ready.body)
  })

  await t.test('GET /clustering/status shows both nodes with one hash, and nothing else', async () => {
    const status = await eventually('both nodes with one hash', async () => {
      const found = Object.values(await statusOf(controlPlane.admin))
      return (
        found.length === 2 && found[0]!.config_hash === found[1]!.config_hash && (await statusOf(controlPlane.admin))
      )
    })
    for (const node of Object.values(status)) {
      assert.deepEqual(Object.keys(node).sort(), ['config_hash', 'hostname', 'ip', 'last_seen'])
      assert.match(node.config_hash, /^[0-9a-f]{32}$/)
      assert.notEqual(node.config_hash, '0'.repeat(32))
      assert.equal(node.ip, '127.0.0.1')
      assert.ok(Math.abs(node.last_seen - Date.now() / 1000) < 60, `last_seen ${node.last_seen} is epoch seconds`)
    }
  })

  const idsBefore = Object.keys(await statusOf(controlPlane.admin)).sort()
  const traffic = new Traffic(t, `${first}/orders/1`, { headers: { apikey: 'secret-of-alice' } })
  await traffic.more(20)

  await t.test('with the control plane killed, data planes serve and restart from their copy', async () => {
    controlPlane.killAll()
    await traffic.more(100)
    assert.deepEqual(traffic.failures, [])
    dataPlanes[1]!.killAll()
    await dataPlanes[1]!.start()
    const answer = await send(`${second}/orders/2`, { headers: { apikey: 'secret-of-alice' } })
    assert.equal(answer.status, 200, answer.body)
  })

  await t.test('a control plane that comes back has lost nothing, and its changes arrive', async () => {
    await controlPlane.start()
    const before = await statusOf(controlPlane.admin)
    assert.deepEqual(Object.keys(before).sort(), idsBefore, 'the status survives, and node ids persist')
    await admin(controlPlane.admin, 'POST', '/services/orders/routes', { name: 'open', paths: ['/open'] })
    for (const proxy of [first, second]) {
      await eventually('the new route', async () => (await send(`${proxy}/open`)).status === 200, 20_000)
    }
    await traffic.more(20)
    await traffic.stop()
    assert.deepEqual(traffic.failures, [], 'no request failed through all of this')
  })

  await t.test('a deleted route is gone everywhere', async () => {
    await admin(controlPlane.admin, 'DELETE', '/routes/open')
    for (const proxy of [first, second]) {
      await eventually('the route to be gone', async () => (await send(`${proxy}/open`)).status === 404)
    }
  })
})

test('a damaged saved configuration is set aside and fetched anew', async t => {
  const upstream = await anUpstream(t)
  const { controlPlane, dataPlanes } = await aCluster(t)
  const plane = dataPlanes[0]!
  const proxy = `http://127.0.0.1:${plane.proxyPort}`
  await admin(controlPlane.admin, 'POST', '/services', { name: 's', url: upstream.url })
  await admin(controlPlane.admin, 'POST', '/services/s/routes', { name: 'r', paths: ['/r'] })
  await eventually('the route', async () => (await send(`${proxy}/r`)).status === 200)
  const saved = join(plane.prefix, 'saved-config.db')
  assert.equal(statSync(saved).mode & 0o777, 0o600, 'it holds credentials')

  await plane.stop()
  writeFileSync(saved, 'this is no database')
  await plane.start()
  await eventually('the route, fetched anew', async () => (await send(`${proxy}/r`)).status === 200)
  assert.match(plane.errorLog(), /corrupt|damaged|set aside/)
})

test('a configuration that a data plane refuses leaves the old one serving and is visible on the control plane', async t => {
  const upstream = await anUpstream(t)
  const { controlPlane, dataPlanes } = await aCluster(t)
  const without = await aDataPlane(t, controlPlane.clusterPort, { plugins: 'key-auth' })
  await without.start()
  const planes = [dataPlanes[0]!, without]
  await admin(controlPlane.admin, 'POST', '/services', { name: 's', url: upstream.url })
  await admin(controlPlane.admin, 'POST', '/services/s/routes', { name: 'r', paths: ['/r'] })
  for (const plane of planes) {
    await eventually('the route', async () => (await send(`http://127.0.0.1:${plane.proxyPort}/r`)).status === 200)
  }
  const plugin = await admin(controlPlane.admin, 'POST', '/services/s/plugins', {
    name: 'request-termination',
    config: { status_code: 418, message: 'short and stout' },
  })
  await eventually(
    'the plugin',
    async () => (await send(`http://127.0.0.1:${dataPlanes[0]!.proxyPort}/r`)).status === 418,
  )
  const refused = await eventually('the refusal', async () => {
    const { data } = (await send(`${controlPlane.admin}/clustering/data-planes`)).json()
    return data.find((node: { last_error: unknown }) => node.last_error !== null)
  })
  const reason = JSON.stringify(refused.last_error)
  assert.match(reason, /plugins/)
  assert.ok(reason.includes(plugin.id), reason)
  assert.match(reason, /request-termination/)
  assert.equal((await send(`http://127.0.0.1:${without.proxyPort}/r`)).status, 200, 'the old version serves')

  await admin(controlPlane.admin, 'DELETE', `/plugins/${plugin.id}`)
  await admin(controlPlane.admin, 'POST', '/services/s/routes', { name: 'later', paths: ['/later'] })
  await eventually(
    'the next good version',
    async () => (await send(`http://127.0.0.1:${without.proxyPort}/later`)).status === 200,
  )
})
