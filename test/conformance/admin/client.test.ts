import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { AdminApiError, type AdminClient, createAdminClient } from '../../../src/client/admin-client.ts'
import { type Admin, openAdmin } from './admin-fixture.ts'

let admin: Admin
let client: AdminClient
before(async () => {
  admin = await openAdmin()
  client = createAdminClient({ url: `http://127.0.0.1:${admin.port}/` })
})
after(() => admin.close())

test('entities are made, found, changed, replaced and deleted', async () => {
  const made = await client.services.create({ name: 'sample', url: 'http://sample.test:8080/x', retries: 2 })
  assert.deepEqual([made.host, made.port, made.path, made.retries], ['sample.test', 8080, '/x', 2])
  assert.deepEqual(await client.services.find('sample'), made)
  assert.equal(await client.services.find('nobody'), null)
  assert.equal((await client.services.update(made.id, { retries: 3 })).retries, 3)
  const replaced = await client.services.upsert('sample', { host: 'other.test' })
  assert.deepEqual([replaced.id, replaced.host, replaced.retries], [made.id, 'other.test', 5])
  await client.services.delete('sample')
  await client.services.delete('sample')
  assert.equal(await client.services.find(made.id), null)
})

test('lists go on from page to page', async () => {
  for (let i = 0; i < 5; i++) await client.consumers.create({ username: `user-${i}`, tags: i < 3 ? ['few'] : [] })
  const first = await client.consumers.list({ size: 2 })
  assert.equal(first.data.length, 2)
  assert.equal((await client.consumers.list({ size: 2, offset: first.offset! })).data.length, 2)
  const names = (await collect(client.consumers.all({ size: 2 }))).map(({ username }) => username)
  assert.equal(new Set(names).size, 5)
  const few = (await collect(client.consumers.all({ tags: 'few' }))).map(({ username }) => username)
  assert.deepEqual(few.sort(), ['user-0', 'user-1', 'user-2'])
})

test('children are reached through their parent', async () => {
  const upstream = await client.upstreams.create({ name: 'u.test' })
  const targets = client.targets.of('upstreams', 'u.test')
  const target = await targets.create({ target: '10.0.0.1:80', upstream: { id: upstream.id } })
  assert.deepEqual(
    (await collect(targets.all())).map(({ id }) => id),
    [target.id],
  )
  const keys = client.keyauth_credentials.of('consumers', 'user-0')
  assert.equal((await keys.create({ key: 'k', consumer: { username: 'user-0' } })).key, 'k')
})

test('a refusal carries what the Admin API says', async () => {
  await assert.rejects(client.services.create({ host: 'a.test', retries: -1 }), (error: AdminApiError) => {
    assert.ok(error instanceof AdminApiError)
    assert.deepEqual(
      [error.status, error.code, error.fields],
      [400, 2, { retries: 'value should be between 0 and 32767' }],
    )
    assert.match(error.message, /^POST \/services: 400 schema violation/)
    return true
  })
})

test('headers go with every request', async () => {
  const seen: (string | null)[] = []
  const own = createAdminClient({
    url: 'http://admin.test/base',
    headers: { authorization: 'Bearer x' },
    fetch: async (url, init) => {
      seen.push(String(url), new Headers(init?.headers).get('authorization'))
      return new Response(null, { status: 204 })
    },
  })
  await own.routes.delete('r')
  assert.deepEqual(seen, ['http://admin.test/base/routes/r', 'Bearer x'])
})

async function collect<Row>(rows: AsyncIterable<Row>): Promise<Row[]> {
  const all: Row[] = []
  for await (const row of rows) all.push(row)
  return all
}
