import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandom } from '../base/random.ts'
import { createCatalog } from '../entities/catalog.ts'
import { defineEntity } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import { diffConfigurations } from './diff.ts'
import { lintConfiguration } from './lint.ts'
import { parseDocument } from './parse.ts'

const credentials = defineEntity({
  name: 'keyauth_credentials',
  endpoint_key: 'key',
  fields: {
    id: field.id(),
    consumer: field.foreign('consumers', { required: true, on_delete: 'cascade' }),
    key: field.string({ unique: true, auto: true }),
  },
})
const limits = {
  name: 'limits',
  config: {
    minute: field.number(),
    password: field.string({ encrypted: true, referenceable: true }),
    nested: field.record({ names: field.set(field.string()) }),
  },
  protocols: ['http'],
  scopes: ['service', 'route', 'consumer'],
  priority: 1,
}
const catalog = createCatalog({ plugins: [limits], extraEntities: [credentials as never] })

/** With ids at random where the file gives none: as on another node. */
function rows(document: object, ids: 'as in a file' | 'at random' = 'as in a file') {
  const parsed = parseDocument(
    { _format_version: '3.0', ...document },
    {
      catalog,
      nowMs: Date.UTC(2026, 0),
      uuid: systemRandom.uuid,
      randomBytes: systemRandom.bytes,
      partial: true,
    },
  )
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.message)
  if (ids === 'as in a file') return parsed.rows
  const known = new Map<string, string>()
  const other = (id: string) => {
    if (!known.has(id)) known.set(id, systemRandom.uuid())
    return known.get(id)!
  }
  return parsed.rows.map(({ entity, key, row }) => ({
    entity,
    key: other(key),
    row: Object.fromEntries(
      Object.entries(row).map(([name, value]) => {
        if (name === 'id') return [name, other(String(value))]
        const isKey = typeof value === 'object' && value !== null && 'id' in value
        return [name, isKey ? { id: other(String(value.id)) } : value]
      }),
    ),
  }))
}

const document = {
  services: [
    {
      name: 's',
      host: 'a.test',
      routes: [{ name: 'r', paths: ['/r'], plugins: [{ name: 'limits', config: { minute: 5 } }] }],
    },
  ],
  consumers: [{ username: 'c', keyauth_credentials: [{ key: 'secret-key' }] }],
  upstreams: [{ name: 'u.test', targets: [{ target: '10.0.0.1:80' }] }],
}
const lines = (from: readonly any[], to: readonly any[]) =>
  diffConfigurations(catalog, from, to).flatMap(({ kind, label, fields }) => [
    `${{ add: '+', change: '~', remove: '-' }[kind]} ${label}`,
    ...fields.map(({ path, from: a, to: b }) => `  ${path}: ${JSON.stringify(a)} -> ${JSON.stringify(b)}`),
  ])

test('the same configuration is the same, whatever its ids and times are', () => {
  assert.deepEqual(lines(rows(document, 'at random'), rows(document)), [])
})

test('from nothing everything is added, to nothing everything is removed', () => {
  const all = [
    'consumer c',
    'upstream u.test',
    'service s',
    'target 10.0.0.1:80 (upstream u.test)',
    'route r (service s)',
    'plugin limits (route r)',
  ]
  const shown = lines([], rows(document))
  assert.deepEqual(
    shown.slice(0, -1),
    all.map(one => `+ ${one}`),
  )
  assert.match(shown.at(-1)!, /^\+ keyauth credential #[0-9a-f]{6} \(consumer c\)$/)
  assert.equal(lines(rows(document), []).length, 7)
})

test('changes are told by field, secrets only as such', () => {
  const [service] = document.services
  const changed = {
    ...document,
    services: [{ ...service, retries: 1, routes: [{ name: 'r', paths: ['/r', '/q'] }] }],
    plugins: [{ name: 'limits', route: 'r', config: { minute: 6, password: 'p', nested: { names: ['a'] } } }],
  }
  assert.deepEqual(lines(rows(document, 'at random'), rows(changed)), [
    '~ service s',
    '  retries: 5 -> 1',
    '~ route r (service s)',
    '  paths: ["/r"] -> ["/r","/q"]',
    '~ plugin limits (route r)',
    '  config.minute: 5 -> 6',
    '  config.password: null -> "p"',
    '  config.nested.names: null -> ["a"]',
  ])
  const changes = diffConfigurations(catalog, rows(document), rows(changed))
  assert.deepEqual(
    changes.flatMap(({ fields }) => fields.filter(({ isSecret }) => isSecret).map(({ path }) => path)),
    ['config.password'],
  )
})

test('a renamed entity with an id is changed; without, it is another', () => {
  const id = 'c1a5b2f0-0000-4000-8000-000000000001'
  const named = (name: string, given: object) => rows({ services: [{ name, host: 'a.test', ...given }] })
  assert.deepEqual(lines(named('a', { id }), named('b', { id })), ['~ service b', '  name: "a" -> "b"'])
  assert.deepEqual(lines(named('a', {}), named('b', {})), ['+ service b', '- service a'])
})

test('a route that moves to another service is changed', () => {
  const services = [
    { name: 'a', host: 'a.test' },
    { name: 'b', host: 'b.test' },
  ]
  const at = (service: string) => rows({ services, routes: [{ name: 'r', paths: ['/'], service }] }, 'at random')
  assert.deepEqual(lines(at('a'), at('b')), ['~ route r (service b)', '  service: "a" -> "b"'])
})

test('lint finds what is allowed but not meant, and nothing else', () => {
  const lint = (given: object) => {
    const found = lintConfiguration({
      catalog,
      rows: rows(given),
      document: { _format_version: '3.0', ...given },
      nowMs: Date.UTC(2026, 0),
    })
    return found.map(({ rule, entity }) => `${rule}: ${entity}`)
  }
  const clean = { ...document, services: [{ ...document.services[0], host: 'u.test' }] }
  assert.deepEqual(lint(clean), [])
  assert.deepEqual(lint({ ...clean, _format_version: '2.1' }), ['old-format: _format_version'])
  assert.deepEqual(lint({ routes: [{ name: 'r', paths: ['/r'] }] }), ['route-without-service: route r'])
  assert.deepEqual(lint({ services: [{ name: 's', host: 'a.test' }] }), ['unused-service: service s'])
  assert.deepEqual(lint({ upstreams: [{ name: 'u.test' }] }), [
    'empty-upstream: upstream u.test',
    'unused-upstream: upstream u.test',
  ])
  const routes = (...paths: string[]) => ({
    services: [{ name: 's', host: 'a.test', routes: paths.map((path, i) => ({ name: `r${i}`, paths: [path] })) }],
  })
  assert.deepEqual(lint(routes('/a', '/a')), ['same-route: route r1 (service s)'])
  assert.deepEqual(lint(routes('/a(b)?')), ['regex-without-tilde: route r0 (service s)'])
  assert.deepEqual(lint(routes('~/a(b)?', '/a-b_c.d')), [])
  const secret = (password: string) => ({ plugins: [{ name: 'limits', config: { password } }] })
  assert.deepEqual(lint(secret('p')), ['plain-secret: plugin limits'])
  assert.deepEqual(lint(secret('{vault://env/p}')), [])
})
