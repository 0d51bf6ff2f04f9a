import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { generateKey, selfSigned } from '../base/certificates.ts'
import { systemClock } from '../base/clock.ts'
import { seededRandom } from '../base/random.ts'
import { createCatalog } from '../entities/catalog.ts'
import { defineEntity, type EntityDefinition } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import * as typedefs from '../schema/typedefs.ts'
import { openEmbeddedStore } from './embedded/open-embedded-store.ts'
import { errorBody, StoreError } from './errors.ts'
import { createMemoryStore } from './memory/memory-store.ts'
import { createRepository, type Repository } from './repository.ts'
import type { EntityStore } from './store.ts'

const tokens = defineEntity({
  name: 'tokens',
  endpoint_key: 'token',
  ttl: true,
  fields: {
    id: field.id(),
    created_at: typedefs.autoTimestampS(),
    consumer: field.foreign('consumers', { required: true, on_delete: 'cascade' }),
    token: field.string({ unique: true, auto: true }),
  },
}) as EntityDefinition

const catalog = createCatalog({
  extraEntities: [tokens],
  plugins: [
    {
      name: 'mirror',
      config: { angle: field.integer({ default: 90 }), ca_certificates: field.array(field.string({ uuid: true })) },
      protocols: ['http', 'https'],
      scopes: ['service', 'route', 'consumer'],
      priority: 1,
    },
  ],
})
let now = 1_700_000_000_500
const clock = { ...systemClock, now: () => now }
const random = seededRandom(1)
const folder = mkdtempSync(join(tmpdir(), 'repository-'))
let store: EntityStore
let repository: Repository
before(async () => {
  store = await openEmbeddedStore({ path: join(folder, 'store.db'), catalog, clock })
  repository = createRepository({ store, catalog, clock, random })
})
after(async () => {
  await store.close()
  rmSync(folder, { recursive: true })
})

const idOf = (row: Readonly<Record<string, unknown>>) => row['id'] as string
const missingId = '00000000-0000-4000-8000-000000000000'

/** The body that the Admin API would answer with. */
async function refusal(attempt: Promise<unknown>): Promise<Record<string, unknown>> {
  try {
    await attempt
  } catch (error) {
    if (error instanceof StoreError) return errorBody(error)
    throw error
  }
  assert.fail('was not refused')
}

describe('insert()', () => {
  test('insert() fills defaults and answers with every field', async () => {
    const service = await repository.insert('services', { name: 'filled', url: 'https://example.test/x' })
    assert.equal(service['port'], 443)
    assert.equal(service['path'], '/x')
    assert.equal(service['retries'], 5)
    assert.equal(service['tags'], null)
    assert.equal(service['created_at'], 1_700_000_000)
    assert.deepEqual(await repository.find('services', 'filled'), service)
    assert.deepEqual(await repository.find('services', idOf(service).toUpperCase()), service)
  })

  test('insert() refuses what the schema forbids, with errors by field', async () => {
    assert.deepEqual(await refusal(repository.insert('services', { name: 'x y', foo: 1 })), {
      code: 2,
      name: 'schema violation',
      message:
        "3 schema violations (foo: unknown field; host: required field missing; name: invalid value 'x y': " +
        'the only accepted ascii characters are alphanumerics or ., -, _, and ~)',
      fields: {
        foo: 'unknown field',
        host: 'required field missing',
        name: "invalid value 'x y': the only accepted ascii characters are alphanumerics or ., -, _, and ~",
      },
    })
  })

  test('insert() refuses a name twice with 5 and an id twice with 3', async () => {
    const { id } = await repository.insert('services', { name: 'twice', host: 'a.test' })
    assert.deepEqual(await refusal(repository.insert('services', { name: 'twice', host: 'a.test' })), {
      code: 5,
      name: 'unique constraint violation',
      message: `UNIQUE violation detected on '{name="twice"}'`,
      fields: { name: 'twice' },
    })
    assert.deepEqual(await refusal(repository.insert('services', { id, host: 'a.test' })), {
      code: 3,
      name: 'primary key violation',
      message: `primary key violation on key '{id="${id}"}'`,
      fields: { id },
    })
  })

  test('insert() resolves a parent by name and refuses one that is not there', async () => {
    const service = await repository.insert('services', { name: 'parent', host: 'a.test' })
    const route = await repository.insert('routes', { paths: ['/x'], service: { name: 'parent' } })
    assert.deepEqual(route['service'], { id: service['id'] })
    const text = `the foreign key cannot be resolved with '{name="none"}' for an existing 'services' entity`
    assert.deepEqual(await refusal(repository.insert('routes', { paths: ['/x'], service: { name: 'none' } })), {
      code: 13,
      name: 'foreign keys unresolved',
      message: `foreign key unresolved (service.name: ${text})`,
      fields: { service: { name: text } },
    })
    assert.deepEqual(await refusal(repository.insert('routes', { paths: ['/x'], service: { id: missingId } })), {
      code: 4,
      name: 'foreign key violation',
      message: `the foreign key '{id="${missingId}"}' does not reference an existing 'services' entity.`,
      fields: { service: { id: missingId } },
    })
  })
})

