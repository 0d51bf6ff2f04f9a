/** Services: what POST, GET, PUT, PATCH and DELETE mean for an entity, by id and by name. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Admin, openAdmin } from './admin-fixture.ts'

let admin: Admin
before(async () => {
  admin = await openAdmin()
})
after(() => admin.close())

const someId = '11111111-1111-4111-8111-111111111111'
const otherId = '22222222-2222-4222-8222-222222222222'

test('a new service has every field, and defaults where none was given', async () => {
  const { status, body } = await admin.ask('POST /services', { name: 'plain', host: 'a.example' })
  assert.equal(status, 201)
  const { id, created_at, updated_at, ...rest } = body
  assert.match(id, /^[0-9a-f-]{36}$/)
  assert.ok(Number.isInteger(created_at) && created_at === updated_at)
  assert.deepEqual(rest, {
    name: 'plain',
    retries: 5,
    protocol: 'http',
    host: 'a.example',
    port: 80,
    path: null,
    connect_timeout: 60000,
    write_timeout: 60000,
    read_timeout: 60000,
    tags: null,
    client_certificate: null,
    tls_verify: null,
    tls_verify_depth: null,
    ca_certificates: null,
    enabled: true,
  })
})

test('url expands into protocol, host, port and path, and wins over them', async () => {
  const of = (url: string, has: object) => ({ ask: 'POST /services', with: { url }, status: 201, has })
  await admin.check([
    of('https://e.example:8443/base/path', { protocol: 'https', host: 'e.example', port: 8443, path: '/base/path' }),
    of('http://e.example', { protocol: 'http', port: 80, path: null }),
    of('https://e.example', { protocol: 'https', port: 443, path: null }),
    of('grpc://e.example', { protocol: 'grpc', port: 80 }),
    { ask: 'POST /services', with: { host: 'x.y', url: 'http://z.y' }, status: 201, has: { host: 'z.y' } },
  ])
})

test('forms carry the same as JSON, typed by the schema', async () => {
  const form = 'name=form&host=127.0.0.1&port=18081&retries=3&tags[]=t1&tags[]=t2&enabled=false'
  const parts = ['--B', 'Content-Disposition: form-data; name="name"', '', 'multi']
  parts.push('--B', 'Content-Disposition: form-data; name="host"', '', 'm.example', '--B--')
  await admin.check([
    {
      ask: 'POST /services',
      with: form,
      status: 201,
      has: { name: 'form', port: 18081, retries: 3, tags: ['t1', 't2'], enabled: false },
    },
    { ask: 'POST /services', with: 'host=x.y&retries=', status: 201, has: { retries: null } },
    { ask: 'POST /services', with: 'host=x.y&tags=one', status: 201, has: { tags: ['one'] } },
    { ask: 'POST /services', with: 'host=x.y&port=abc', status: 400, has: { fields: { port: 'expected an integer' } } },
    { ask: 'POST /services', with: 'host=x.y&foo=1', status: 400, has: { fields: { foo: 'unknown field' } } },
    {
      ask: 'POST /services',
      with: parts.join('\r\n'),
      headers: { 'Content-Type': 'multipart/form-data; boundary=B' },
      status: 201,
      has: { name: 'multi', host: 'm.example' },
    },
  ])
})

test('GET finds by id and by name', async () => {
  const { body: created } = await admin.ask('POST /services', { name: 'found', host: 'a.example' })
  await admin.check([
    { ask: 'GET /services/found', status: 200, body: created },
    { ask: `GET /services/${created.id}`, status: 200, body: created },
    { ask: `GET /services/${created.id}/`, status: 200, body: created },
    { ask: 'GET /services/nope', status: 404, body: { message: 'Not found' } },
    { ask: 'GET /services/00000000-0000-0000-0000-000000000000', status: 404, body: { message: 'Not found' } },
    {
      ask: 'GET /services/not%20valid',
      status: 400,
      body: {
        code: 10,
        name: 'invalid unique name',
        message: "invalid value 'not valid': the only accepted ascii characters are alphanumerics or ., -, _, and ~",
      },
    },
    { ask: 'GET /services/a%2Fb', status: 400, has: { code: 10 } },
  ])
})

test('PATCH changes what it names and nothing else', async () => {
  await admin.ask('POST /services', { name: 'patched', url: 'http://a.example/old', retries: 2 })
  await admin.check([
    { ask: 'PATCH /services/patched', with: { retries: 7 }, status: 200, has: { retries: 7, path: '/old' } },
    { ask: 'PATCH /services/patched', with: { path: null }, status: 200, has: { path: null, retries: 7 } },
    { ask: 'PATCH /services/patched', with: {}, status: 200, has: { retries: 7 } },
    { ask: 'PATCH /services/patched', with: 'retries=8', status: 200, has: { retries: 8 } },
    {
      ask: 'PATCH /services/patched',
      with: { url: 'http://other.example:99/zz' },
      status: 200,
      has: { host: 'other.example', port: 99, path: '/zz', retries: 8 },
    },
    {
      ask: 'PATCH /services/nope',
      with: { path: '/x' },
      status: 404,
      body: {
        code: 6,
        name: 'not found',
        message: `could not find the entity with '{name="nope"}'`,
        fields: { name: 'nope' },
      },
    },
    {
      ask: 'PATCH /services/00000000-0000-0000-0000-000000000000',
      with: { path: '/x' },
      status: 404,
      has: {
        code: 6,
        message: `could not find the entity with primary key '{id="00000000-0000-0000-0000-000000000000"}'`,
      },
    },
  ])
})

test('PUT replaces the whole service, or creates it', async () => {
  const { body: first } = await admin.ask('POST /services', { name: 'put', host: 'a.example', retries: 1, path: '/p' })
  await admin.check([
    {
      ask: 'PUT /services/put',
      with: { host: 'b.example' },
      status: 200,
      has: { id: first.id, name: 'put', host: 'b.example', retries: 5, path: null },
    },
    { ask: 'PUT /services/put-new', with: { host: 'c.example' }, status: 200, has: { name: 'put-new' } },
    { ask: `PUT /services/${someId}`, with: { name: 'by-id', host: 'c.example' }, status: 200, has: { id: someId } },
    // The path decides: neither id nor name of the body can move the entity.
    {
      ask: `PUT /services/${someId}`,
      with: { id: otherId, host: 'x.y' },
      status: 200,
      has: { id: someId, name: null },
    },
    {
      ask: 'PUT /services/put',
      with: { name: 'put-new', host: 'x.y' },
      status: 200,
      has: { id: first.id, name: 'put' },
    },
    {
      ask: 'PUT /services/put',
      with: {},
      status: 400,
      body: {
        code: 2,
        name: 'schema violation',
        message: 'schema violation (host: required field missing)',
        fields: { host: 'required field missing' },
      },
    },
    { ask: 'PUT /services/bad%20name', with: { host: 'x.y' }, status: 400, has: { code: 10 } },
  ])
})

test('DELETE is 204 whether or not there was something', async () => {
  const { body } = await admin.ask('POST /services', { name: 'gone', host: 'a.example' })
  for (const line of ['DELETE /services/gone', 'DELETE /services/gone', `DELETE /services/${body.id}`]) {
    const { status, text, headers } = await admin.ask(line)
    assert.deepEqual([status, text, headers['content-type']], [204, '', undefined], line)
  }
  assert.equal((await admin.ask('GET /services/gone')).status, 404)
})

test('what must be unique is refused with the value that is taken', async () => {
  const { body } = await admin.ask('POST /services', { name: 'taken', host: 'a.example' })
  await admin.ask('POST /services', { name: 'free', host: 'a.example' })
  const conflict = {
    status: 409,
    body: {
      code: 5,
      name: 'unique constraint violation',
      message: `UNIQUE violation detected on '{name="taken"}'`,
      fields: { name: 'taken' },
    },
  }
  await admin.check([
    { ask: 'POST /services', with: { name: 'taken', host: 'x.y' }, ...conflict },
    { ask: 'PATCH /services/free', with: { name: 'taken' }, ...conflict },
    {
      ask: 'POST /services',
      with: { id: body.id, host: 'x.y' },
      status: 400,
      body: {
        code: 3,
        name: 'primary key violation',
        message: `primary key violation on key '{id="${body.id}"}'`,
        fields: { id: body.id },
      },
    },
  ])
})

test('many writers at once make one service', async () => {
  const times = Array.from({ length: 30 }, (_, i) => i)
  const puts = await Promise.all(times.map(i => admin.ask('PUT /services/raced', { host: `h${i}.example` })))
  assert.deepEqual([...new Set(puts.map(({ status }) => status))], [200])
  assert.equal(new Set(puts.map(({ body }) => body.id)).size, 1)
  const posts = await Promise.all(times.map(() => admin.ask('POST /services', { name: 'once', host: 'a.example' })))
  const created = posts.filter(({ status }) => status === 201)
  assert.equal(created.length, 1)
  assert.equal(posts.filter(({ status }) => status === 409).length, times.length - 1)
})
