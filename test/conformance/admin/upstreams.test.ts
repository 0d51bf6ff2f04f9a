/** Upstreams and their targets, with health as the node's balancers report it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UpstreamHealth } from '../../../src/admin/admin-options.ts'
import { type Admin, openAdmin } from './admin-fixture.ts'

const missing = { status: 404, body: { message: 'Not found' } }

async function withTargets(use: (admin: Admin) => Promise<void>, health: UpstreamHealth | null = null): Promise<void> {
  const admin = await openAdmin({ upstreamHealth: health })
  try {
    await admin.ask('POST /upstreams', { name: 'ups' })
    await admin.ask('POST /upstreams', { name: 'other' })
    await use(admin)
  } finally {
    await admin.close()
  }
}

test('targets are normalised, unique in their upstream, and found by id or address', async () => {
  await withTargets(async admin => {
    const made = await admin.ask('POST /upstreams/ups/targets', { target: '127.0.0.1', weight: 10 })
    assert.deepEqual([made.status, made.body.target], [201, '127.0.0.1:8000'], made.text)
    await admin.check([
      { ask: 'POST /upstreams/ups/targets', with: { target: '127.0.0.1:8000' }, status: 409, has: { code: 5 } },
      { ask: 'POST /upstreams/other/targets', with: { target: '127.0.0.1:8000' }, status: 201 },
      { ask: 'POST /upstreams/nope/targets', with: { target: 'a:1' }, ...missing },
      {
        ask: 'POST /upstreams/ups/targets',
        with: { target: 'a b', weight: -1 },
        status: 400,
        has: { code: 2, fields: { target: 'Invalid target; not a valid hostname or ip address' } },
      },
      {
        ask: 'POST /upstreams/ups/targets',
        with: {},
        status: 400,
        has: { fields: { target: 'required field missing' } },
      },
      { ask: 'GET /upstreams/ups/targets/127.0.0.1%3A8000', status: 200, body: made.body },
      { ask: `GET /upstreams/ups/targets/${made.body.id}`, status: 200, body: made.body },
      { ask: `GET /upstreams/other/targets/${made.body.id}`, ...missing },
      { ask: 'PATCH /upstreams/ups/targets/127.0.0.1:8000', with: { weight: 0 }, status: 200, has: { weight: 0 } },
      { ask: 'PUT /upstreams/ups/targets/127.0.0.1:8000', with: { weight: 5 }, status: 200, has: { weight: 5 } },
      { ask: 'DELETE /upstreams/other/targets/nope:1', ...missing },
      { ask: 'DELETE /upstreams/ups/targets/127.0.0.1:8000', status: 204 },
      { ask: 'GET /upstreams/ups/targets/127.0.0.1:8000', ...missing },
    ])
  })
})

test('targets come newest first, in pages counted by position', async () => {
  await withTargets(async admin => {
    for (let i = 1; i <= 5; i++) {
      await admin.ask('POST /upstreams/ups/targets', { target: `t${i}:80`, created_at: 1000 + i })
    }
    const names = (body: any) => body.data.map((row: { target: string }) => row.target)
    const first = (await admin.ask('GET /upstreams/ups/targets?size=2')).body
    assert.deepEqual(names(first), ['t5:80', 't4:80'])
    assert.equal(first.next, '/upstreams/ups/targets?offset=2')
    const rest = (await admin.ask('GET /upstreams/ups/targets?offset=2')).body
    assert.deepEqual([names(rest), rest.next], [['t3:80', 't2:80', 't1:80'], null])
    assert.equal((await admin.ask('GET /upstreams/ups/targets/all')).body.data.length, 5)
    assert.equal((await admin.ask('GET /upstreams/ups/targets?offset=x')).body.code, 7)
    assert.equal((await admin.ask('GET /upstreams/nope/targets/all')).status, 404)
  })
})

test('health is what the balancers say, and can be set', async () => {
  const set: unknown[] = []
  const health: UpstreamHealth = {
    target: async () => ({ health: 'HEALTHY', data: { host: 'a' } }),
    balancer: async upstream => ({ health: 'HEALTHY', id: upstream['id'] }),
    async set({ target, address, healthy }) {
      set.push([target['target'], address, healthy])
      return address === '9.9.9.9:1' ? 'no peer found by name' : null
    },
  }
  await withTargets(async admin => {
    await admin.ask('POST /upstreams/ups/targets', { target: 'a:80' })
    await admin.check([
      {
        ask: 'GET /upstreams/ups/health',
        status: 200,
        has: { data: [{ target: 'a:80', health: 'HEALTHY', data: { host: 'a' } }], next: null },
      },
      { ask: 'GET /upstreams/ups/health?balancer_health=1', status: 200, has: { data: { health: 'HEALTHY' } } },
      { ask: 'GET /upstreams/nope/health', ...missing },
      { ask: 'PUT /upstreams/ups/targets/a:80/unhealthy', status: 204 },
      { ask: 'PUT /upstreams/ups/targets/a:80/1.1.1.1:80/healthy', status: 204 },
      { ask: 'PUT /upstreams/ups/targets/b:80/healthy', ...missing },
      {
        ask: 'PUT /upstreams/ups/targets/a:80/9.9.9.9:1/healthy',
        status: 400,
        body: { message: 'no peer found by name' },
      },
      { ask: 'POST /upstreams/ups/targets/a:80/healthy', with: {}, status: 405 },
    ])
  }, health)
  assert.deepEqual(set, [
    ['a:80', null, false],
    ['a:80', '1.1.1.1:80', true],
    ['a:80', '9.9.9.9:1', true],
  ])
})

test('without balancers health is off and cannot be set', async () => {
  await withTargets(async admin => {
    await admin.ask('POST /upstreams/ups/targets', { target: 'a:80' })
    await admin.check([
      { ask: 'GET /upstreams/ups/health', status: 200, has: { data: [{ health: 'HEALTHCHECKS_OFF' }] } },
      {
        ask: 'GET /upstreams/ups/health?balancer_health=1',
        status: 200,
        has: { data: { health: 'HEALTHCHECKS_OFF', balancer_health: 'HEALTHY' } },
      },
      { ask: 'PUT /upstreams/ups/targets/a:80/unhealthy', ...missing },
    ])
  })
})
