import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromOpenApi, OpenApiError } from './from-openapi.ts'

const api = (part: object) => ({
  openapi: '3.1.0',
  info: { title: 'Pet Störe!', version: '1' },
  servers: [{ url: 'https://pets.test/v1/' }],
  paths: {},
  ...part,
})
const convert = (part: object) => fromOpenApi(api(part)) as any
const routesOf = (part: object) => convert(part).document.services.flatMap((service: any) => service.routes)

test('a service from the server, and a route for each operation', () => {
  const { document, notes } = convert({ paths: { '/pets': { get: { operationId: 'listPets' }, post: {} } } })
  const route = { strip_path: false, regex_priority: 200, paths: ['~/pets$'] }
  assert.deepEqual(document, {
    _format_version: '3.0',
    services: [
      {
        name: 'pet-store',
        protocol: 'https',
        host: 'pets.test',
        port: 443,
        path: '/v1',
        routes: [
          { name: 'pet-store_listpets', methods: ['GET'], ...route },
          { name: 'pet-store_pets_post', methods: ['POST'], ...route },
        ],
      },
    ],
  })
  assert.deepEqual(notes, [])
})

test('parameters become captures of one segment, and count less than literal paths', () => {
  const [one, two] = routesOf({ paths: { '/a/{Pet-Id}/b.json': { get: {} }, '/{1}/{a b}/{a_b}': { get: {} } } })
  assert.deepEqual(one.paths, ['~/a/(?<pet_id>[^#?/]+)/b\\.json$'])
  assert.equal(one.regex_priority, 100)
  assert.deepEqual(two.paths, ['~/(?<_1>[^#?/]+)/(?<a_b>[^#?/]+)/(?<a_b_>[^#?/]+)$'])
  assert.ok(new RegExp(one.paths[0].slice(1)).test('/a/5/b.json'))
})

test('several servers are targets of an upstream; variables are filled in', () => {
  const servers = [
    { url: 'https://{env}.pets.test:{port}', variables: { env: { default: 'prod' }, port: { default: 8443 } } },
    { url: 'https://b.test' },
  ]
  const { document } = convert({ servers, paths: { '/': { get: {} } } })
  assert.equal(document.services[0].host, 'pet-store.upstream')
  assert.deepEqual(document.upstreams, [
    { name: 'pet-store.upstream', targets: [{ target: 'prod.pets.test:8443' }, { target: 'b.test:443' }] },
  ])
})

test('servers of a path or an operation make a service of their own', () => {
  const own = { servers: [{ url: 'http://other.test' }] }
  const { document } = convert({ paths: { '/a': { get: {} }, '/b': { ...own, get: {} }, '/c': { get: own } } })
  assert.deepEqual(
    document.services.map(({ name, host }: any) => [name, host]),
    [
      ['pet-store', 'pets.test'],
      ['pet-store_b', 'other.test'],
      ['pet-store_c_get', 'other.test'],
    ],
  )
})

test('x-kong extensions: names, tags, defaults and plugins', () => {
  const { document } = convert({
    'x-kong-name': 'Shop',
    'x-kong-tags': ['t'],
    'x-kong-service-defaults': { retries: 1 },
    'x-kong-route-defaults': { https_redirect_status_code: 301 },
    'x-kong-upstream-defaults': { slots: 100 },
    'x-kong-plugin-cors': {},
    paths: {
      '/a': {
        'x-kong-plugin-rate-limiting': { config: { minute: 1 } },
        get: { 'x-kong-name': 'first', 'x-kong-tags': ['u'], 'x-kong-plugin-rate-limiting': { config: { minute: 2 } } },
      },
    },
  })
  const [service] = document.services
  assert.partialDeepStrictEqual(service, { name: 'shop', retries: 1, tags: ['t'], plugins: [{ name: 'cors' }] })
  assert.partialDeepStrictEqual(service.routes[0], {
    name: 'shop_first',
    https_redirect_status_code: 301,
    tags: ['t', 'u'],
    plugins: [{ name: 'rate-limiting', config: { minute: 2 } }],
  })
  assert.partialDeepStrictEqual(document.upstreams[0], { slots: 100, targets: [{ target: 'pets.test:443' }] })
})

test('what cannot be taken over is told', () => {
  assert.deepEqual(convert({ servers: [], paths: { '/': { get: {} } } }).notes, [
    'pet-store: no servers are given, so its host is localhost',
  ])
  const twice = convert({ paths: { '/a': { get: { operationId: 'x' }, put: { operationId: 'x' } } } })
  assert.deepEqual(twice.notes, ['two operations would be named pet-store_x; the later is pet-store_x_2'])
})

test('what is no description is refused with the reason', () => {
  const refused = (value: object, reason: RegExp) => {
    assert.throws(
      () => fromOpenApi(value as Record<string, unknown>),
      (error: Error) => error instanceof OpenApiError && reason.test(error.message),
    )
  }
  refused({ swagger: '2.0' }, /Swagger 2\.0/)
  refused({}, /no `openapi: 3\.x`/)
  refused({ openapi: '3.0.0', info: { title: 'x' } }, /no `paths`/)
  refused(api({ info: {} }), /neither `info.title`/)
  refused(api({ paths: { a: {} } }), /does not begin with \//)
  refused(api({ servers: [{ url: 'ftp://a.test' }], paths: { '/': { get: {} } } }), /no http URL/)
  refused(api({ servers: [{ url: 'http://{x}' }], paths: { '/': { get: {} } } }), /variable x has no default/)
  refused(api({ 'x-kong-plugin-cors': 5, paths: { '/': { get: {} } } }), /x-kong-plugin-cors is no object/)
})
