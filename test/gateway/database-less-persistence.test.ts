/** What a node without a database serves after a restart, a kill and a reload: Kong's rules. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { aNode, freePort, temporaryFolder, type TestNode } from '../kit/nodes.ts'
import { send } from '../kit/traffic.ts'

interface Node extends TestNode {
  readonly admin: string
}

async function aDatabaseLessNode(t: TestContext, settings: Record<string, string> = {}): Promise<Node> {
  const port = await freePort()
  const node = aNode(t, {
    database: 'off',
    admin_listen: `127.0.0.1:${port}`,
    proxy_listen: `127.0.0.1:${await freePort()}`,
    status_listen: 'off',
    nginx_worker_processes: '1',
    log_level: 'info',
    ...settings,
  })
  return Object.assign(node, { admin: `http://127.0.0.1:${port}` })
}

const configuration = (name: string) =>
  `_format_version: "3.0"\nservices:\n- name: ${name}\n  url: http://127.0.0.1:9\n  routes:\n  - paths: [/${name}]\n`

async function post(node: Node, name: string, query = ''): Promise<number> {
  const { status } = await send(`${node.admin}/config${query}`, {
    method: 'POST',
    body: { config: configuration(name) },
  })
  return status
}

async function serviceNames(node: Node): Promise<string[]> {
  const { data } = (await send(`${node.admin}/services`)).json()
  return data.map((service: { name: string }) => service.name)
}

async function ok(result: Promise<{ status: number | null; stderr: string }>): Promise<void> {
  const { status, stderr } = await result
  assert.equal(status, 0, stderr)
}

test('a configuration that was posted is there after a restart and after a kill, with its hash', async t => {
  const node = await aDatabaseLessNode(t)
  await node.start()
  assert.equal(await post(node, 'first'), 201)
  const { configuration_hash, memory } = (await send(`${node.admin}/status?unit=b`)).json()
  const { allocated_slabs, capacity } = memory.lua_shared_dicts.kong
  assert.ok(allocated_slabs > 0 && capacity > allocated_slabs, `${allocated_slabs} of ${capacity}`)
  await ok(node.kong('restart'))
  assert.deepEqual(await serviceNames(node), ['first'])
  assert.equal((await send(`${node.admin}/status`)).json().configuration_hash, configuration_hash)
  assert.equal(await post(node, 'first', '?check_hash=1'), 304)
  assert.match(node.errorLog(), /found persisted lmdb config/)

  assert.equal(await post(node, 'second'), 201)
  node.killAll()
  await node.start()
  assert.deepEqual(await serviceNames(node), ['second'])

  const nothing = { method: 'POST', body: { config: '_format_version: "3.0"\n' } }
  assert.equal((await send(`${node.admin}/config`, nothing)).status, 201)
  assert.equal((await send(`${node.admin}/status`)).json().configuration_hash, '0'.repeat(32), 'as without any')
})

test('a file in the settings counts at each start, and at a reload that names it, over what was posted', async t => {
  const file = join(temporaryFolder(t), 'kong.yml')
  writeFileSync(file, configuration('of-file'))
  const node = await aDatabaseLessNode(t, { declarative_config: file })
  await node.start()
  assert.equal(await post(node, 'posted'), 201)
  const { KONG_DECLARATIVE_CONFIG: _, ...without } = node.environment
  await ok(Object.assign(Object.create(node), { environment: without }).kong('reload'))
  assert.deepEqual(await serviceNames(node), ['posted'], 'a reload that names no file keeps what runs')
  await ok(node.kong('reload'))
  assert.deepEqual(await serviceNames(node), ['of-file'])

  assert.equal(await post(node, 'posted'), 201)
  await ok(node.kong('restart'))
  assert.deepEqual(await serviceNames(node), ['of-file'])

  writeFileSync(file, '_format_version: "3.0"\nservices: 5\n')
  const { status, stderr } = await node.kong('reload')
  assert.equal(status, 1)
  assert.match(stderr, /in 'services': expected an array/)
  assert.deepEqual(await serviceNames(node), ['of-file'], 'a bad file leaves alone what runs')
})

test('a configuration larger than lmdb_map_size is refused, and the one before serves on', async t => {
  const node = await aDatabaseLessNode(t, { lmdb_map_size: '1m' })
  await node.start()
  assert.equal(await post(node, 'small'), 201)
  const services = Array.from({ length: 3000 }, (_, i) => ({ name: `s-${i}`, host: `${'h'.repeat(60)}.test` }))
  const body = { _format_version: '3.0', services }
  const answer = await send(`${node.admin}/config`, { method: 'POST', body, timeoutMs: 30_000 })
  assert.equal(answer.status, 413, answer.body)
  assert.match(answer.body, /does not fit in LMDB database, consider raising the \\"lmdb_map_size\\" config/)
  assert.deepEqual(await serviceNames(node), ['small'])
  assert.equal(await post(node, 'other'), 201)
})