describe('update()', () => {
  test('update() keeps what is not given and resets what is null', async () => {
    const before = await repository.insert('services', { name: 'patched', host: 'a.test', path: '/p', retries: 1 })
    now += 5000
    const changed = await repository.update('services', 'patched', { retries: 2, path: null })
    assert.deepEqual(changed, { ...before, retries: 2, path: null, updated_at: (before['updated_at'] as number) + 5 })
    assert.deepEqual(await repository.find('services', idOf(before)), changed)
  })

  test('update() never moves a row to another id', async () => {
    const before = await repository.insert('services', { name: 'rooted', host: 'a.test' })
    const changed = await repository.update('services', idOf(before), { id: missingId, retries: 1 })
    assert.equal(changed['id'], before['id'])
  })

  test('update() says by which key nothing was found', async () => {
    assert.deepEqual(await refusal(repository.update('services', 'nope', {})), {
      code: 6,
      name: 'not found',
      message: `could not find the entity with '{name="nope"}'`,
      fields: { name: 'nope' },
    })
    const byId = await refusal(repository.update('services', missingId, {}))
    assert.equal(byId['message'], `could not find the entity with primary key '{id="${missingId}"}'`)
  })
})

describe('upsert()', () => {
  test('upsert() creates under the id or name of the path, whatever the body says', async () => {
    const byId = await repository.upsert('services', missingId, { host: 'a.test', id: random.uuid() })
    assert.equal(byId['id'], missingId)
    const byName = await repository.upsert('services', 'put', { host: 'a.test', name: 'other' })
    assert.equal(byName['name'], 'put')
  })

  test('upsert() replaces the whole row and keeps its id', async () => {
    const before = await repository.insert('services', { name: 'replaced', host: 'a.test', retries: 1, tags: ['x'] })
    const after = await repository.upsert('services', 'replaced', { host: 'b.test' })
    assert.equal(after['id'], before['id'])
    assert.deepEqual([after['host'], after['retries'], after['tags']], ['b.test', 5, null])
  })
})

describe('find() and delete()', () => {
  test('find() refuses what cannot be a name, or an id where there are no names', async () => {
    assert.deepEqual(await refusal(repository.find('services', 'bad name')), {
      code: 10,
      name: 'invalid unique name',
      message: "invalid value 'bad name': the only accepted ascii characters are alphanumerics or ., -, _, and ~",
    })
    assert.deepEqual(await refusal(repository.find('ca_certificates', 'x')), {
      code: 1,
      name: 'invalid primary key',
      message: `invalid primary key: '{id="expected a valid UUID"}'`,
      fields: { id: 'expected a valid UUID' },
    })
  })

  test('delete() says whether there was a row, and refuses while children restrict it', async () => {
    const service = await repository.insert('services', { name: 'kept', host: 'a.test' })
    const route = await repository.insert('routes', { paths: ['/'], service: { id: service['id'] } })
    assert.deepEqual(await refusal(repository.delete('services', 'kept')), {
      code: 4,
      name: 'foreign key violation',
      message: "an existing 'routes' entity references this 'services' entity",
      fields: { '@referenced_by': 'routes' },
    })
    assert.equal(await repository.delete('routes', idOf(route)), true)
    assert.equal(await repository.delete('services', 'kept'), true)
    assert.equal(await repository.delete('services', 'kept'), false)
  })
})

