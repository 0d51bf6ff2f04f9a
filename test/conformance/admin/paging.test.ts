/** Pages: size, offset, tags, and the link to the next one. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Admin, openAdmin } from './admin-fixture.ts'

let admin: Admin
before(async () => {
  admin = await openAdmin()
  for (let i = 0; i < 5; i++) {
    await admin.ask('POST /services', { name: `p${i}`, host: 'p.example', tags: [i % 2 === 0 ? 'even' : 'odd', 'all'] })
  }
  for (let i = 0; i < 3; i++) await admin.ask('POST /services/p0/routes', { name: `r${i}`, paths: [`/${i}`] })
})
after(() => admin.close())

/** Names in order, by following `next` to the end; also checks that each page has no more than `size`. */
async function walk(path: string, size: number): Promise<string[]> {
  const names: string[] = []
  for (let next: string | null = path; next !== null; ) {
    const { status, body }: { status: number; body: any } = await admin.ask(`GET ${next}`)
    assert.equal(status, 200, next)
    assert.ok(body.data.length <= size)
    assert.equal(body.next === null, body.offset === undefined)
    names.push(...body.data.map((row: { name: string }) => row.name))
    next = body.next
  }
  return names
}

test('following next visits each row once, in the order of ids', async () => {
  const all = (await admin.ask('GET /services')).body
  assert.equal(all.next, null)
  const ids = all.data.map((row: { id: string }) => row.id)
  assert.deepEqual(ids, ids.toSorted())
  const names = all.data.map((row: { name: string }) => row.name)
  for (const size of [1, 2, 3, 5, 1000]) assert.deepEqual(await walk(`/services?size=${size}`, size), names)
})

test('the next link repeats size and tags, and on nested collections only the offset', async () => {
  const { body } = await admin.ask('GET /services?size=2&tags=all')
  assert.equal(body.next, `/services?offset=${body.offset}&tags=all&size=2`)
  const nested = (await admin.ask('GET /services/p0/routes?size=2')).body
  assert.equal(nested.next, `/services/p0/routes?offset=${nested.offset}`)
  assert.deepEqual((await walk('/services/p0/routes?size=2', 2)).sort(), ['r0', 'r1', 'r2'])
})

test('a wrong size or offset says what is wrong', async () => {
  const size = (message: string) => ({ status: 400, body: { code: 9, name: 'invalid size', message } })
  const range = size('size must be an integer between 1 and 1000')
  const number = size('size must be a number')
  const offset = (value: string, why: string) => ({
    ask: `GET /services?offset=${value}`,
    status: 400,
    body: { code: 7, name: 'invalid offset', message: `'${value}' is not a valid offset: ${why}` },
  })
  await admin.check([
    ...['0', '-1', '1001', '1.5'].map(value => ({ ask: `GET /services?size=${value}`, ...range })),
    ...['abc', '', '2&size=3'].map(value => ({ ask: `GET /services?size=${value}`, ...number })),
    { ask: 'GET /services?size=1000&foo=bar', status: 200 },
    offset('abc', 'bad json encoding'),
    offset('', 'bad json encoding'),
    offset('eyJ', 'bad json encoding'),
    offset('!!', 'bad base64 encoding'),
    offset('a', 'bad base64 encoding'),
    offset('abcde', 'bad base64 encoding'),
    { ask: 'GET /services?offset=WzFd', status: 400, has: { code: 7 } },
    { ask: 'GET /services?offset=bnVsbA', status: 400, has: { code: 7 } },
  ])
})

test('tags filter by all or by any', async () => {
  const names = async (tags: string) => (await walk(`/services?tags=${tags}`, 100)).sort()
  assert.deepEqual(await names('even,all'), ['p0', 'p2', 'p4'])
  assert.deepEqual(await names('even/odd'), ['p0', 'p1', 'p2', 'p3', 'p4'])
  assert.deepEqual(await names('even,odd'), [])
  assert.deepEqual(await names('nope'), [])
  const refused = (tags: string, why: string) => ({
    ask: `GET /services?tags=${tags}`,
    status: 400,
    body: { code: 11, name: 'invalid options', message: `invalid option (tags: ${why})`, options: { tags: why } },
  })
  await admin.check([
    refused('%ff', 'invalid filter syntax'),
    refused('', 'cannot be null'),
    refused('a,b/c', 'invalid filter syntax'),
    refused('a,b,c,d,e,f', 'cannot query more than 5 tags'),
  ])
})

test('/tags lists each tag of each entity, page by page', async () => {
  const seen: string[] = []
  for (let next: string | null = '/tags?size=3'; next !== null; ) {
    const { body }: { body: any } = await admin.ask(`GET ${next}`)
    assert.ok(body.data.length <= 3)
    for (const { tag, entity_name } of body.data) seen.push(`${entity_name}:${tag}`)
    next = body.next
  }
  assert.deepEqual(seen.sort(), [
    ...Array<string>(5).fill('services:all'),
    ...Array<string>(3).fill('services:even'),
    ...Array<string>(2).fill('services:odd'),
  ])
  const { body } = await admin.ask('GET /tags/odd')
  assert.equal(body.data.length, 2)
  assert.deepEqual(Object.keys(body.data[0]).sort(), ['entity_id', 'entity_name', 'tag'])
})

test('a tag or name that is no UTF-8 is refused or not found, and one that is need not be escaped', async () => {
  const row = (await admin.ask('POST /routes', { name: 'größe', paths: ['/g'], tags: ['größe'] })).body
  const message = 'invalid utf-8 character sequence detected at position 2'
  const raw = (path: string) => Buffer.from(path).toString('latin1')
  await admin.check([
    { ask: `GET ${raw('/routes/größe')}`, status: 200, body: row },
    { ask: 'GET /routes/gr%C3%B6%c3%9fe', status: 200, body: row },
    { ask: `GET ${raw('/routes?tags=größe')}`, status: 200, has: { data: [row] } },
    { ask: 'GET /tags/a%ff', status: 400, body: { code: 10, name: 'invalid unique tag', message } },
    { ask: 'GET /tags/a\xff', status: 400, body: { code: 10, name: 'invalid unique tag', message } },
    { ask: 'DELETE /routes/gr%C3%B6%C3%9Fe', status: 204 },
  ])
})

test('tags do not filter a nested collection', async () => {
  const ids = (body: any) => body.data.map((row: { id: string }) => row.id)
  const all = (await admin.ask('GET /services/p0/routes')).body
  assert.ok(all.data.length >= 3)
  assert.deepEqual(ids((await admin.ask('GET /services/p0/routes?tags=none')).body), ids(all))
})
