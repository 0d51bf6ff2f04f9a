/**
 * What graphical tools send: Kong Manager (the open-source one and its lists and forms for entities) and Insomnia with
 * inso. Their calls are data here, taken from what they do against Kong 3.9; each must be answered as they need it.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Admin, openAdmin } from './admin-fixture.ts'

interface Call {
  readonly name: string
  readonly ask: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly status: number
  /** Members that the answer must have. */
  readonly has?: object
}

const MANAGER = 'http://localhost:8002'
const SERVICE = '5b0c1d5e-0000-4000-8000-000000000001'
const ROUTE = '5b0c1d5e-0000-4000-8000-000000000002'

/** `sort_by` and `sort_desc` are for the enterprise edition; here they must do no harm. */
const list = (path: string, count: number): Call => ({
  name: `list ${path}`,
  ask: `GET ${path}?sort_by=name&sort_desc=1&size=30`,
  status: 200,
  has: { data: Array.from({ length: count }, () => ({})), next: null },
})
const check = (entity: string, body: object, status = 200): Call => ({
  name: `check a form of ${entity}`,
  ask: `POST /schemas/${entity}/validate`,
  body,
  status,
  has: status === 200 ? { message: 'schema validation successful' } : { name: 'schema violation' },
})

const serviceForm = {
  name: 'shop',
  tags: [],
  retries: 5,
  connect_timeout: 60000,
  write_timeout: 60000,
  read_timeout: 60000,
  protocol: 'http',
  host: 'shop.test',
  path: null,
  port: 80,
  client_certificate: null,
  ca_certificates: null,
  tls_verify: null,
  tls_verify_depth: null,
}
const routeForm = {
  name: 'shop',
  service: { id: SERVICE },
  tags: [],
  protocols: ['http', 'https'],
  path_handling: 'v0',
  https_redirect_status_code: 426,
  strip_path: true,
  preserve_host: false,
  request_buffering: true,
  response_buffering: true,
  methods: ['GET'],
  hosts: null,
  paths: ['/shop'],
  headers: null,
  snis: null,
  regex_priority: 0,
}
const pluginForm = {
  name: 'rate-limiting',
  instance_name: null,
  enabled: true,
  protocols: ['grpc', 'grpcs', 'http', 'https'],
  tags: [],
  service: { id: SERVICE },
  route: null,
  consumer: null,
  config: { second: null, minute: 5, hour: null, limit_by: 'consumer', policy: 'local', redis: { port: 6379 } },
}

