/** The core entities' rules, with the texts of Kong, by tables of cases. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../base/random.ts'
import * as field from '../schema/field.ts'
import { type CatalogOptions, createCatalog, type EntityCatalog } from './catalog.ts'
import type { PluginSchema } from './plugin-schema.ts'

const HTTP = ['http', 'https', 'grpc', 'grpcs']
const UUID = '7b1cf6c4-3ae7-4f9d-9f6e-0d3f5a3c2b10'
const limiter: PluginSchema = {
  name: 'limiter',
  priority: 1,
  protocols: HTTP,
  scopes: ['service', 'route'],
  config: {
    minute: field.number({ gt: 0 }),
    redis: field.record({ host: field.string() }),
  },
  entity_checks: [{ at_least_one_of: ['config.minute', 'config.redis.host'] }],
  shorthand_fields: [
    {
      name: 'redis_host',
      field: { type: 'string' },
      expand: value => ({ redis: { host: value } }),
      replacedBy: { path: ['redis', 'host'] },
    },
  ],
  config_validator: config => (config['minute'] === 13 ? 'not thirteen' : null),
}
const paired: PluginSchema = {
  name: 'paired',
  priority: 2,
  protocols: ['http'],
  scopes: ['service', 'route', 'consumer'],
  config: { a: field.string(), b: field.string() },
  entity_checks: [{ mutually_required: ['a', 'b'] }],
}
const options: CatalogOptions = { plugins: [limiter, paired], vaults: new Map([['env', { prefix: field.string() }]]) }
const catalog = createCatalog(options)
const random = seededRandom(1)
const context = { operation: 'insert', nowMs: 1_700_000_000_000, uuid: random.uuid, randomBytes: random.bytes } as const

type Input = Record<string, unknown>
function errorsOf(entity: string, input: Input, given: EntityCatalog = catalog) {
  const result = given.validateRow(entity, input, context)
  return result.ok ? null : result.errors
}
function rowOf(entity: string, input: Input): Input {
  const result = catalog.validateRow(entity, input, context)
  assert.ok(result.ok, JSON.stringify(result))
  return result.row
}
const whole = (...texts: string[]) => ({ '@entity': texts })
const oneOf = (names: string, protocol: string) => whole(`must set one of ${names} when 'protocols' is '${protocol}'`)
const byProtocol = "failed conditional validation given value of field 'protocol'"

const cases: readonly [entity: string, input: Input, errors: unknown][] = [
  ['services', {}, { host: 'required field missing' }],
  ['services', { host: 'x', protocol: 'tcp', path: '/x' }, { path: 'value must be null', ...whole(byProtocol) }],
  ['services', { host: 'x', tls_verify: true }, { tls_verify: 'value must be null', ...whole(byProtocol) }],
  [
    'services',
    { host: 'x', protocol: 'https', tls_verify: true, tls_verify_depth: 65 },
    { tls_verify_depth: 'value should be between 0 and 64' },
  ],
  [
    'services',
    { host: 'x', protocol: 'ws' },
    { protocol: 'expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp' },
  ],
  ['services', { url: 'nope' }, { host: 'required field missing', path: 'should start with: /' }],
  ['services', { url: 5 }, { url: 'expected a string' }],
  [
    'services',
    { host: 'x', client_certificate: { foo: 1 } },
    { client_certificate: 'value must be null', ...whole(byProtocol) },
  ],
  ['routes', {}, oneOf("'methods', 'hosts', 'headers', 'paths', 'snis'", 'https')],
  ['routes', { protocols: ['http'] }, oneOf("'methods', 'hosts', 'headers', 'paths'", 'http')],
  ['routes', { protocols: [], paths: ['/'] }, { protocols: 'unknown type: nil' }],
  ['routes', { protocols: null, paths: ['/'] }, { protocols: 'required field missing' }],
  ['routes', { protocols: ['grpc'] }, oneOf("'hosts', 'headers', 'paths'", 'grpc')],
  [
    'routes',
    { protocols: ['tcp'] },
    whole("must set one of 'sources', 'destinations', 'snis' when 'protocols' is 'tcp', 'tls' or 'udp'"),
  ],
  ['routes', { protocols: ['tls_passthrough'] }, whole("must set snis when 'protocols' is 'tls_passthrough'")],
  [
    'routes',
    { protocols: ['tcp'], sources: [{}] },
    { sources: [whole("at least one of these fields must be non-empty: 'ip', 'port'")] },
  ],
  [
    'routes',
    { paths: ['/'], sources: [{ ip: '1.2.3.4' }] },
    { sources: "cannot set 'sources' when 'protocols' is 'http' or 'https'" },
  ],
  [
    'routes',
    { protocols: ['http'], paths: ['/'], snis: ['a.test'] },
    {
      snis: 'length must be 0',
      ...whole("'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'"),
    },
  ],
  [
    'routes',
    { protocols: ['grpc'], paths: ['/'], strip_path: true },
    { strip_path: "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'" },
  ],
  [
    'routes',
    { paths: ['/'], https_redirect_status_code: 303 },
    { https_redirect_status_code: 'expected one of: 426, 301, 302, 307, 308' },
  ],
  [
    'routes',
    { headers: { Host: ['x'] } },
    { headers: "cannot contain 'host' header, which must be specified in the 'hosts' attribute" },
  ],
  ['routes', { headers: { x: ['~*('] } }, whole('Router Expression failed validation: unclosed group')],
  ['routes', { paths: ['/'], service: { foo: 1 } }, { service: { foo: 'unknown field' } }],
  ['routes', { paths: ['/'], service: { name: 'x' } }, { service: { id: 'missing primary key' } }],
  ['consumers', {}, whole("at least one of these fields must be non-empty: 'custom_id', 'username'")],
  ['plugins', { name: 'nope' }, { name: "plugin 'nope' not enabled; add it to the 'plugins' configuration property" }],
  ['plugins', { config: {} }, { name: 'required field missing' }],
  ['vaults', { prefix: 'my', name: { toString: 1 } }, { name: "vault '{toString=1}' is not installed" }],
  [
    'plugins',
    { name: 'limiter' },
    whole("at least one of these fields must be non-empty: 'config.minute', 'config.redis.host'"),
  ],
  ['plugins', { name: 'limiter', config: { minute: 1 }, consumer: { id: UUID } }, { consumer: 'value must be null' }],
  ['plugins', { name: 'limiter', config: { minute: 13 } }, { config: 'not thirteen' }],
  [
    'plugins',
    { name: 'limiter', config: { minute: 1 }, protocols: ['tcp'] },
    { protocols: ['expected one of: grpc, grpcs, http, https'] },
  ],
  [
    'plugins',
    { name: 'paired', config: { a: 'x' } },
    { config: whole("all or none of these fields must be set: 'a', 'b'") },
  ],
  ['upstreams', { name: '1.2.3.4' }, { name: "Invalid name ('1.2.3.4'); no ip addresses allowed" }],
  ['upstreams', { name: 'a:80' }, { name: "Invalid name ('a:80'); no port allowed" }],
  ['upstreams', { name: 'a b' }, { name: "Invalid name ('a b'); must be a valid hostname" }],
  [
    'upstreams',
    { name: 'u', hash_on: 'header' },
    {
      hash_on_header: 'required field missing',
      ...whole("failed conditional validation given value of field 'hash_on'"),
    },
  ],
  [
    'upstreams',
    { name: 'u', hash_on: 'ip', hash_fallback: 'ip' },
    {
      hash_fallback: 'expected one of: none, consumer, header, cookie, path, query_arg, uri_capture',
      ...whole("failed conditional validation given value of field 'hash_on'"),
    },
  ],
  ['upstreams', { name: 'u', slots: 9 }, { slots: 'value should be between 10 and 65536' }],
  [
    'upstreams',
    { name: 'u', healthchecks: { active: { healthy: { http_statuses: [99] } } } },
    { healthchecks: { active: { healthy: { http_statuses: ['value should be between 100 and 999'] } } } },
  ],
  [
    'targets',
    { target: 'a b', upstream: { id: UUID } },
    { target: "Invalid target ('a b'); not a valid hostname or ip address" },
  ],
  ['targets', { target: 'a' }, { upstream: 'required field missing' }],
  ['vaults', { prefix: 'env', name: 'env' }, { prefix: 'must not be one of: env' }],
  ['vaults', { prefix: 'A', name: 'env' }, { prefix: 'invalid value: A' }],
  ['vaults', { prefix: 'my', name: 'hcv' }, { name: "vault 'hcv' is not installed" }],
  ['vaults', { prefix: 'my', name: 'env', config: { x: 1 } }, { config: { x: 'unknown field' } }],
  ['keys', { kid: 'a' }, whole("at least one of these fields must be non-empty: 'jwk', 'pem'")],
  ['keys', { kid: 'a', jwk: 'x', pem: { public_key: 'y' } }, { pem: 'could not load public key' }],
  ['keys', { kid: 'a', jwk: 'x' }, whole('could not json decode jwk string')],
  ['keys', { kid: 'a', jwk: '{"kid":"b"}' }, whole('kid in jwk.kid must be equal to keys.kid')],
  ['keys', { kid: 'a', jwk: '{"kid":"a","kty":"RSA"}' }, whole('could not load JWK, likely not a valid key')],
  [
    'workspaces',
    { name: 'services' },
    {
      name: 'must not be one of: workspaces, consumers, certificates, services, routes, snis, upstreams, targets, plugins, tags, ca_certificates, clustering_data_planes, parameters, vaults, key_sets, keys, filter_chains',
    },
  ],
  [
    'clustering_data_planes',
    { id: UUID, ip: 'x', hostname: 'h', version: 'v1', config_hash: 'short' },
    {
      ip: 'not an ip address: x',
      version: 'invalid version number: must be in format of X.Y.Z',
      config_hash: 'length must be 32',
    },
  ],
  [
    'filter_chains',
    { service: { id: UUID }, filters: [{ name: 'x' }] },
    { filters: [{ name: 'no such filter' }], ...whole('wasm support is not enabled') },
  ],
]
for (const [entity, input, errors] of cases) {
  test(`validateRow() refuses ${entity} ${JSON.stringify(input)}`, () => {
    assert.deepEqual(errorsOf(entity, input), errors)
  })
}

describe('validateRow() of valid input', () => {
  const urls: readonly [url: string, expected: unknown[]][] = [
    ['http://a.test', ['http', 'a.test', 80, null]],
    ['https://a.test/x', ['https', 'a.test', 443, '/x']],
    ['//a.test:443', ['https', 'a.test', 443, null]],
    ['grpcs://a.test', ['grpcs', 'a.test', 80, null]],
    ['tcp://a.test:5', ['tcp', 'a.test', 5, null]],
  ]
  for (const [url, expected] of urls) {
    test(`validateRow() splits ${url} when a service is given by url`, () => {
      const { protocol, host, port, path } = rowOf('services', { url, name: 's' })
      assert.deepEqual([protocol, host, port, path], expected)
    })
  }
  test('validateRow() defaults strip_path to false when a route is for grpc', () => {
    assert.equal(rowOf('routes', { protocols: ['grpc'], paths: ['/'] })['strip_path'], false)
    assert.equal(rowOf('routes', { paths: ['/'] })['strip_path'], true)
  })
  const algorithms: readonly [input: Input, algorithm: string, hashOn: string][] = [
    [{}, 'round-robin', 'none'],
    [{ algorithm: 'latency' }, 'latency', 'none'],
    [{ algorithm: 'least-connections', hash_on: 'ip' }, 'least-connections', 'none'],
    [{ hash_on: 'ip' }, 'consistent-hashing', 'ip'],
    [{ algorithm: 'consistent-hashing', hash_on: 'none' }, 'round-robin', 'none'],
  ]
  for (const [input, algorithm, hashOn] of algorithms) {
    test(`validateRow() makes an upstream ${algorithm} on ${hashOn} when given ${JSON.stringify(input)}`, () => {
      const row = rowOf('upstreams', { name: 'u', ...input })
      assert.deepEqual([row['algorithm'], row['hash_on']], [algorithm, hashOn])
    })
  }
  const targets: readonly [given: string, stored: string][] = [
    ['a.test', 'a.test:8000'],
    ['010.0.0.1:80', '10.0.0.1:80'],
    ['[::1]:80', '[0000:0000:0000:0000:0000:0000:0000:0001]:80'],
  ]
  for (const [given, stored] of targets) {
    test(`validateRow() stores the target ${given} as ${stored}`, () => {
      assert.equal(rowOf('targets', { target: given, upstream: { id: UUID } })['target'], stored)
    })
  }
  test('validateRow() accepts expressions when the router has that flavour', () => {
    const expressions = createCatalog({ ...options, router_flavor: 'expressions' })
    const expression = 'http.path == "/"'
    assert.equal(errorsOf('routes', { expression }, expressions), null)
    assert.equal(errorsOf('routes', { paths: ['/'], sources: [{ port: 1 }] }, expressions), null)
    const prefix = 'Router Expression failed validation: cannot set '
    const all = "'methods', 'hosts', 'paths', 'headers', 'snis', 'sources' or 'destinations' simultaneously"
    assert.deepEqual(
      errorsOf('routes', { expression, paths: ['/'] }, expressions),
      whole(`${prefix}'expression' with ${all}`),
    )
    assert.deepEqual(
      errorsOf('routes', { priority: 1, paths: ['/'] }, expressions),
      whole(`${prefix}'priority' with ${all}`),
    )
    assert.deepEqual(errorsOf('routes', { expression }), {
      expression: 'unknown field',
      ...oneOf("'methods', 'hosts', 'headers', 'paths', 'snis'", 'https'),
    })
  })
  test('validateRow() refuses wildcard server names when the router is traditional', () => {
    const traditional = createCatalog({ ...options, router_flavor: 'traditional' })
    assert.deepEqual(errorsOf('routes', { snis: ['*.a.test'] }, traditional), { snis: ['invalid value: *.a.test'] })
    assert.equal(errorsOf('routes', { snis: ['*.a.test'] }), null)
  })
  test('present() shows old names when a plugin renamed a field', () => {
    const row = rowOf('plugins', { name: 'limiter', config: { redis_host: 'r' } })
    assert.deepEqual(row['config'], { minute: null, redis: { host: 'r' } })
    assert.deepEqual(catalog.present('plugins', row)['config'], { minute: null, redis: { host: 'r' }, redis_host: 'r' })
  })
})

test('createCatalog() lists parents before children', () => {
  const seen = new Set<string>()
  for (const { name } of catalog.definitions) {
    for (const { references } of catalog.foreignFields(name))
      assert.ok(seen.has(references.name), `${name} -> ${references.name}`)
    seen.add(name)
  }
})
test('references() tells what deleting a parent does', () => {
  const found = catalog
    .references('services')
    .map(({ entity, field: name, on_delete }) => [entity.name, name, on_delete])
  assert.deepEqual(found, [
    ['routes', 'service', 'restrict'],
    ['plugins', 'service', 'cascade'],
    ['filter_chains', 'service', 'cascade'],
  ])
})
