/** What a control plane tells of its data planes, and who may join. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type {
  ClusterAdmin,
  ClusterNode,
  DataPlaneStatus,
  JoinTokenRequest,
} from '../../../src/entities/cluster-view.ts'
import { openAdmin } from './admin-fixture.ts'

const ids = ['0a000000-0000-4000-8000-000000000001', '0b000000-0000-4000-8000-000000000002']

const dataPlane = (id: string): DataPlaneStatus => ({
  id,
  hostname: `host-${id.slice(0, 2)}`,
  ip: '10.0.0.1',
  version: '3.9.1',
  config_hash: 'a'.repeat(32),
  sync_status: 'normal',
  last_seen: 1_700_000_000,
  labels: { zone: 'a' },
  cert_details: { expiry_timestamp: 1_800_000_000 },
  ttl: 1_209_600,
  applied_version: 7,
  last_error: { entity: 'routes', key: id, field: 'paths', message: 'no' },
})

function fakeCluster() {
  const asked: JoinTokenRequest[] = []
  const nodes = new Map<string, ClusterNode>()
  for (const id of ids) {
    const common = { hostname: 'h', ip: '10.0.0.1', key_fingerprint: 'f'.repeat(64), requested_at: 1, expires_at: null }
    nodes.set(id, { id, status: 'pending', ...common })
  }
  const set = (id: string, status: ClusterNode['status']) => {
    const node = nodes.get(id)
    if (node === undefined) return null
    const changed = { ...node, status }
    nodes.set(id, changed)
    return changed
  }
  const cluster: ClusterAdmin = {
    async dataPlaneHealth(id) {
      if (!ids.includes(id)) return null
      const addresses = [{ host: 'a.test', ip: '10.0.0.1', port: 80, healthy: false }]
      const upstreams = ids.map(upstream => ({ id: upstream, hidden: 2, addresses }))
      return { isConnected: true, isCut: false, upstreams }
    },
    async dataPlanes({ size, after }) {
      const left = ids.filter(id => after === null || id > after)
      return { rows: left.slice(0, size).map(dataPlane), next: left.length > size ? left[size - 1]! : null }
    },
    async createToken(request) {
      asked.push(request)
      const times = { created_at: 1, expires_at: 1 + request.ttl, uses_left: request.uses }
      return { id: ids[0]!, name: request.name, token: 'secret', ...times }
    },
    tokens: async () => ({ rows: [], next: null }),
    deleteToken: async id => id === ids[0],
    nodes: async () => ({ rows: [...nodes.values()], next: null }),
    approve: async id => set(id, 'approved'),
    revoke: async id => set(id, 'revoked'),
  }
  return { cluster, asked }
}

test('/clustering/status is an object by node id with four members each', async () => {
  const admin = await openAdmin({ cluster: fakeCluster().cluster })
  try {
    const { body, headers } = await admin.ask('GET /clustering/status')
    const member = (id: string) => {
      const { config_hash, hostname, ip, last_seen } = dataPlane(id)
      return [id, { config_hash, hostname, ip, last_seen }]
    }
    assert.deepEqual(body, Object.fromEntries(ids.map(member)))
    assert.equal(headers['deprecation'], 'true')
  } finally {
    await admin.close()
  }
})

test('/clustering/data-planes/{id}/health is what that data plane sees, in pages', async () => {
  const admin = await openAdmin({ cluster: fakeCluster().cluster })
  try {
    const [id] = ids
    const { status, body } = await admin.ask(`GET /clustering/data-planes/${id}/health?size=1`)
    assert.equal(status, 200)
    const [first] = [...ids].sort()
    const addresses = [{ host: 'a.test', ip: '10.0.0.1', port: 80, health: 'UNHEALTHY' }]
    assert.deepEqual(body.data, [{ upstream: { id: first, name: null }, addresses, healthy_not_shown: 2 }])
    assert.deepEqual([body.node_id, body.connected, body.truncated], [id, true, false])
    const rest = (await admin.ask(`GET ${body.next}`)).body
    assert.notEqual(rest.data[0].upstream.id, first)
    assert.equal((await admin.ask('GET /clustering/data-planes/nobody/health')).status, 404)
  } finally {
    await admin.close()
  }
})

test('/clustering/data-planes comes in pages', async () => {
  const admin = await openAdmin({ cluster: fakeCluster().cluster })
  try {
    const { body } = await admin.ask('GET /clustering/data-planes')
    assert.deepEqual(body, { data: ids.map(dataPlane), next: null })
    const first = (await admin.ask('GET /clustering/data-planes?size=1')).body
    assert.equal(first.next, `/clustering/data-planes?offset=${first.offset}&size=1`)
    const second = (await admin.ask(`GET ${first.next}`)).body
    assert.deepEqual([first.data[0].id, second.data[0].id, second.next], [...ids, null])
    await admin.check([
      { ask: 'POST /clustering/data-planes', with: {}, status: 405 },
      { ask: 'DELETE /clustering/data-planes', status: 405 },
      { ask: 'GET /clustering/data-planes/x', status: 404 },
      { ask: 'GET /clustering/data-planes?size=0', status: 400, has: { code: 9 } },
      { ask: 'PUT /debug/cluster/control-planes-nodes/log-level/info', status: 200 },
    ])
  } finally {
    await admin.close()
  }
})

test('join tokens are made within limits and deleted', async () => {
  const { cluster, asked } = fakeCluster()
  const admin = await openAdmin({ cluster })
  try {
    await admin.check([
      { ask: 'POST /clustering/tokens', status: 201, has: { token: 'secret', uses_left: null } },
      { ask: 'POST /clustering/tokens', with: { name: 'n', ttl: 60, uses: 3 }, status: 201, has: { uses_left: 3 } },
      { ask: 'POST /clustering/tokens', with: 'ttl=120', status: 201, has: { expires_at: 121 } },
      { ask: 'POST /clustering/tokens', with: { ttl: 59 }, status: 400, has: { code: 2 } },
      {
        ask: 'POST /clustering/tokens',
        with: { uses: 0 },
        status: 400,
        has: { fields: { uses: 'value should be between 1 and 1000000' } },
      },
      {
        ask: 'POST /clustering/tokens',
        with: { ttl: 'x', foo: 1 },
        status: 400,
        has: { fields: { foo: 'unknown field' } },
      },
      { ask: 'GET /clustering/tokens', status: 200, body: { data: [], next: null } },
      { ask: `DELETE /clustering/tokens/${ids[0]}`, status: 204 },
      { ask: 'DELETE /clustering/tokens/nope', status: 404 },
    ])
    assert.deepEqual(
      asked.map(({ ttl }) => ttl),
      [86400, 60, 120],
    )
  } finally {
    await admin.close()
  }
})

test('nodes are listed, approved and revoked', async () => {
  const admin = await openAdmin({ cluster: fakeCluster().cluster })
  try {
    await admin.check([
      { ask: 'GET /clustering/nodes', status: 200, has: { data: [{ status: 'pending' }, { status: 'pending' }] } },
      { ask: `POST /clustering/nodes/${ids[0]}/approve`, status: 200, has: { id: ids[0], status: 'approved' } },
      { ask: `POST /clustering/nodes/${ids[1]}/revoke`, status: 200, has: { id: ids[1], status: 'revoked' } },
      { ask: 'POST /clustering/nodes/nope/approve', status: 404 },
      { ask: `GET /clustering/nodes/${ids[0]}/approve`, status: 405 },
    ])
  } finally {
    await admin.close()
  }
})