const managerCalls: readonly Call[] = [
  { name: 'overview', ask: 'GET /', status: 200, has: { edition: 'community', configuration: {}, plugins: {} } },
  {
    name: 'plugins to choose from',
    ask: 'GET /',
    status: 200,
    has: { plugins: { available_on_server: { cors: {} } } },
  },
  check('services', serviceForm),
  check('services', { ...serviceForm, host: null }, 400),
  { name: 'create a service', ask: 'POST /services', body: { ...serviceForm, id: SERVICE }, status: 201 },
  { name: 'the same name again', ask: 'POST /services', body: serviceForm, status: 409, has: { code: 5 } },
  {
    name: 'edit a service',
    ask: `PATCH /services/${SERVICE}`,
    body: { ...serviceForm, retries: 4 },
    status: 200,
    has: { retries: 4 },
  },
  {
    name: 'switch a service off',
    ask: `PATCH /services/${SERVICE}`,
    body: { enabled: false },
    status: 200,
    has: { enabled: false },
  },
  { name: 'search by name', ask: 'GET /services/shop', status: 200, has: { id: SERVICE } },
  { name: 'search by a name that is none', ask: 'GET /services/nothing', status: 404 },
  { name: 'services to choose from', ask: 'GET /services?size=1000', status: 200, has: { data: [{ id: SERVICE }] } },
  list('/services', 1),
  {
    name: 'create a route',
    ask: 'POST /routes',
    body: { ...routeForm, id: ROUTE },
    status: 201,
    has: { service: { id: SERVICE } },
  },
  {
    name: 'edit a route',
    ask: `PUT /routes/${ROUTE}`,
    body: { ...routeForm, hosts: ['shop.test'] },
    status: 200,
    has: { hosts: ['shop.test'] },
  },
  { name: 'a route of a service', ask: `GET /services/${SERVICE}/routes/${ROUTE}`, status: 200, has: { name: 'shop' } },
  list(`/services/${SERVICE}/routes`, 1),
  list('/routes', 1),
  {
    name: 'the form of a plugin',
    ask: 'GET /schemas/plugins/rate-limiting',
    status: 200,
    has: { fields: [{ protocols: {} }] },
  },
  check('plugins', { name: 'rate-limiting', config: { minute: 5 } }),
  check('plugins', { name: 'rate-limiting', config: { minute: 'x' } }, 400),
  {
    name: 'install a plugin',
    ask: `POST /services/${SERVICE}/plugins`,
    body: pluginForm,
    status: 201,
    has: { config: { minute: 5 } },
  },
  list('/plugins', 1),
  list(`/services/${SERVICE}/plugins`, 1),
  list(`/routes/${ROUTE}/plugins`, 0),
  {
    name: 'create a consumer',
    ask: 'POST /consumers',
    body: { username: 'ann', custom_id: null, tags: [] },
    status: 201,
  },
  {
    name: 'the form of a credential',
    ask: 'GET /schemas/keyauth_credentials',
    status: 200,
    has: { fields: [{ id: {} }] },
  },
  {
    name: 'create a credential',
    ask: 'POST /consumers/ann/key-auth',
    body: { key: 'k', tags: [] },
    status: 201,
    has: { key: 'k' },
  },
  list('/consumers/ann/key-auth', 1),
  list('/consumers/ann/plugins', 0),
  {
    name: 'create an upstream',
    ask: 'POST /upstreams',
    body: { name: 'u.test', slots: 100, healthchecks: { active: { healthy: { interval: 0 } } } },
    status: 201,
  },
  {
    name: 'create a target',
    ask: 'POST /upstreams/u.test/targets',
    body: { target: '10.0.0.1:80', weight: 100, tags: [] },
    status: 201,
  },
  {
    name: 'targets with their health',
    ask: 'GET /upstreams/u.test/health?size=30',
    status: 200,
    has: { data: [{ target: '10.0.0.1:80', health: 'HEALTHCHECKS_OFF' }] },
  },
  list('/upstreams', 1),
  list('/certificates', 0),
  list('/ca_certificates', 0),
  list('/snis', 0),
  list('/key-sets', 0),
  list('/keys', 0),
  list('/vaults', 0),
  { name: 'delete a plugin that is gone', ask: 'DELETE /plugins/5b0c1d5e-0000-4000-8000-00000000ffff', status: 204 },
  { name: 'delete what others need', ask: `DELETE /services/${SERVICE}`, status: 400, has: { code: 4 } },
  { name: 'delete a route', ask: `DELETE /routes/${ROUTE}`, status: 204 },
]

/** Sent by hand from a workbench: forms, JSON with a charset, bodies where none belongs. */
const insomniaCalls: readonly Call[] = [
  {
    name: 'a form',
    ask: 'POST /services',
    body: 'name=form&url=http%3A%2F%2Fform.test%3A8080%2Fx&tags[]=a',
    status: 201,
    has: { port: 8080, tags: ['a'] },
  },
  {
    name: 'a form with nested names',
    ask: 'POST /plugins',
    body: 'name=cors&config.origins[]=https://a.test&config.max_age=5',
    status: 201,
    has: { config: { max_age: 5, origins: ['https://a.test'] } },
  },
  {
    name: 'JSON with a charset',
    ask: 'POST /consumers',
    body: { username: 'bea' },
    headers: { 'Content-Type': 'application/json; charset=utf-8' },
    status: 201,
  },
  {
    name: 'GET with a content type',
    ask: 'GET /consumers/bea',
    headers: { 'Content-Type': 'application/json' },
    status: 200,
  },
  {
    name: 'DELETE with a content type',
    ask: 'DELETE /consumers/bea',
    headers: { 'Content-Type': 'application/json' },
    status: 204,
  },
  { name: 'a path with a slash at its end', ask: 'GET /services/form/', status: 200, has: { name: 'form' } },
]

