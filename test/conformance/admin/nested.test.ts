/** Paths along foreign keys: children below their parent, and the parent of a child. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Admin, openAdmin } from './admin-fixture.ts'

let admin: Admin
let service: { id: string }
before(async () => {
  admin = await openAdmin()
  service = (await admin.ask('POST /services', { name: 'svc', host: 'a.example' })).body
  await admin.ask('POST /services', { name: 'other', host: 'b.example' })
})
after(() => admin.close())

const missing = { status: 404, body: { message: 'Not found' } }

test('a child made below its parent is linked to it', async () => {
  const link = { service: { id: service.id } }
  await admin.check([
    { ask: 'POST /services/svc/routes', with: { name: 'r1', paths: ['/r1'] }, status: 201, has: link },
    {
      ask: `POST /services/${service.id}/routes`,
      with: 'name=r2&hosts=a.com',
      status: 201,
      has: { ...link, hosts: ['a.com'] },
    },
    // What the path says wins over the body.
    { ask: 'POST /services/svc/routes', with: { name: 'r3', paths: ['/r3'], service: null }, status: 201, has: link },
    { ask: 'PUT /services/svc/routes/r4', with: { paths: ['/r4'] }, status: 200, has: { name: 'r4', ...link } },
    { ask: 'POST /services/nope/routes', with: { paths: ['/x'] }, ...missing },
    { ask: 'PUT /services/nope/routes/x', with: { paths: ['/x'] }, ...missing },
    { ask: 'GET /services/nope/routes', ...missing },
  ])
  const names = (await admin.ask('GET /services/svc/routes')).body.data.map((row: { name: string }) => row.name)
  assert.deepEqual(names.sort(), ['r1', 'r2', 'r3', 'r4'])
})

test('a child is found below its own parent only', async () => {
  await admin.ask('POST /services/svc/routes', { name: 'own', paths: ['/own'] })
  await admin.check([
    { ask: 'GET /services/svc/routes/own', status: 200, has: { name: 'own' } },
    { ask: 'GET /services/other/routes/own', ...missing },
    { ask: 'PATCH /services/other/routes/own', with: { paths: ['/x'] }, ...missing },
    { ask: 'DELETE /services/other/routes/own', ...missing },
    { ask: 'DELETE /services/svc/routes/nope', ...missing },
    { ask: 'PATCH /services/svc/routes/own', with: { paths: ['/own2'] }, status: 200, has: { paths: ['/own2'] } },
    { ask: 'DELETE /services/svc/routes/own', status: 204 },
    { ask: 'GET /routes/own', ...missing },
    { ask: 'GET /services/svc/nope', ...missing },
  ])
})

test('the parent is reached through its child', async () => {
  await admin.ask('POST /services/svc/routes', { name: 'linked', paths: ['/l'] })
  await admin.ask('POST /routes', { name: 'free', paths: ['/f'] })
  await admin.check([
    { ask: 'GET /routes/linked/service', status: 200, has: { id: service.id } },
    { ask: 'PATCH /routes/linked/service', with: { retries: 2 }, status: 200, has: { id: service.id, retries: 2 } },
    {
      ask: 'PUT /routes/linked/service',
      with: { name: 'svc', host: 'put.example' },
      status: 200,
      has: { id: service.id, host: 'put.example' },
    },
    { ask: 'DELETE /routes/linked/service', status: 405, body: { message: 'Method not allowed' } },
    { ask: 'GET /routes/free/service', ...missing },
    { ask: 'PATCH /routes/free/service', with: { retries: 2 }, ...missing },
    { ask: 'DELETE /routes/free/service', ...missing },
    { ask: 'GET /routes/nope/service', ...missing },
    { ask: 'PUT /routes/nope/service', with: { host: 'x.y' }, ...missing },
    // A PUT where there was no parent makes one and links it.
    { ask: 'PUT /routes/free/service', with: { name: 'made', host: 'x.y' }, status: 200, has: { name: 'made' } },
    { ask: 'GET /routes/free/service', status: 200, has: { name: 'made' } },
  ])
})

test('a link is cut and set again by PATCH, and dropped by PUT', async () => {
  await admin.ask('POST /services/svc/routes', { name: 'cut', paths: ['/c'] })
  await admin.check([
    { ask: 'PATCH /routes/cut', with: { service: null }, status: 200, has: { service: null, paths: ['/c'] } },
    { ask: 'PATCH /routes/cut', with: { service: { name: 'svc' } }, status: 200, has: { service: { id: service.id } } },
    { ask: 'PUT /routes/cut', with: { paths: ['/c'] }, status: 200, has: { service: null } },
  ])
})

test('a service with routes is not deleted, its plugins go with it', async () => {
  const { body } = await admin.ask('POST /services', { name: 'doomed', host: 'a.example' })
  await admin.ask('POST /services/doomed/routes', { name: 'holding', paths: ['/h'] })
  const plugin = await admin.ask('POST /services/doomed/plugins', { name: 'request-termination' })
  assert.equal(plugin.status, 201, plugin.text)
  await admin.check([
    {
      ask: 'DELETE /services/doomed',
      status: 400,
      body: {
        code: 4,
        name: 'foreign key violation',
        message: "an existing 'routes' entity references this 'services' entity",
        fields: { '@referenced_by': 'routes' },
      },
    },
    { ask: 'DELETE /routes/holding', status: 204 },
    { ask: `DELETE /services/${body.id}`, status: 204 },
    { ask: `GET /plugins/${plugin.body.id}`, ...missing },
  ])
})

test('credentials live below their consumer and at the top', async () => {
  const { body: consumer } = await admin.ask('POST /consumers', { username: 'alice', custom_id: 'c 1' })
  const made = await admin.ask('POST /consumers/alice/key-auth', { key: 'k1' })
  assert.equal(made.status, 201, made.text)
  await admin.check([
    { ask: 'GET /consumers/alice/key-auth/k1', status: 200, has: { key: 'k1', consumer: { id: consumer.id } } },
    { ask: `GET /key-auths/${made.body.id}`, status: 200, has: { key: 'k1' } },
    { ask: 'GET /key-auths/k1/consumer', status: 200, has: { username: 'alice' } },
    { ask: 'POST /consumers/alice/key-auth', with: { key: 'k1' }, status: 409, has: { code: 5 } },
    { ask: 'GET /consumers?custom_id=c%201', status: 200, has: { data: [{ username: 'alice' }], next: null } },
    { ask: 'GET /consumers?custom_id=nope', status: 200, body: { data: [], next: null } },
    { ask: 'GET /consumers?custom_id=', status: 400, body: { message: 'custom_id must be an unempty string' } },
  ])
  const { body: generated } = await admin.ask('POST /consumers/alice/key-auth', { ttl: 100 })
  assert.match(generated.key, /^[0-9A-Za-z]{32}$/)
  assert.ok(generated.ttl > 95 && generated.ttl <= 100, String(generated.ttl))
  assert.equal((await admin.ask('DELETE /consumers/alice')).status, 204)
  assert.deepEqual((await admin.ask('GET /key-auths')).body.data, [])
})