describe('page()', () => {
  test('page() goes through all rows by offsets, and a last page has none', async () => {
    for (let at = 0; at < 5; at += 1) await repository.insert('consumers', { username: `paged-${at}`, tags: ['paged'] })
    const seen: unknown[] = []
    let offset: string | null = null
    do {
      const page: Awaited<ReturnType<Repository['page']>> = await repository.page('consumers', {
        size: '2',
        tags: 'paged',
        ...(offset === null ? {} : { offset }),
      })
      seen.push(...page.data.map(({ username }) => username))
      offset = page.offset
    } while (offset !== null)
    assert.deepEqual(
      seen.sort(),
      [0, 1, 2, 3, 4].map(at => `paged-${at}`),
    )
  })

  const refusals: readonly [options: object, code: number, message: string][] = [
    [{ size: '0' }, 9, 'size must be an integer between 1 and 1000'],
    [{ size: '1001' }, 9, 'size must be an integer between 1 and 1000'],
    [{ size: '1.5' }, 9, 'size must be an integer between 1 and 1000'],
    [{ size: 'abc' }, 9, 'size must be a number'],
    [{ size: '' }, 9, 'size must be a number'],
    [{ size: ['2', '3'] }, 9, 'size must be a number'],
    [{ offset: 'x!' }, 7, "'x!' is not a valid offset: bad base64 encoding"],
    [{ offset: 'abc' }, 7, "'abc' is not a valid offset: bad json encoding"],
    [{ offset: '' }, 7, "'' is not a valid offset: bad json encoding"],
    [{ offset: 'WzFd' }, 7, "'WzFd' is not a valid offset: bad json encoding"],
    [{ tags: 'a,b/c' }, 11, 'invalid option (tags: invalid filter syntax)'],
    [{ tags: '' }, 11, 'invalid option (tags: cannot be null)'],
    [{ tags: 'a,b,c,d,e,f' }, 11, 'invalid option (tags: cannot query more than 5 tags)'],
  ]
  for (const [options, code, message] of refusals) {
    test(`page() refuses ${JSON.stringify(options)}`, async () => {
      const body = await refusal(repository.page('services', options))
      assert.deepEqual([body['code'], body['message']], [code, message])
      assert.equal('options' in body, code === 11)
    })
  }

  test('page() refuses tags where an entity has none', async () => {
    const { message } = await refusal(repository.page('tokens', { tags: 'a' }))
    assert.equal(message, "invalid option (tags: cannot be used with 'tokens')")
  })

  test('pageTags() lists tags with their entities, which nobody can write', async () => {
    const { id } = await repository.insert('consumers', { username: 'tagged', tags: ['only-here'] })
    const page = await repository.pageTags({ tag: 'only-here' })
    assert.deepEqual(page, { data: [{ tag: 'only-here', entity_name: 'consumers', entity_id: id }], offset: null })
    const first = await repository.pageTags({ size: 1 })
    const second = await repository.pageTags({ size: 1, offset: first.offset })
    assert.notDeepEqual(first.data, second.data)
    const { message } = await refusal(repository.insert('tags', { tag: 'x' }))
    assert.equal(message, 'schema violation (tags: does not support insert/upsert/update/delete operations)')
  })
})

describe('ttl', () => {
  test('ttl counts down from created_at, can be changed, and ends the row', async () => {
    const consumer = await repository.insert('consumers', { username: 'short-lived' })
    const reference = { id: consumer['id'] }
    const made = await repository.insert('tokens', { consumer: reference, token: 't1', ttl: 10 })
    assert.equal(made['ttl'], 9)
    now += 4000
    assert.equal((await repository.find('tokens', 't1'))?.['ttl'], 5)
    await repository.update('tokens', 't1', { token: 't2' })
    assert.equal((await repository.find('tokens', 't2'))?.['ttl'], 5)
    assert.equal((await repository.update('tokens', 't2', { ttl: 0 }))['ttl'], null)
    assert.equal((await repository.upsert('tokens', 't2', { consumer: reference, ttl: 2 }))['ttl'], 1)
    now += 2000
    assert.equal(await repository.find('tokens', 't2'), null)
    assert.deepEqual((await repository.page('tokens')).data, [])
  })

  test('ttl must be a whole number of seconds in range', async () => {
    for (const ttl of [-1, 1.5, 100_000_001, '5']) {
      const body = await refusal(repository.insert('tokens', { ttl }))
      assert.equal(body['message'], 'invalid option (ttl: must be an integer between 0 and 100000000)')
    }
    const body = await refusal(repository.insert('services', { host: 'a.test', ttl: 5 }))
    assert.deepEqual(body['fields'], { ttl: 'unknown field' })
  })
})