const open = async (calls: readonly Call[], headers: Readonly<Record<string, string>>) => {
  for (const { name, ask, body, status, has, headers: own } of calls) {
    const [method, path] = ask.split(' ') as [string, string]
    const isForm = typeof body === 'string'
    const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json'
    const answer = await admin.send({
      method,
      path,
      headers: { ...headers, ...(body !== undefined && { 'Content-Type': type }), ...own },
      ...(body !== undefined && { content: isForm ? body : JSON.stringify(body) }),
    })
    const what = `${name}: ${ask} -> ${answer.status} ${answer.text.slice(0, 400)}`
    assert.equal(answer.status, status, what)
    if (has !== undefined) assert.partialDeepStrictEqual(answer.body, has, what)
    if (headers['Origin'] !== undefined) assert.ok(answer.headers['access-control-allow-origin'], what)
  }
}

let admin: Admin
before(async () => {
  admin = await openAdmin({ managerUrls: [MANAGER] })
})
after(() => admin.close())

test('Kong Manager: its calls are answered, and its page may read the answers', async () => {
  const agent = 'Mozilla/5.0'
  await open(managerCalls, { Origin: MANAGER, 'User-Agent': agent, Accept: 'application/json, text/plain, */*' })
})

test('Kong Manager: browsers ask beforehand whether they may', async () => {
  for (const method of ['PUT', 'PATCH', 'DELETE']) {
    const headers = {
      Origin: MANAGER,
      'Access-Control-Request-Method': method,
      'Access-Control-Request-Headers': 'content-type,kong-request-type',
    }
    const answer = await admin.send({ method: 'OPTIONS', path: `/services/${SERVICE}`, headers })
    assert.equal(answer.status, 204)
    assert.equal(answer.headers['access-control-allow-origin'], MANAGER)
    assert.equal(answer.headers['access-control-allow-headers'], 'content-type,kong-request-type')
    assert.match(answer.headers['access-control-allow-methods']!, new RegExp(method))
  }
})

test('Insomnia: requests made by hand', async () => {
  await open(insomniaCalls, { 'User-Agent': 'insomnia/10.3.0', Accept: '*/*' })
})

test('inso: the declarative file that it makes of an API description is taken', async () => {
  const own = await openAdmin({}, true)
  const tags = ['OAS3_import', 'OAS3file_pets.yaml']
  const file = {
    _format_version: '1.1',
    services: [
      {
        name: 'Pets',
        protocol: 'https',
        host: 'pets.test',
        port: 443,
        path: '/v1',
        plugins: [{ name: 'key-auth', tags, config: { key_names: ['api_key'] } }],
        routes: [
          { name: 'Pets-pets-get', tags, methods: ['GET'], paths: ['/pets$'], strip_path: false },
          { name: 'Pets-pets_id-get', tags, methods: ['GET'], paths: ['/pets/(?<id>[^\\/\\s]+)$'], strip_path: false },
        ],
        tags,
      },
    ],
    upstreams: [{ name: 'pets.test', targets: [{ target: 'api.pets.test:443' }], tags }],
  }
  const answer = await own.send({
    method: 'POST',
    path: '/config',
    headers: { 'Content-Type': 'application/json' },
    content: JSON.stringify(file),
  })
  assert.equal(answer.status, 201, answer.text)
  const { body } = await own.ask('GET /routes/Pets-pets_id-get')
  assert.deepEqual(body.paths, ['~/pets/(?<id>[^\\/\\s]+)$'])
  await own.close()
})
