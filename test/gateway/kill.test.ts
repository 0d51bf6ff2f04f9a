import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandom } from '../../src/base/random.ts'
import { aCluster, aNode, freePort } from '../kit/nodes.ts'
import { admin, anUpstream, eventually, send, Traffic } from '../kit/traffic.ts'

test('kill -9 of the control plane under load fails no request and loses no acknowledged write', async t => {
  const upstream = await anUpstream(t)
  const { controlPlane, dataPlanes } = await aCluster(t)
  const proxy = `http://127.0.0.1:${dataPlanes[0]!.proxyPort}`
  await admin(controlPlane.admin, 'POST', '/services', { name: 's', url: upstream.url })
  await admin(controlPlane.admin, 'POST', '/services/s/routes', { name: 'r', paths: ['/r'] })
  await eventually('the route', async () => (await send(`${proxy}/r`)).status === 200)
  const traffic = new Traffic(t, `${proxy}/r`)
  const acknowledged: string[] = []
  for (let round = 0; round < 3; round++) {
    const writes = (async () => {
      for (let i = 0; ; i++) {
        const name = `r-${round}-${i}`
        await admin(controlPlane.admin, 'POST', '/services/s/routes', { name, paths: [`/${name}`] })
        acknowledged.push(name)
      }
    })().catch(() => {})
    const wanted = acknowledged.length + 3 + Math.floor(systemRandom.next() * 20)
    await eventually('some writes', async () => acknowledged.length >= wanted)
    controlPlane.killAll()
    await writes
    await controlPlane.start()
  }
  for (const name of acknowledged) {
    assert.equal((await send(`${controlPlane.admin}/routes/${name}`)).status, 200, `${name} was acknowledged`)
  }
  const last = acknowledged.at(-1)!
  await eventually(
    'the last write on the data plane',
    async () => (await send(`${proxy}/${last}`)).status === 200,
    20_000,
  )
  await traffic.stop()
  t.diagnostic(
    `${traffic.answered} requests answered, ${traffic.failures.length} failed; ${acknowledged.length} writes acknowledged`,
  )
  assert.deepEqual(traffic.failures, [])
})

test('kill -9 of a worker under load fails only what that worker had in hand, and it is replaced', async t => {
  const upstream = await anUpstream(t)
  const { controlPlane, dataPlanes } = await aCluster(t, { dp: { nginx_worker_processes: '2' } })
  const plane = dataPlanes[0]!
  const proxy = `http://127.0.0.1:${plane.proxyPort}`
  await admin(controlPlane.admin, 'POST', '/services', { name: 's', url: upstream.url })
  await admin(controlPlane.admin, 'POST', '/services/s/routes', { name: 'r', paths: ['/r'] })
  await eventually('the route', async () => (await send(`${proxy}/r`)).status === 200)
  const clients = 8
  const traffic = new Traffic(t, `${proxy}/r`, { clients })
  await traffic.more(50)
  const before = plane.workerProcessIds()
  assert.equal(before.length, 2)
  process.kill(before[0]!, 'SIGKILL')
  await eventually('a new worker', async () => {
    const now = plane.workerProcessIds()
    return now.length === 2 && !now.includes(before[0]!)
  })
  await traffic.more(100)
  await traffic.stop()
  t.diagnostic(`${traffic.answered} requests answered, ${traffic.failures.length} failed of ${clients} connections`)
  assert.ok(traffic.failures.length <= clients, `at most one request per connection: ${traffic.failures.join('; ')}`)
  assert.ok(plane.workerProcessIds().includes(before[1]!), 'its peer went on')
})

test('SIGTERM for one worker fails nothing, as another takes its place; for all processes it ends the node', async t => {
  const upstream = await anUpstream(t)
  const proxyPort = await freePort()
  const settings = { proxy_listen: `127.0.0.1:${proxyPort}`, status_listen: 'off', nginx_worker_processes: 2 }
  const adminPort = await freePort()
  const node = await aNode(t, { ...settings, admin_listen: `127.0.0.1:${adminPort}` }).start()
  const proxy = `http://127.0.0.1:${proxyPort}`
  await admin(`http://127.0.0.1:${adminPort}`, 'POST', '/services', { name: 's', url: upstream.url })
  await admin(`http://127.0.0.1:${adminPort}`, 'POST', '/services/s/routes', { name: 'r', paths: ['/r'] })
  await eventually('the route', async () => (await send(`${proxy}/r`)).status === 200)
  const traffic = new Traffic(t, `${proxy}/r`, { clients: 8 })
  await traffic.more(50)
  const before = node.workerProcessIds()
  for (const pid of before) {
    process.kill(pid, 'SIGTERM')
    await eventually('another in its place', async () => {
      const now = node.workerProcessIds()
      return now.length === 2 && !now.includes(pid)
    })
    await traffic.more(50)
  }
  await traffic.stop()
  t.diagnostic(`${traffic.answered} requests answered, ${traffic.failures.length} failed`)
  assert.deepEqual(traffic.failures, [])
  assert.ok(before.every(pid => !node.workerProcessIds().includes(pid)))

  for (const pid of node.processIds()) process.kill(pid, 'SIGTERM')
  await eventually('the node to have ended', async () => node.processIds().length === 0)
})

test('kill -9 of a data plane at any moment of a change leaves it a whole version to restart from', async t => {
  const upstream = await anUpstream(t)
  const { controlPlane, dataPlanes } = await aCluster(t)
  const plane = dataPlanes[0]!
  const proxy = `http://127.0.0.1:${plane.proxyPort}`
  await admin(controlPlane.admin, 'POST', '/services', { name: 's', url: upstream.url })
  await admin(controlPlane.admin, 'POST', '/services/s/routes', { name: 'r', paths: ['/r'] })
  await eventually('the route', async () => (await send(`${proxy}/r`)).status === 200)
  for (let round = 0; round < 4; round++) {
    const burst = 5 + Math.floor(systemRandom.next() * 20)
    for (let i = 0; i < burst; i++) {
      await admin(controlPlane.admin, 'PUT', `/services/s/routes/r-${round}-${i}`, { paths: [`/r-${round}-${i}`] })
    }
    plane.killAll()
    await plane.start()
    assert.equal((await send(`${proxy}/r`)).status, 200, 'served at once from the copy')
    await eventually('the newest change', async () => (await send(`${proxy}/r-${round}-${burst - 1}`)).status === 200)
  }
})

test('traditional mode serves what its Admin API acknowledges, also after kill -9', async t => {
  const upstream = await anUpstream(t)
  const adminPort = await freePort()
  const proxyPort = await freePort()
  const node = aNode(t, {
    admin_listen: `127.0.0.1:${adminPort}`,
    proxy_listen: `127.0.0.1:${proxyPort}`,
    status_listen: 'off',
    nginx_worker_processes: '1',
  })
  await node.start()
  await admin(`http://127.0.0.1:${adminPort}`, 'POST', '/services', { name: 's', url: upstream.url })
  await admin(`http://127.0.0.1:${adminPort}`, 'POST', '/services/s/routes', { paths: ['/r'] })
  await eventually('the route', async () => (await send(`http://127.0.0.1:${proxyPort}/r`)).status === 200)
  node.killAll()
  await node.start()
  assert.equal((await send(`http://127.0.0.1:${proxyPort}/r`)).status, 200)
})
