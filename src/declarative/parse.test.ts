/** Declarative configurations: shapes accepted, rows made, errors in Kong's tree and text. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../base/random.ts'
import { createCatalog } from '../entities/catalog.ts'
import { defineEntity, type EntityDefinition } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import * as typedefs from '../schema/typedefs.ts'
import { loadedEntities, parseDocument, parseText } from './parse.ts'

const tokens = defineEntity({
  name: 'tokens',
  endpoint_key: 'key',
  cache_key: ['key'],
  fields: {
    id: field.id(),
    consumer: field.foreign('consumers', { required: true, on_delete: 'cascade' }),
    key: field.string({ unique: true, auto: true }),
    secret: field.string(),
    tags: typedefs.tags(),
  },
  transform: row => ({ ...row, secret: row['secret'] === null ? null : `hash of ${row['secret']}` }),
})
const catalog = createCatalog({
  plugins: [
    {
      name: 'limiter',
      priority: 1,
      protocols: ['http', 'https', 'grpc', 'grpcs'],
      scopes: ['service', 'route', 'consumer'],
      config: { minute: field.number() },
    },
  ],
  extraEntities: [tokens as EntityDefinition],
  vaults: new Map([['env', {}]]),
})
const random = seededRandom(3)
const context = { catalog, nowMs: 1_795_410_460_432, uuid: random.uuid, randomBytes: random.bytes }

type Document = Record<string, unknown>
const format = { _format_version: '3.0' }
function errorsOf(document: Document) {
  const parsed = parseDocument(document, context)
  return parsed.ok ? null : parsed.errors
}
function rowsOf(document: Document, change: object = {}) {
  const parsed = parseDocument(document, { ...context, partial: true, ...change })
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.message)
  return parsed.rows
}
const unique = (entity: string, name: string, value: string) =>
  `uniqueness violation: '${entity}' entity with ${name} set to '${value}' already declared`

// Answers of a Kong 3.9, where a 2.8.5 was recorded with the changes since taken in.
const refused: readonly [document: Document, errors: unknown][] = [
  [{}, { _format_version: 'required field missing' }],
  [{ services: [] }, { _format_version: 'required field missing' }],
  [{ _format_version: '9.9' }, { _format_version: 'expected one of: 1.1, 2.1, 3.0' }],
  [{ _format_version: 2.1 }, { _format_version: 'expected a string' }],
  [{ ...format, foos: [] }, { foos: 'unknown field' }],
  [{ ...format, tags: [] }, { tags: 'unknown field' }],
  [
    { ...format, _transform: 'x', _comment: 1, _ignore: 1, _x: 1 },
    {
      _transform: 'expected a boolean',
      _comment: 'expected a string',
      _ignore: 'expected an array',
      _x: 'unknown field',
    },
  ],
  [{ ...format, services: [{ name: 'a', host: 'x.y', foo: 1 }] }, { services: [{ foo: 'unknown field' }] }],
  [{ ...format, services: { a: { host: 'x' } } }, { services: 'expected an array' }],
  [{ ...format, services: 'x' }, { services: 'expected an array' }],
  [{ ...format, services: ['x', null] }, { services: ['expected a record', 'required field missing'] }],
  [
    { ...format, services: [{ host: 'x', _comment: 5, routes: 5 }] },
    { services: [{ _comment: 'expected a string', routes: 'expected an array' }] },
  ],
  [
    { ...format, routes: [{ name: 'r', paths: ['/x'], service: 'nope' }] },
    { routes: { r: ["invalid reference 'service: nope' (no such entry in 'services')"] } },
  ],
  [
    { ...format, services: [{ name: 'a', host: 'x' }], routes: [{ paths: ['/x'], service: { name: 'a' } }] },
    { routes: [{ service: { id: 'missing primary key' } }] },
  ],
  [
    { ...format, services: [{ name: 'a', host: 'x.y', routes: [{ name: 'r' }, { paths: ['x'] }] }] },
    {
      services: [
        {
          routes: [
            {
              '@entity': ["must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'"],
            },
            { paths: ['should start with: / (fixed path) or ~/ (regex path)'] },
          ],
        },
      ],
    },
  ],
  [
    { ...format, services: [{ name: 'a b', host: 5 }, { host: 'ok.x' }, { foo: 1 }], consumers: [{ username: '' }] },
    {
      services: [
        {
          name: "invalid value 'a b': the only accepted ascii characters are alphanumerics or ., -, _, and ~",
          host: 'expected a string',
        },
        null,
        { foo: 'unknown field', host: 'required field missing' },
      ],
      consumers: [
        {
          username: 'length must be at least 1',
          '@entity': ["at least one of these fields must be non-empty: 'custom_id', 'username'"],
        },
      ],
    },
  ],
  [
    {
      ...format,
      services: [
        { name: 'a', host: 'x' },
        { name: 'a', host: 'y' },
      ],
    },
    { services: [null, unique('services', 'name', 'a')] },
  ],
  [
    { ...format, consumers: [{ username: 'a', tokens: [{ key: 'k' }, { key: 'k' }] }] },
    { tokens: [null, unique('tokens', 'key', 'k')] },
  ],
  [
    {
      ...format,
      consumers: [
        { username: 'a', custom_id: 'x' },
        { username: 'b', custom_id: 'x' },
      ],
    },
    { consumers: { b: unique('consumers', 'custom_id', 'x') } },
  ],
  [
    { ...format, plugins: [{ name: 'nope' }] },
    { plugins: [{ name: "plugin 'nope' not enabled; add it to the 'plugins' configuration property" }] },
  ],
]
for (const [document, errors] of refused) {
  test(`parseDocument() refuses ${JSON.stringify(document)}`, () => assert.deepEqual(errorsOf(document), errors))
}

test('parseDocument() says where a duplicate id is nested', () => {
  const targets = [{ target: 'a:1' }, { target: 'a:1' }]
  const errors = errorsOf({ ...format, upstreams: [{ name: 'u', targets }] }) as { upstreams: [{ targets: unknown[] }] }
  assert.match(
    String(errors.upstreams[0].targets[1]),
    /^uniqueness violation: 'targets' entity with primary key set to/,
  )
})
test('parseDocument() prints errors as a text for people', () => {
  const parsed = parseDocument({ ...format, services: [{ host: 'x' }, { routes: [{ paths: ['x'] }] }] }, context)
  assert.ok(!parsed.ok)
  assert.equal(
    parsed.message,
    `in 'services':
  - in entry 2 of 'services':
    in 'host': required field missing
    in 'routes':
      - in entry 1 of 'routes':
        in 'paths':
          - in entry 1 of 'paths': should start with: / (fixed path) or ~/ (regex path)`,
  )
})

describe('parseDocument() rows', () => {
  test('parseDocument() makes the ids that Kong makes', () => {
    const rows = rowsOf({
      ...format,
      services: [{ name: 'up', url: 'http://127.0.0.1:18080', routes: [{ name: 'r1', paths: ['/'] }] }],
      consumers: [{ username: 'alice', tokens: [{ key: 'k1' }] }],
      upstreams: [{ name: 'ups' }],
    })
    const ids = Object.fromEntries(rows.map(({ entity, key }) => [entity, key]))
    assert.equal(ids['services'], 'dea4c45f-3d88-5461-8ebd-05ae5bbbf87a')
    assert.equal(ids['routes'], '4726a05a-d550-537e-9fc3-a07c7a1188c7')
    assert.equal(ids['consumers'], 'b32379d9-3d28-5683-a79c-72139be6e34f')
    assert.equal(ids['upstreams'], 'dd136c2b-ec1b-59f4-a807-1329dd0cf209')
  })
  test('parseDocument() gives the same ids twice, whatever is random', () => {
    const document = {
      ...format,
      services: [{ name: 's', host: 'x', plugins: [{ name: 'limiter' }] }],
      upstreams: [{ name: 'u', targets: [{ target: 'a:1' }, { target: 'b:1' }] }],
      plugins: [{ name: 'limiter' }],
      keys: [{ kid: 'k', jwk: '{"kid":"k","kty":"oct","k":"AAAA"}' }],
    }
    const keys = () => rowsOf(document).map(row => `${row.entity} ${row.key}`)
    assert.deepEqual(keys(), keys())
    assert.equal(new Set(keys()).size, 7)
  })
  test('parseDocument() puts parents before children and links them', () => {
    const rows = rowsOf({
      ...format,
      routes: [{ name: 'top', paths: ['/t'], service: 's' }],
      services: [
        {
          name: 's',
          host: 'x',
          routes: [{ name: 'nested', paths: ['/n'], plugins: [{ name: 'limiter', consumer: 'c' }] }],
        },
      ],
      consumers: [{ username: 'c' }],
    })
    assert.deepEqual(
      rows.map(({ entity }) => entity),
      ['consumers', 'services', 'routes', 'routes', 'plugins'],
    )
    const byName = new Map(rows.map(({ row }) => [row['name'] ?? row['username'], row]))
    const service = { id: byName.get('s')!['id'] }
    assert.deepEqual([byName.get('top')!['service'], byName.get('nested')!['service']], [service, service])
    const plugin = byName.get('limiter')!
    assert.deepEqual(plugin['route'], { id: byName.get('nested')!['id'] })
    assert.deepEqual([plugin['consumer'], plugin['service']], [{ id: byName.get('c')!['id'] }, null])
  })
  test('parseDocument() accepts foreign keys by id', () => {
    const id = '7b1cf6c4-3ae7-4f9d-9f6e-0d3f5a3c2b10'
    const services = [{ id, host: 'x' }]
    const rows = rowsOf({
      ...format,
      services,
      routes: [
        { paths: ['/a'], service: id },
        { paths: ['/b'], service: { id } },
      ],
    })
    assert.deepEqual(
      rows.slice(1).map(({ row }) => row['service']),
      [{ id }, { id }],
    )
  })
  test('parseDocument() transforms rows unless the file says that they are', () => {
    const document = { ...format, consumers: [{ username: 'a', tokens: [{ key: 'k', secret: 's' }] }] }
    const secret = (change: Document) => rowsOf({ ...document, ...change }).at(-1)!.row['secret']
    assert.deepEqual([secret({}), secret({ _transform: false })], ['hash of s', 's'])
  })
  test('parseDocument() keeps server names apart from their certificate', () => {
    const reference = { cert: '{vault://env/cert}', key: '{vault://env/key}' }
    const rows = rowsOf({ ...format, certificates: [{ ...reference, snis: [{ name: 'a.test' }] }] })
    assert.deepEqual(
      rows.map(({ entity }) => entity),
      ['certificates', 'snis'],
    )
    assert.ok(!('snis' in rows[0]!.row))
    assert.deepEqual(rows[1]!.row['certificate'], { id: rows[0]!.key })
  })
  test('parseDocument() migrates regex paths when the format is old', () => {
    const routes = () => [{ name: 'r', paths: ['/a/(b|c)', '/plain/../x', '/%2e(x)'] }]
    const paths = (version: string) =>
      rowsOf({ _format_version: version, services: [{ name: 's', host: 'x', routes: routes() }] })[1]!.row['paths']
    assert.deepEqual(paths('2.1'), ['~/a/(b|c)', '/x', '~/\\.(x)'])
  })
  test('parseDocument() adds the default workspace unless it is there or the file is a part', () => {
    const names = (document: Document) => {
      const parsed = parseDocument(document, context)
      assert.ok(parsed.ok)
      return parsed.rows.map(({ row }) => row['id'])
    }
    assert.deepEqual(names(format), ['0dc6f45b-8f8d-40d2-a504-473544ee190b'])
    const id = '7b1cf6c4-3ae7-4f9d-9f6e-0d3f5a3c2b10'
    assert.deepEqual(names({ ...format, workspaces: [{ id, name: 'default' }] }), [id])
    assert.deepEqual(rowsOf(format), [])
  })
  test('parseDocument() ignores unknown nulls when the rows come from another node', () => {
    const services = [{ id: '7b1cf6c4-3ae7-4f9d-9f6e-0d3f5a3c2b10', host: 'x', newer_field: null }]
    assert.equal(rowsOf({ ...format, services }, { stored: true }).length, 1)
    assert.deepEqual(errorsOf({ ...format, services }), { services: [{ newer_field: 'unknown field' }] })
  })
  test('loadedEntities() lists entities by id without nulls', () => {
    const rows = rowsOf({ ...format, consumers: [{ username: 'a' }] })
    const row = { id: rows[0]!.key, username: 'a', created_at: 1_795_410_460, updated_at: 1_795_410_460 }
    assert.deepEqual(loadedEntities(rows), { consumers: { [rows[0]!.key]: row } })
  })
})

describe('parseText()', () => {
  const message = (text: string, filename?: string) => {
    const parsed = parseText(text, filename, context)
    return parsed.ok ? null : parsed.message
  }
  test('parseText() tries JSON, then YAML, when the text has no name', () => {
    assert.equal(message('{"_format_version":"3.0"}'), null)
    assert.equal(message('_format_version: "3.0"\nservices:\n- name: a\n  host: b\n'), null)
  })
  test('parseText() refuses other types of file and texts that hold no object', () => {
    assert.equal(message('', 'a.lua'), 'unknown file type: a.lua. (Accepted types: json, yaml)')
    assert.equal(message(''), 'failed parsing declarative configuration: expected an object')
    assert.match(message('a: b: c: [') ?? '', /^failed parsing declarative configuration: 1:4: /)
    assert.match(message('{', 'a.json') ?? '', /^failed parsing declarative configuration: /)
  })
  test('parseText() takes the MD5 of the text for its hash', () => {
    const hash = (text: string) => {
      const parsed = parseText(text, undefined, context)
      return parsed.ok ? parsed.hash : null
    }
    assert.equal(hash('{"_format_version":"3.0"}'), '99dfc9682094be67032e234e30455f54')
    assert.notEqual(hash('{"_format_version":"3.0"}'), hash('{"_format_version":"3.0"} '))
  })
})
