/** A node without a database: everything is read, nothing written but the whole configuration through /config. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Admin, type Case, openAdmin } from './admin-fixture.ts'

let admin: Admin
before(async () => {
  admin = await openAdmin({}, true)
})
after(() => admin.close())

const yaml = `_format_version: "3.0"
services:
- name: up
  url: http://127.0.0.1:18080
  tags: [dt]
  routes:
  - name: r1
    paths: ["/"]
  plugins:
  - name: key-auth
consumers:
- username: alice
  keyauth_credentials:
  - key: k1
upstreams:
- name: ups
  targets:
  - target: 127.0.0.1:18081
`

async function load(): Promise<void> {
  const { status, text } = await admin.ask('POST /config', { config: yaml })
  assert.equal(status, 201, text)
}

test('POST /config takes every form of the same configuration', async () => {
  const forms: readonly (readonly [type: string, content: string])[] = [
    ['application/json', JSON.stringify({ config: yaml })],
    ['application/x-www-form-urlencoded', new URLSearchParams({ config: yaml }).toString()],
    ['text/yaml', yaml],
    ['application/yaml', yaml],
    [
      'multipart/form-data; boundary=B',
      `--B\r\nContent-Disposition: form-data; name="config"\r\n\r\n${yaml}\r\n--B--\r\n`,
    ],
  ]
  for (const [type, content] of forms) {
    const sent = { method: 'POST', path: '/config', headers: { 'Content-Type': type }, content }
    const { status, body, text } = await admin.send(sent)
    assert.equal(status, 201, text)
    assert.deepEqual(Object.keys(body).sort(), [
      'consumers',
      'keyauth_credentials',
      'plugins',
      'routes',
      'services',
      'targets',
      'upstreams',
    ])
    const [id, service] = Object.entries<any>(body.services)[0]!
    assert.deepEqual([service.id, service.name, service.path], [id, 'up', undefined], type)
  }
  const direct = { _format_version: '3.0', services: [{ name: 'j', host: 'x.y' }] }
  await admin.check([
    { ask: 'POST /config', with: direct, status: 201 },
    { ask: 'GET /services', status: 200, has: { data: [{ name: 'j' }], next: null } },
    { ask: 'GET /routes', status: 200, body: { data: [], next: null } },
  ])
})

test('what was loaded is read like any entity, with ids that stay the same', async () => {
  await load()
  const { body: first } = await admin.ask('GET /services/up')
  await load()
  await admin.check([
    { ask: `GET /services/${first.id}`, status: 200, has: { name: 'up', path: null, tags: ['dt'] } },
    { ask: 'GET /services/up/routes/r1', status: 200, has: { service: { id: first.id } } },
    { ask: 'GET /consumers/alice/key-auth/k1', status: 200, has: { key: 'k1' } },
    { ask: 'GET /upstreams/ups/targets/127.0.0.1:18081', status: 200, has: { weight: 100 } },
    { ask: 'GET /tags/dt', status: 200, has: { data: [{ entity_name: 'services', entity_id: first.id }] } },
    { ask: 'GET /services/nope', status: 404 },
  ])
})

test('single entities cannot be written, and invalid ones are told so first', async () => {
  await load()
  const refused = (ask: string, sent: object, verb: string): Case => ({
    ask,
    with: sent,
    status: 405,
    body: { code: 12, name: 'operation unsupported', message: `cannot ${verb} when not using a database` },
  })
  await admin.check([
    refused('POST /services', { host: 'x.y' }, "create 'services' entities"),
    refused('PUT /services/x', { host: 'x.y' }, "create or update 'services' entities by 'name'"),
    refused('PATCH /services/up', { path: '/x' }, "update 'services' entities by 'name'"),
    refused('DELETE /services/up', {}, "remove 'services' entities by 'name'"),
    refused('POST /services/up/routes', { paths: ['/x'] }, "create 'routes' entities"),
    refused('POST /upstreams/ups/targets', { target: 'x:1' }, "create 'targets' entities"),
    { ask: 'POST /services', with: { bad: 1 }, status: 400, has: { code: 2 } },
    { ask: 'DELETE /services/nope', status: 204 },
    {
      ask: 'PUT /debug/node/log-level/debug',
      status: 405,
      body: { message: 'cannot change log level when not using a database' },
    },
  ])
})

test('a configuration that is wrong changes nothing', async () => {
  await load()
  const invalid = (sent: object, fields: object, notation: string): Case => ({
    ask: 'POST /config',
    with: sent,
    status: 400,
    body: {
      code: 14,
      name: 'invalid declarative configuration',
      message: `declarative config is invalid: ${notation}`,
      fields,
    },
  })
  const missing = 'required field missing'
  await admin.check([
    invalid({}, { _format_version: missing }, `{_format_version="${missing}"}`),
    invalid({ services: [] }, { _format_version: missing }, `{_format_version="${missing}"}`),
    invalid(
      { _format_version: '3.0', services: [{ name: 'a' }, { name: 'b', host: 'x.y' }] },
      { services: [{ host: missing }] },
      `{services={{host="${missing}"}}}`,
    ),
    invalid({ _format_version: '3.0', foos: [] }, { foos: 'unknown field' }, '{foos="unknown field"}'),
    { ask: 'POST /config', with: { config: '' }, status: 400, has: { code: 14 } },
    { ask: 'POST /config', with: { config: 'a: b: c: [' }, status: 400, has: { code: 14 } },
    { ask: 'POST /config', status: 400, body: { message: 'expected a declarative configuration' } },
    { ask: 'PUT /config', with: {}, status: 405 },
    { ask: 'GET /services/up', status: 200 },
  ])
})

test('flatten_errors lists errors by entity', async () => {
  const sent = { _format_version: '3.0', services: [{ name: 'a', tags: ['t'], host: 5 }] }
  for (const flag of ['1', 'true', 'on', 'yes']) {
    const { status, body } = await admin.ask(`POST /config?flatten_errors=${flag}`, sent)
    assert.equal(status, 400)
    assert.deepEqual(body.flattened_errors, [
      {
        entity_type: 'service',
        entity_name: 'a',
        entity_tags: ['t'],
        entity: { name: 'a', tags: ['t'], host: 5 },
        errors: [{ type: 'field', field: 'host', message: 'expected a string' }],
      },
    ])
  }
})

test('flatten_errors shows the id that an entity got where the error is found after that', async () => {
  const targets = [
    { target: 'x:1', tags: ['first'] },
    { target: 'x:1', tags: ['second'] },
  ]
  const sent = { _format_version: '3.0', upstreams: [{ name: 'u', targets }] }
  const { body } = await admin.ask('POST /config?flatten_errors=1', sent)
  const [fault] = body.flattened_errors
  assert.match(fault.entity_id, /^[0-9a-f-]{36}$/)
  assert.deepEqual(fault.entity_tags, ['second'])
  assert.deepEqual(
    [fault.entity.id, fault.errors],
    [
      fault.entity_id,
      [
        {
          type: 'entity',
          message: `uniqueness violation: 'targets' entity with primary key set to '${fault.entity_id}' already declared`,
        },
      ],
    ],
  )
})

test('error_positions adds line and column of each error of a text', async () => {
  const config = '_format_version: "3.0"\nservices:\n- name: a\n- name: b\n  host: 5\n'
  const { status, body } = await admin.ask('POST /config?error_positions=1', { config })
  assert.equal(status, 400)
  assert.deepEqual(body.positions, [
    { line: 3, column: 3, path: 'services[1].host', message: 'required field missing' },
    { line: 5, column: 3, path: 'services[2].host', message: 'expected a string' },
  ])
  assert.equal((await admin.ask('POST /config', { config })).body.positions, undefined)
})

test('check_hash leaves a configuration alone that is loaded already', async () => {
  await load()
  const { status, text } = await admin.ask('POST /config?check_hash=1', { config: yaml })
  assert.deepEqual([status, text], [304, ''])
  assert.equal((await admin.ask('POST /config?check_hash=1', { config: `${yaml}\n` })).status, 201)
  const { configuration_hash, database } = (await admin.ask('GET /status')).body
  assert.match(configuration_hash, /^[0-9a-f]{32}$/)
  assert.equal(database, undefined)
})

test('GET /config is a file that loads again', async () => {
  await load()
  // Loading is a change: only this stamp differs.
  const exported = async () => {
    const { config } = (await admin.ask('GET /config')).body as { config: string }
    return config.replace(/updated_at: .*/g, 'updated_at: 0')
  }
  const first = await exported()
  assert.match(first, /^_format_version: '?"?3\.0/m)
  assert.match(first, /^_transform: false$/m)
  assert.equal((await admin.ask('POST /config', { config: first })).status, 201)
  assert.equal(await exported(), first)
})
