/** What a node tells of itself: `/`, `/status`, `/endpoints`, `/schemas`, plugins, log level, cache. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Admin, openAdmin } from './admin-fixture.ts'

let admin: Admin
before(async () => {
  admin = await openAdmin({ metrics: async () => 'kong_datastore_reachable 1\n' })
})
after(() => admin.close())

test('/ names the node, its plugins and its settings', async () => {
  await admin.ask('POST /plugins', { name: 'key-auth' })
  const { body } = await admin.ask('GET /')
  assert.deepEqual(Object.keys(body).sort(), [
    'configuration',
    'edition',
    'hostname',
    'lua_version',
    'node_id',
    'pids',
    'plugins',
    'tagline',
    'timers',
    'version',
  ])
  assert.equal(body.version, '3.9.1')
  assert.equal(body.tagline, 'Welcome to kong')
  assert.deepEqual(body.plugins.enabled_in_cluster, ['key-auth'])
  assert.deepEqual(body.plugins.available_on_server['key-auth'], { version: '3.9.1', priority: 1250 })
  assert.equal(body.configuration.pg_password, '******')
  const again = await admin.ask('POST /plugins', { name: 'request-termination' })
  assert.equal(again.status, 201)
  assert.deepEqual((await admin.ask('GET /')).body.plugins.enabled_in_cluster.sort(), [
    'key-auth',
    'request-termination',
  ])
})

test('/status counts in the unit that was asked for', async () => {
  const memory = async (query: string) => (await admin.ask(`GET /status${query}`)).body.memory
  const expected = [
    ['', '1.50 MiB', '0.00 MiB'],
    ['?unit=k', '1536.00 KiB', '1.00 KiB'],
    ['?unit=K&scale=3', '1536.000 KiB', '1.000 KiB'],
    ['?unit=g&scale=4', '0.0015 GiB', '0.0000 GiB'],
    ['?unit=b', 1_572_864, 1024],
  ] as const
  for (const [query, heap, used] of expected) {
    const { workers_lua_vms, lua_shared_dicts } = await memory(query)
    assert.deepEqual(workers_lua_vms, [{ http_allocated_gc: heap, pid: 11 }], query)
    assert.equal(lua_shared_dicts.counters.allocated_slabs, used, query)
  }
  await admin.check([
    { ask: 'GET /status', status: 200, has: { database: { reachable: true }, server: { connections_active: 1 } } },
    { ask: 'GET /status?unit=x', status: 400, body: { message: "invalid unit 'x' (expected 'k/K', 'm/M', or 'g/G')" } },
    { ask: 'GET /status?scale=-1', status: 400, body: { message: 'scale must be equal or greater than 0' } },
    { ask: 'GET /status/dns', status: 501, body: { message: 'not implemented with the legacy DNS client' } },
    {
      ask: 'GET /timers',
      status: 200,
      has: { worker: { count: 1 }, stats: { flamegraph: { running: '', pending: '' }, timers: {} } },
    },
  ])
})

test('/endpoints lists every path, parents before what is below them', async () => {
  const { data } = (await admin.ask('GET /endpoints')).body as { data: string[] }
  for (const path of [
    '/',
    '/routes/{routes}/service',
    '/services/{services}/routes/{routes}',
    '/key-auths',
    '/endpoints',
  ]) {
    assert.ok(data.includes(path), path)
  }
  assert.equal(data.includes('/targets'), false)
  assert.ok(data.indexOf('/plugins/enabled') < data.indexOf('/plugins/{plugins}'))
  assert.ok(data.indexOf('/key-auths') > data.indexOf('/certificates/{certificates}'))
  assert.equal(new Set(data).size, data.length)
})

test('/schemas shows and tries definitions', async () => {
  const { body } = await admin.ask('GET /schemas/services')
  const fields = Object.assign({}, ...body.fields)
  assert.equal(fields.retries.default, 5)
  assert.equal(fields.client_certificate.reference, 'certificates')
  const success = { status: 200, body: { message: 'schema validation successful' } }
  await admin.check([
    { ask: 'GET /schemas/nope', status: 404, body: { message: "No entity named 'nope'" } },
    { ask: 'GET /schemas/plugins/nope', status: 404, body: { message: "No plugin named 'nope'" } },
    { ask: 'GET /schemas/vaults/nope', status: 404, body: { message: "No vault named 'nope'" } },
    { ask: 'GET /schemas/plugins/key-auth', status: 200 },
    { ask: 'GET /plugins/schema/key-auth', status: 200 },
    { ask: 'GET /plugins/schema/nope', status: 404, body: { message: "No plugin named 'nope'" } },
    { ask: 'POST /schemas/services/validate', with: { host: 'x' }, ...success },
    { ask: 'POST /schemas/services/validate', with: 'host=x&port=80', ...success },
    { ask: 'POST /schemas/plugins/validate', with: { name: 'key-auth' }, ...success },
    { ask: 'POST /schemas/services/validate', with: { name: 'x' }, status: 400, has: { code: 2 } },
    { ask: 'POST /schemas/nope/validate', with: {}, status: 404, body: { message: "No entity named 'nope'" } },
  ])
  assert.deepEqual((await admin.ask('GET /services')).body.data, [], 'nothing was stored')
})

test('the log level can be read and changed', async () => {
  await admin.check([
    { ask: 'GET /debug/node/log-level', status: 200, body: { message: 'log level: notice' } },
    { ask: 'PUT /debug/node/log-level/notice', status: 200, body: { message: 'log level is already notice' } },
    { ask: 'PUT /debug/node/log-level/nope', status: 400, body: { message: 'unknown log level: nope' } },
    {
      ask: 'PUT /debug/node/log-level/debug?timeout=-2',
      status: 400,
      body: { message: 'timeout must be greater than or equal to 0' },
    },
    {
      ask: 'PUT /debug/node/log-level/debug',
      with: { timeout: 5 },
      status: 200,
      body: { message: 'log level changed' },
    },
    { ask: 'GET /debug/node/log-level', status: 200, body: { message: 'log level: debug' } },
    { ask: 'PUT /debug/cluster/log-level/info', status: 200, body: { message: 'log level changed' } },
    { ask: 'PUT /debug/cluster/control-planes-nodes/log-level/info', status: 404 },
  ])
})

test('what this node does not have says so in Kong’s words', async () => {
  const noDatabase = 'this endpoint is only available when Kong is configured to not use a database'
  const noWasm = { status: 400, body: { message: 'this endpoint is only available when wasm is enabled' } }
  const otherRole = 'this endpoint is only available when Kong is configured to run as Control Plane for the cluster'
  await admin.check([
    { ask: 'GET /cache/foo', status: 404, body: { message: 'Not found' } },
    { ask: 'DELETE /cache/foo', status: 204 },
    { ask: 'DELETE /cache', status: 204 },
    { ask: 'GET /config', status: 400, body: { message: noDatabase } },
    { ask: 'POST /config', with: { _format_version: '3.0' }, status: 400, body: { message: noDatabase } },
    { ask: 'GET /clustering/status', status: 400, body: { message: otherRole } },
    { ask: 'GET /clustering/data-planes', status: 400, body: { message: otherRole } },
    { ask: 'POST /clustering/tokens', with: {}, status: 400, body: { message: otherRole } },
    { ask: 'GET /filter-chains', ...noWasm },
    { ask: 'POST /services/x/filter-chains', with: {}, ...noWasm },
  ])
})

test('/metrics is the text of its provider', async () => {
  const { status, text, headers } = await admin.ask('GET /metrics')
  assert.deepEqual([status, text], [200, 'kong_datastore_reachable 1\n'])
  assert.equal(headers['content-type'], 'text/plain; charset=UTF-8')
})
