/** Targets that die and come back, as the clients and operators of a real node see it. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { aCluster, aNode, freePort, type TestNode } from '../kit/nodes.ts'
import { admin, eventually, send, Traffic } from '../kit/traffic.ts'

/** A target that can be stopped and started on its port, and answers with its name and the status it is told to. */
async function aTarget(t: TestContext, name: string) {
  const state = { status: 200, probes: [] as string[], served: 0, held: null as Promise<void> | null }
  let port = 0
  const create = () =>
    createServer(async (incoming, outgoing) => {
      if (incoming.url === '/probe') state.probes.push(`${incoming.headers.host} ${incoming.headers['x-probe']}`)
      else state.served++
      await state.held
      outgoing.writeHead(state.status, { 'content-type': 'text/plain', 'content-length': name.length })
      outgoing.end(name)
    })
  let server = create()
  const listen = () => new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  await listen()
  port = (server.address() as AddressInfo).port
  const stop = async () => {
    const closed = new Promise(resolve => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    state,
    port,
    address: `127.0.0.1:${port}`,
    stop,
    async start() {
      server = create()
      await listen()
    },
  }
}

async function aGateway(t: TestContext): Promise<TestNode & { admin: string; proxy: string }> {
  const adminPort = await freePort()
  const proxyPort = await freePort()
  const node = aNode(t, {
    admin_listen: `127.0.0.1:${adminPort}`,
    proxy_listen: `127.0.0.1:${proxyPort}`,
    status_listen: 'off',
    nginx_worker_processes: 2,
  })
  await node.start()
  return Object.assign(node, { admin: `http://127.0.0.1:${adminPort}`, proxy: `http://127.0.0.1:${proxyPort}` })
}

async function configure(adminUrl: string, healthchecks: object, addresses: readonly string[], upstream: object = {}) {
  await admin(adminUrl, 'POST', '/upstreams', { name: 'pool.test', healthchecks, ...upstream })
  for (const target of addresses) await admin(adminUrl, 'POST', '/upstreams/pool.test/targets', { target })
  await admin(adminUrl, 'POST', '/services', { name: 'pool', host: 'pool.test', retries: 5 })
  await admin(adminUrl, 'POST', '/services/pool/routes', { paths: ['/'] })
}

async function healthOf(api: string): Promise<Record<string, string>> {
  const { data } = (await send(`${api}/upstreams/pool.test/health`)).json()
  return Object.fromEntries(data.map((target: { target: string; health: string }) => [target.target, target.health]))
}

/** The names that answer on new connections, which the system spreads over the workers. */
async function answers(proxy: string, count = 24): Promise<string[]> {
  const all = await Promise.all(Array.from({ length: count }, () => send(`${proxy}/`)))
  return [...new Set(all.map(({ status, body }) => (status === 200 ? body : `${status} ${body}`)))].sort()
}

const active = {
  type: 'http',
  http_path: '/probe',
  timeout: 1,
  headers: { 'x-probe': ['yes'] },
  healthy: { interval: 0.1, successes: 1 },
  unhealthy: { interval: 0.1, tcp_failures: 1, http_failures: 2, timeouts: 1 },
}

test('a target that dies is taken out by active checks, comes back, and no request fails over it', async t => {
  const [one, two] = [await aTarget(t, 'one'), await aTarget(t, 'two')]
  const node = await aGateway(t)
  await configure(node.admin, { active }, [one.address, two.address])
  await eventually('both to answer', async () => (await answers(node.proxy)).join() === 'one,two')
  assert.deepEqual(await healthOf(node.admin), { [one.address]: 'HEALTHY', [two.address]: 'HEALTHY' })
  await eventually('a probe', async () => two.state.probes.length > 0)
  assert.equal(two.state.probes[0], '127.0.0.1 yes', 'host and headers of probes')

  const traffic = new Traffic(t, `${node.proxy}/`)
  await traffic.more(50)
  await two.stop()
  await traffic.more(50)
  await eventually('the dead one to be out', async () => (await healthOf(node.admin))[two.address] === 'UNHEALTHY')
  assert.deepEqual(await answers(node.proxy), ['one'])
  await traffic.more(50)
  await two.start()
  await eventually('it to be back', async () => (await healthOf(node.admin))[two.address] === 'HEALTHY')
  await eventually('both to answer again', async () => (await answers(node.proxy)).join() === 'one,two')
  await traffic.stop()
  assert.deepEqual(traffic.failures, [])

  await t.test('a status that counts as failure takes it out as well, and balancer_health tells', async () => {
    one.state.status = 500
    await eventually('one to be out', async () => (await healthOf(node.admin))[one.address] === 'UNHEALTHY')
    assert.deepEqual(await answers(node.proxy), ['two'])
    two.state.status = 500
    await eventually('all to be out', async () => (await healthOf(node.admin))[two.address] === 'UNHEALTHY')
    const answer = await eventually('503', async () => {
      const got = await send(`${node.proxy}/`)
      return got.status === 503 && got
    })
    assert.match(answer.body, /failure to get a peer from the ring-balancer/)
    const { data } = (await send(`${node.admin}/upstreams/pool.test/health?balancer_health=1`)).json()
    assert.deepEqual(
      [data.health, data.balancer_health, data.details.healthy, data.details.weight],
      ['UNHEALTHY', 'UNHEALTHY', false, { total: 200, unavailable: 200, available: 0 }],
    )
    one.state.status = two.state.status = 200
    await eventually('both to be back', async () => (await answers(node.proxy)).join() === 'one,two')
  })
})

const passive = {
  healthy: { successes: 2 },
  unhealthy: { tcp_failures: 2, http_failures: 2, http_statuses: [500] },
}

test('traffic takes a target out for all workers, and the Admin API puts it back', async t => {
  const [one, two] = [await aTarget(t, 'one'), await aTarget(t, 'two')]
  const node = await aGateway(t)
  await configure(node.admin, { passive }, [one.address, two.address])
  await eventually('both to answer', async () => (await answers(node.proxy)).join() === 'one,two')

  two.state.status = 500
  await eventually('two to be out', async () => {
    await send(`${node.proxy}/`)
    return (await healthOf(node.admin))[two.address] === 'UNHEALTHY'
  })
  two.state.status = 200
  assert.deepEqual(await answers(node.proxy, 40), ['one'], 'in every worker')

  await t.test('a worker that is replaced knows it from the start', async () => {
    const before = node.workerProcessIds()
    for (const pid of before) process.kill(pid, 'SIGKILL')
    await eventually('two new workers', async () => {
      const now = node.workerProcessIds()
      return now.length === before.length && now.every(pid => !before.includes(pid)) && (await send(`${node.proxy}/`))
    })
    assert.deepEqual(await answers(node.proxy, 40), ['one'])
  })

  await t.test('an edit of the upstream keeps it', async () => {
    await admin(node.admin, 'PATCH', '/upstreams/pool.test', { tags: ['edited'] })
    assert.equal((await healthOf(node.admin))[two.address], 'UNHEALTHY')
    assert.deepEqual(await answers(node.proxy), ['one'])
  })

  await t.test('PUT healthy and unhealthy hold for all workers', async () => {
    const of = (target: string, word: string) =>
      send(`${node.admin}/upstreams/pool.test/targets/${target}/${word}`, { method: 'PUT' })
    assert.equal((await of(two.address, 'healthy')).status, 204)
    await eventually('both to answer', async () => (await answers(node.proxy)).join() === 'one,two')
    assert.equal((await of(`${one.address}/${one.address}`, 'unhealthy')).status, 204)
    await eventually('two alone to answer', async () => (await answers(node.proxy)).join() === 'two')
    assert.equal((await of('127.0.0.1:1', 'healthy')).status, 404)
    assert.equal((await of(one.address, 'healthy')).status, 204)
    await eventually('both to answer', async () => (await answers(node.proxy)).join() === 'one,two')
  })

  await t.test('requests that began before a mark do not undo it', async () => {
    const servedBefore = one.state.served
    let release = () => {}
    one.state.held = new Promise(resolve => (release = resolve))
    const requests = Array.from({ length: 24 }, () => send(`${node.proxy}/`))
    await eventually('requests in flight in both workers', async () => one.state.served - servedBefore >= 8)
    const marked = `${node.admin}/upstreams/pool.test/targets/${one.address}/unhealthy`
    assert.equal((await send(marked, { method: 'PUT' })).status, 204)
    await eventually('two alone to answer', async () => (await answers(node.proxy)).join() === 'two')
    one.state.held = null
    release()
    assert.deepEqual([...new Set((await Promise.all(requests)).map(({ status }) => status))], [200])
    // Every worker is asked for it, after it has reported what it saw.
    assert.equal((await send(`${node.admin}/status`)).status, 200)
    assert.equal((await healthOf(node.admin))[one.address], 'UNHEALTHY')
    assert.equal((await send(marked.replace('/unhealthy', '/healthy'), { method: 'PUT' })).status, 204)
    await eventually('both to answer', async () => (await answers(node.proxy)).join() === 'one,two')
  })

  await t.test('connections that are refused count too, while retries hide them from clients', async () => {
    await one.stop()
    const statuses = new Set<number>()
    await eventually('one to be out', async () => {
      statuses.add((await send(`${node.proxy}/`)).status)
      return (await healthOf(node.admin))[one.address] === 'UNHEALTHY'
    })
    assert.deepEqual([...statuses], [200])
  })

  await t.test('without checks there is no health, and all targets take traffic', async () => {
    await one.start()
    const off = { unhealthy: { tcp_failures: 0, http_failures: 0, timeouts: 0 } }
    await admin(node.admin, 'PATCH', '/upstreams/pool.test', { healthchecks: { passive: off } })
    await eventually('both to answer', async () => (await answers(node.proxy)).join() === 'one,two')
    assert.deepEqual(Object.values(await healthOf(node.admin)), ['HEALTHCHECKS_OFF', 'HEALTHCHECKS_OFF'])
    const refusal = await send(`${node.admin}/upstreams/pool.test/targets/${one.address}/healthy`, { method: 'PUT' })
    assert.equal(refusal.status, 400)
    assert.match(refusal.body, /no healthchecker found for pool\.test/)
  })
})

test('hash_on cookie gives a client a cookie that leads it to the same target ever after', async t => {
  const [one, two] = [await aTarget(t, 'one'), await aTarget(t, 'two')]
  const node = await aGateway(t)
  const upstream = { hash_on: 'cookie', hash_on_cookie: 'mine', hash_on_cookie_path: '/here' }
  await configure(node.admin, {}, [one.address, two.address], upstream)
  const first = await eventually('a cookie', async () => {
    const answer = await send(`${node.proxy}/`)
    return answer.status === 200 && answer
  })
  const [cookie = ''] = first.headers['set-cookie'] ?? []
  assert.match(cookie, /^mine=[0-9a-f-]{36}; Path=\/here; Same-Site=Lax; HttpOnly$/)
  const headers = { cookie: cookie.split(';')[0]! }
  for (let i = 0; i < 12; i++) {
    const again = await send(`${node.proxy}/`, { headers })
    assert.equal(again.body, first.body)
    assert.equal(again.headers['set-cookie'], undefined)
  }
  await eventually('others to get the other target', async () => (await answers(node.proxy)).join() === 'one,two')
})

test('the Status API of a data plane shows what the data plane sees, and /metrics if asked to', async t => {
  const [one, two] = [await aTarget(t, 'one'), await aTarget(t, 'two')]
  const { controlPlane, dataPlanes } = await aCluster(t)
  const status = `http://127.0.0.1:${dataPlanes[0]!.statusPort}`
  await two.stop()
  await configure(controlPlane.admin, { active }, [one.address, two.address])
  await admin(controlPlane.admin, 'POST', '/plugins', { name: 'prometheus', config: { upstream_health_metrics: true } })
  await eventually('the dead one to be seen', async () => (await healthOf(status))[two.address] === 'UNHEALTHY')
  assert.equal((await healthOf(status))[one.address], 'HEALTHY')
  const series = (address: string, state: string) =>
    `kong_upstream_target_health{upstream="pool.test",target="${address}",address="${address}",state="${state}",subsystem="http"}`
  const { body } = await eventually('the series', async () => {
    const answer = await send(`${status}/metrics`)
    return answer.body.includes('kong_upstream_target_health{') && answer
  })
  for (const [address, state, value] of [
    [one.address, 'healthy', 1],
    [one.address, 'unhealthy', 0],
    [two.address, 'unhealthy', 1],
    [two.address, 'healthchecks_off', 0],
  ] as const)
    assert.ok(body.includes(`${series(address, state)} ${value}\n`), `${series(address, state)} ${value} in ${body}`)
})