describe('rules across rows', () => {
  test('plugins are unique by name and scope, unset parts included', async () => {
    const service = await repository.insert('services', { name: 'mirrored', host: 'a.test' })
    const input = { name: 'mirror', service: { name: 'mirrored' } }
    const plugin = await repository.insert('plugins', input)
    assert.equal((plugin['config'] as Record<string, unknown>)['angle'], 90)
    const { code, message, fields } = await refusal(repository.insert('plugins', input))
    assert.deepEqual(
      [code, fields],
      [5, { consumer: null, name: 'mirror', route: null, service: { id: service['id'] } }],
    )
    assert.equal(
      message,
      `UNIQUE violation detected on '{consumer=null,name="mirror",route=null,service={id="${service['id']}"}}'`,
    )
    await repository.insert('plugins', { name: 'mirror' })
    assert.equal((await refusal(repository.insert('plugins', { name: 'mirror' })))['code'], 5)
  })

  test('plugins must share a protocol with their route or with a route of their service', async () => {
    const service = await repository.insert('services', { name: 'streams', protocol: 'tcp', host: 'a.test' })
    const route = await repository.insert('routes', {
      protocols: ['tcp'],
      destinations: [{ port: 1 }],
      service: { name: 'streams' },
    })
    const protocols = ['http']
    const onRoute = await refusal(
      repository.insert('plugins', { name: 'mirror', route: { id: route['id'] }, protocols }),
    )
    assert.deepEqual(onRoute['fields'], { protocols: "must match the associated route's protocols" })
    const onService = await refusal(
      repository.insert('plugins', { name: 'mirror', service: { id: service['id'] }, protocols }),
    )
    assert.deepEqual(onService['fields'], {
      protocols: "must match the protocols of at least one route pointing to this Plugin's service",
    })
    const byDefault = await repository.insert('plugins', { name: 'mirror', service: { id: service['id'] } })
    assert.ok(!(byDefault['protocols'] as string[]).includes('tcp'), 'nobody named protocols that cannot fit')
  })

  test('targets are one per address and upstream, however they are written', async () => {
    const { id } = await repository.insert('upstreams', { name: 'pool.test' })
    const target = await repository.insert('targets', { upstream: { id }, target: '1.2.3.4' })
    assert.equal(target['target'], '1.2.3.4:8000')
    const again = await refusal(repository.insert('targets', { upstream: { id }, target: '1.2.3.4:8000' }))
    assert.deepEqual(again['fields'], { upstream: { id }, target: '1.2.3.4:8000' })
    assert.deepEqual(await repository.find('targets', '1.2.3.4'), target)
  })
})

describe('certificates', async () => {
  const key = await generateKey('P-256')
  const pem = (name: string) =>
    selfSigned({
      subject: { CN: name },
      key,
      isAuthority: true,
      notBefore: new Date(systemClock.now() - 1000),
      notAfter: new Date(systemClock.now() + 86_400_000),
    })
  const pair = (name: string) => ({ cert: pem(name), key: key.privateKey })

  test('certificates make, list, replace and take along their snis', async () => {
    const made = await repository.insert('certificates', { ...pair('a.test'), snis: ['b.test', 'a.test'] })
    const id = idOf(made)
    assert.deepEqual(made['snis'], ['a.test', 'b.test'])
    assert.deepEqual((await repository.find('snis', 'a.test'))?.['certificate'], { id })
    assert.deepEqual(await repository.find('certificates', 'b.test'), made)
    const changed = await repository.update('certificates', id, { snis: ['c.test', 'a.test'] })
    assert.deepEqual(changed['snis'], ['a.test', 'c.test'])
    assert.equal(await repository.find('snis', 'b.test'), null)
    assert.deepEqual((await repository.update('certificates', id, { tags: ['x'] }))['snis'], ['a.test', 'c.test'])
    assert.deepEqual((await repository.update('certificates', 'a.test', { snis: null }))['snis'], [])
    await repository.update('certificates', id, { snis: ['d.test'] })
    assert.equal(await repository.delete('certificates', id), true)
    assert.equal(await repository.find('snis', 'd.test'), null)
  })

  test('certificates refuse names given twice or owned by another, and change nothing', async () => {
    const owner = await repository.insert('certificates', { ...pair('own.test'), snis: ['own.test'] })
    const twice = await refusal(repository.insert('certificates', { ...pair('x.test'), snis: ['x.test', 'x.test'] }))
    assert.equal(twice['message'], 'schema violation (snis: x.test is duplicated)')
    const { version } = await store.head()
    const taken = await refusal(repository.insert('certificates', { ...pair('y.test'), snis: ['y.test', 'own.test'] }))
    const text = `own.test already associated with existing certificate '${idOf(owner)}'`
    assert.deepEqual([taken['code'], taken['fields']], [2, { snis: text }])
    assert.equal((await store.head()).version, version)
  })

  test('ca_certificates stay while a service or the list of a plugin names them', async () => {
    const ca = idOf(await repository.insert('ca_certificates', { cert: pem('ca.test') }))
    const text = (entity: string, by: unknown) => `ca certificate ${ca} is still referenced by ${entity} (id = ${by})`
    const service = await repository.insert('services', { url: 'https://a.test', ca_certificates: [ca] })
    const byService = await refusal(repository.delete('ca_certificates', ca))
    assert.deepEqual([byService['code'], byService['message']], [19, text('services', service['id'])])
    await repository.delete('services', idOf(service))
    const consumer = await repository.insert('consumers', { username: 'trusting' })
    const plugin = await repository.insert('plugins', {
      name: 'mirror',
      consumer: { id: consumer['id'] },
      config: { ca_certificates: [ca] },
    })
    assert.equal((await refusal(repository.delete('ca_certificates', ca)))['message'], text('plugins', plugin['id']))
    await repository.delete('plugins', idOf(plugin))
    assert.equal(await repository.delete('ca_certificates', ca), true)
  })
})

