/** Tests of status-reads.ts: what a node without an Admin API shows. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../base/logger.ts'
import type { Row } from '../entities/config.ts'
import type { EntityReader } from '../entities/entity-reader.ts'
import type { UpstreamHealth } from './admin-options.ts'
import { createStatusReads, type StatusReadOptions } from './status-reads.ts'

const id = (n: number) => `00000000-0000-4000-8000-00000000000${n}`
const upstream: Row = { id: id(1), name: 'ups' }
const targets: Row[] = [2, 3].map(n => ({ id: id(n), target: `t${n}:80`, created_at: n, upstream: { id: id(1) } }))

const entities: EntityReader = {
  find: (entity, key) => (entity === 'upstreams' && key === id(1) ? upstream : null),
  findBy: (entity, field, value) => (entity === 'upstreams' && field === 'name' && value === 'ups' ? upstream : null),
  findByForeign: (entity, field, key) => (entity === 'targets' && field === 'upstream' && key === id(1) ? targets : []),
  all: () => [],
}

const health: UpstreamHealth = {
  target: async (_upstream, target) => ({ health: 'HEALTHY', data: { host: target['target'] } }),
  balancer: async () => ({ health: 'HEALTHY' }),
  set: async () => null,
}

function reads(part: Partial<StatusReadOptions> = {}) {
  const connections = { connections_accepted: 0, connections_active: 0, connections_handled: 0 }
  const waiting = { connections_reading: 0, connections_waiting: 0, connections_writing: 0, total_requests: 3 }
  return createStatusReads({
    nodeId: id(9),
    logger: silentLogger,
    stats: {
      connections: () => ({ ...connections, ...waiting }),
      memory: () => ({ workers: [], shared: {} }),
      dns: async () => null,
    },
    configurationHash: () => 'a'.repeat(32),
    databaseReachable: async () => true,
    metrics: null,
    upstreams: { entities, health },
    ...part,
  })
}

test('/status of a data plane has the hash of its configuration and no database', async () => {
  const reply = await reads()('/status', 'unit=k')
  const body = reply?.body as Record<string, unknown>
  assert.equal(body['configuration_hash'], 'a'.repeat(32))
  assert.equal('database' in body, false)
  const withDatabase = await reads({ configurationHash: null })('/status', '')
  assert.partialDeepStrictEqual(withDatabase?.body, { database: { reachable: true } })
  assert.equal((await reads()('/status', 'unit=x'))?.status, 400)
})

test('/metrics is there while its provider is', async () => {
  assert.equal(await reads()('/metrics', ''), null)
  assert.equal((await reads({ metrics: async () => 'm 1\n' })('/metrics', ''))?.text?.content, 'm 1\n')
})

test('upstreams and targets are read by name and id, from what the node runs with', async () => {
  const read = reads()
  const body = async (path: string, query = '') => (await read(path, query))?.body as any
  for (const key of ['ups', id(1)]) {
    const list = await body(`/upstreams/${key}/targets`)
    assert.deepEqual(list, { data: targets.toReversed(), next: null })
  }
  assert.deepEqual(await body('/upstreams/ups/targets/t2:80'), targets[0])
  assert.deepEqual(await body(`/upstreams/ups/targets/${id(3)}`), targets[1])
  assert.equal((await read('/upstreams/ups/targets/nope', ''))?.status, 404)
  assert.equal((await read('/upstreams/nope/targets', ''))?.status, 404)
  assert.equal((await read('/upstreams/ups/targets', 'size=0'))?.status, 400)
  // A full page of `all` has an offset, be it the last one: as Kong reads them without a database.
  const sizes = ['', '&offset=1', '&offset=2'].map(async offset => {
    const { data, offset: next } = await body('/upstreams/ups/targets/all', `size=1${offset}`)
    return [data.length, next]
  })
  assert.deepEqual(await Promise.all(sizes), [
    [1, '1'],
    [1, '2'],
    [0, undefined],
  ])
  assert.equal((await body('/upstreams/ups/targets', 'size=1&offset=1')).offset, undefined)
  const page = await body('/upstreams/ups/health', 'size=1')
  assert.deepEqual([page.data[0].health, page.offset, page.node_id], ['HEALTHY', '1', id(9)])
  assert.equal((await body('/upstreams/ups/health', 'balancer_health=1')).data.health, 'HEALTHY')
})

test('a path that is not for the Status API is not there', async () => {
  for (const path of ['/', '/services', '/upstreams', '/upstreams/ups', '/config'])
    assert.equal(await reads()(path, ''), null)
  assert.equal(await reads({ upstreams: null })('/upstreams/ups/targets', ''), null)
})
