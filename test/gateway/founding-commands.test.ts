import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { runKong, TestNode, temporaryFolder } from '../kit/nodes.ts'
import { admin, anUpstream, eventually, send } from '../kit/traffic.ts'

/** The ports that the founding document's commands use, since they name none. */
const PORTS = [8000, 8001, 8002, 8007, 8443, 8444]

async function takenPorts(): Promise<number[]> {
  const taken: number[] = []
  for (const port of PORTS) {
    const server = createServer()
    const isFree = await new Promise<boolean>(resolve => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true))
    })
    if (isFree) await new Promise(resolve => server.close(resolve))
    else taken.push(port)
  }
  return taken
}

test('the two commands of the founding document work with no other setting', async t => {
  const taken = await takenPorts()
  if (taken.length > 0) return t.skip(`ports in use on this machine: ${taken.join(', ')}`)
  const folder = temporaryFolder(t)
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KONG_')))
  const cp = { ...environment, KONG_PREFIX: join(folder, 'cp'), KONG_ROLE: 'admin' }
  const dp = {
    ...environment,
    KONG_PREFIX: join(folder, 'dp'),
    KONG_ROLE: 'proxy',
    KONG_CLUSTER_CONTROL_PLANE: '127.0.0.1:8002',
    KONG_STORAGE: 'memory',
  }
  t.after(() => {
    for (const { KONG_PREFIX } of [cp, dp]) new TestNode(KONG_PREFIX, {}).killAll()
  })
  const upstream = await anUpstream(t)

  const first = await runKong(['start'], cp)
  assert.equal(first.status, 0, first.stdout + first.stderr)
  assert.match(first.stdout, /Kong started/)
  assert.match(first.stdout, /control plane/)
  assert.match(first.stdout, /127\.0\.0\.1:8001/)
  assert.match(first.stdout, /8002/)
  const second = await runKong(['start'], dp)
  assert.equal(second.status, 0, second.stdout + second.stderr)
  assert.match(second.stdout, /data plane/)
  assert.match(second.stdout, /0\.0\.0\.0:8000/)

  await admin('http://127.0.0.1:8001', 'POST', '/services', { name: 's', url: upstream.url })
  await admin('http://127.0.0.1:8001', 'POST', '/services/s/routes', { paths: ['/r'] })
  await eventually('the route', async () => (await send('http://127.0.0.1:8000/r')).status === 200)
  const status = (await send('http://127.0.0.1:8001/clustering/status')).json()
  assert.equal(Object.keys(status).length, 1)

  const again = await runKong(['start'], cp)
  assert.equal(again.status, 1)
  assert.match(again.stderr, /Kong is already running in/)
  for (const environment of [dp, cp]) {
    const stopped = await runKong(['stop'], environment)
    assert.equal(stopped.status, 0, stopped.stdout + stopped.stderr)
    assert.match(stopped.stdout, /Kong stopped/)
    assert.deepEqual(new TestNode(environment.KONG_PREFIX, {}).processIds(), [])
  }
})

test('a data plane that is given a database is refused with the reason and the remedy', async t => {
  const folder = temporaryFolder(t)
  const environment = { ...process.env, KONG_PREFIX: join(folder, 'dp'), KONG_ROLE: 'proxy', KONG_DATABASE: 'postgres' }
  const { status, stderr } = await runKong(['start'], environment)
  assert.equal(status, 1)
  assert.match(stderr, /only in-memory storage can be used when role = "data_plane"/)
  assert.match(stderr, /Hint: set database = off in your kong\.conf/)
  assert.deepEqual(new TestNode(environment.KONG_PREFIX, {}).processIds(), [])
})