describe('import()', () => {
  test('import() writes children given before their parents', async () => {
    const service = random.uuid()
    await repository.import([
      { entity: 'routes', input: { id: random.uuid(), name: 'imported', paths: ['/i'], service: { id: service } } },
      { entity: 'services', input: { id: service, name: 'imported', host: 'a.test' } },
    ])
    assert.deepEqual((await repository.find('routes', 'imported'))?.['service'], { id: service })
    await repository.import([{ entity: 'services', input: { id: service, name: 'renamed', host: 'a.test' } }])
    assert.equal(await repository.find('services', 'imported'), null)
  })

  test('import() of what a store exports makes the same rows in another, expiry included', async () => {
    const consumer = await repository.insert('consumers', { username: 'exported' })
    await repository.insert('tokens', { consumer: { id: consumer['id'] }, token: 'exported', ttl: 60 })
    await store.sweep() // Rows of other tests have expired since.
    const rows: { entity: string; input: Readonly<Record<string, unknown>> }[] = []
    for await (const batch of (await store.export()).batches) {
      rows.push(...batch.map(({ entity, row }) => ({ entity, input: row })))
    }
    const other = await openEmbeddedStore({ path: join(folder, 'other.db'), catalog, clock })
    await createRepository({ store: other, catalog, clock, random }).import(rows, { transform: false })
    for (const { entity, input } of rows) {
      const { updated_at: _now, ...imported } = (await other.find(entity, idOf(input)))!
      const { updated_at: _then, ...exported } = input
      assert.deepEqual(imported, exported)
    }
    assert.equal(rows.filter(({ entity }) => entity === 'tokens').length, 1)
    await other.close()
  })

  test('import() takes all or nothing, in one version', async () => {
    const head = await store.head()
    const rows = [
      { entity: 'services', input: { id: random.uuid(), name: 'half', host: 'a.test' } },
      { entity: 'services', input: { id: random.uuid(), name: 'half', host: 'a.test' } },
    ]
    assert.equal((await refusal(repository.import(rows)))['code'], 5)
    assert.deepEqual(await store.head(), head)
    await repository.import(rows.slice(0, 1))
    assert.equal((await store.head()).version, head.version + 1)
  })
})

describe('without a database', () => {
  test('writes are refused after validation, in the words of the operation', async () => {
    const memory = createMemoryStore({ catalog, clock })
    const readOnly = createRepository({ store: memory, catalog, clock, random })
    const row = await repository.insert('services', { name: 'declared', host: 'a.test' })
    await memory.replace([{ entity: 'services', row }])
    assert.deepEqual(await readOnly.find('services', 'declared'), row)
    const id = idOf(row)
    const cases: readonly [Promise<unknown>, number, string][] = [
      [
        readOnly.insert('services', { host: 'x.test' }),
        12,
        "cannot create 'services' entities when not using a database",
      ],
      [readOnly.insert('services', { host: 1 }), 2, 'schema violation (host: expected a string)'],
      [
        readOnly.update('services', 'declared', { path: '/x' }),
        12,
        "cannot update 'services' entities by 'name' when not using a database",
      ],
      [
        readOnly.update('services', id, { path: '/x' }),
        12,
        "cannot update 'services' entities when not using a database",
      ],
      [
        readOnly.upsert('services', 'x', { host: 'x.test' }),
        12,
        "cannot create or update 'services' entities by 'name' when not using a database",
      ],
      [
        readOnly.delete('services', 'declared'),
        12,
        "cannot remove 'services' entities by 'name' when not using a database",
      ],
    ]
    for (const [attempt, code, message] of cases) {
      const body = await refusal(attempt)
      assert.deepEqual([body['code'], body['message']], [code, message])
    }
    assert.equal(await readOnly.delete('services', 'nope'), false)
  })
})
