/** What each wrong value of a service or a route is answered with. */
import { after, before, test } from 'node:test'
import { type Admin, type Case, openAdmin } from './admin-fixture.ts'

let admin: Admin
before(async () => {
  admin = await openAdmin()
  await admin.ask('POST /services', { name: 'svc', host: 'a.example' })
})
after(() => admin.close())

/** One wrong field, one text. */
const wrong = (path: string, sent: object, field: string, text: string): Case => ({
  ask: `POST ${path}`,
  with: sent,
  status: 400,
  body: {
    code: 2,
    name: 'schema violation',
    message: `schema violation (${field}: ${text})`,
    fields: { [field]: text },
  },
})

/** The first element of a list is wrong. */
const wrongElement = (path: string, sent: object, field: string, text: string): Case => ({
  ask: `POST ${path}`,
  with: sent,
  status: 400,
  body: {
    code: 2,
    name: 'schema violation',
    message: `schema violation (${field}.1: ${text})`,
    fields: { [field]: [text] },
  },
})

const nameRule = 'the only accepted ascii characters are alphanumerics or ., -, _, and ~'
const tagRule = 'expected printable ascii (except `,` and `/`) or valid utf-8 sequences'
const protocols = 'expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp'

test('a wrong field of a service is named with what is wrong', async () => {
  const of = (sent: object, field: string, text: string) => wrong('/services', { host: 'x.y', ...sent }, field, text)
  await admin.check([
    of({ foo: 1 }, 'foo', 'unknown field'),
    wrong('/services', {}, 'host', 'required field missing'),
    of({ host: null }, 'host', 'required field missing'),
    ...[5, ['a'], { a: 1 }, true].map(host => of({ host }, 'host', 'expected a string')),
    of({ host: '' }, 'host', 'length must be at least 1'),
    of({ host: 'a b' }, 'host', 'invalid value: a b'),
    ...['80', 1.5].map(port => of({ port }, 'port', 'expected an integer')),
    ...[70000, -1].map(port => of({ port }, 'port', 'value should be between 0 and 65535')),
    ...[40000, -1].map(retries => of({ retries }, 'retries', 'value should be between 0 and 32767')),
    of({ connect_timeout: 0 }, 'connect_timeout', 'value should be between 1 and 2147483646'),
    of({ read_timeout: 2147483647 }, 'read_timeout', 'value should be between 1 and 2147483646'),
    of({ protocol: 'ftp' }, 'protocol', protocols),
    of({ path: 'x' }, 'path', 'should start with: /'),
    of({ path: '' }, 'path', 'length must be at least 1'),
    of({ path: '/a//b' }, 'path', 'must not have empty segments'),
    of({ path: '/a b' }, 'path', "invalid path: '/a b' (characters outside of the reserved list of RFC 3986 found)"),
    of({ name: 'a b' }, 'name', `invalid value 'a b': ${nameRule}`),
    of({ name: 'a/b' }, 'name', `invalid value 'a/b': ${nameRule}`),
    of({ name: '' }, 'name', 'length must be at least 1'),
    of({ tags: 'a' }, 'tags', 'expected a set'),
    of({ tags: { a: 'b' } }, 'tags', 'expected a set'),
    of({ enabled: 'true' }, 'enabled', 'expected a boolean'),
    of({ id: 'abc' }, 'id', 'expected a valid UUID'),
    of({ url: 5 }, 'url', 'expected a string'),
    wrongElement('/services', { host: 'x.y', tags: ['a,b'] }, 'tags', `invalid tag 'a,b': ${tagRule}`),
    { ask: 'POST /services', with: { host: 'x.y', name: 'ü' }, status: 201, has: { name: 'ü' } },
  ])
})

test('several wrong fields are counted, rules on the whole come first', async () => {
  const conditional = "failed conditional validation given value of field 'protocol'"
  await admin.check([
    {
      ask: 'POST /services',
      with: { host: 5, port: 'x', name: 'a b', zzz: 1 },
      status: 400,
      has: {
        message:
          `4 schema violations (host: expected a string; name: invalid value 'a b': ${nameRule}; ` +
          'port: expected an integer; zzz: unknown field)',
      },
    },
    {
      ask: 'POST /services',
      with: { host: 'x.y', protocol: 'tcp', path: '/x' },
      status: 400,
      body: {
        code: 2,
        name: 'schema violation',
        message: `2 schema violations (${conditional}; path: value must be null)`,
        fields: { '@entity': [conditional], path: 'value must be null' },
      },
    },
    {
      ask: 'POST /services',
      with: { url: 'notaurl' },
      status: 400,
      has: { message: '2 schema violations (host: required field missing; path: should start with: /)' },
    },
    {
      ask: 'POST /services',
      with: { host: 'x.y', client_certificate: { id: 'x' } },
      status: 400,
      has: { fields: { client_certificate: 'value must be null', '@entity': [conditional] } },
    },
  ])
})

test('a body that is not a JSON object is refused', async () => {
  const refused = { status: 400, body: { message: 'Cannot parse JSON body' } }
  const type = { 'Content-Type': 'application/json' }
  const texts = ['{"host":', '{}x', '[1,2]', '"str"', '5', 'null', ' ']
  await admin.check(texts.map(text => ({ ask: 'POST /services', with: text, headers: type, ...refused })))
  // The last of two equal names wins, as in every JSON parser.
  const twice = '{"host":"x.y","host":"z.y"}'
  await admin.check([{ ask: 'POST /services', with: twice, headers: type, status: 201, has: { host: 'z.y' } }])
})

test('a route needs something to match, by its protocols', async () => {
  const entity = (sent: object, text: string): Case => ({
    ask: 'POST /routes',
    with: sent,
    status: 400,
    body: { code: 2, name: 'schema violation', message: `schema violation (${text})`, fields: { '@entity': [text] } },
  })
  const https = "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'"
  await admin.check([
    entity({}, https),
    entity({ name: 'x', paths: [] }, https),
    entity(
      { protocols: ['http'] },
      "must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http'",
    ),
    entity({ protocols: ['grpc'] }, "must set one of 'hosts', 'headers', 'paths' when 'protocols' is 'grpc'"),
    entity(
      { protocols: ['tcp'] },
      "must set one of 'sources', 'destinations', 'snis' when 'protocols' is 'tcp', 'tls' or 'udp'",
    ),
    wrong(
      '/routes',
      { protocols: ['grpc'], paths: ['/x'], strip_path: true },
      'strip_path',
      "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'",
    ),
    wrong(
      '/routes',
      { protocols: ['http', 'tcp'], paths: ['/x'] },
      'protocols',
      "these sets are mutually exclusive: ('http', 'https'), ('tcp', 'tls', 'udp')",
    ),
  ])
})

test('each wrong element of a route is named by its place', async () => {
  const of = (sent: object, field: string, text: string) => wrongElement('/routes', sent, field, text)
  await admin.check([
    of({ paths: ['x'] }, 'paths', 'should start with: / (fixed path) or ~/ (regex path)'),
    of({ paths: ['/x//y'] }, 'paths', 'must not have empty segments'),
    of({ paths: ['/%zz'] }, 'paths', "invalid url-encoded value: '%zz'"),
    of({ paths: ['/x/../y'] }, 'paths', "non-normalized path, consider use '/y' instead"),
    of({ paths: [1] }, 'paths', 'expected a string'),
    of({ hosts: ['a b'] }, 'hosts', 'invalid hostname: a b'),
    of({ hosts: ['*'] }, 'hosts', 'invalid wildcard: must be placed at leftmost or rightmost label'),
    of({ hosts: ['*.a.*'] }, 'hosts', 'invalid wildcard: must have at most one wildcard'),
    of({ hosts: ['a.com:99999'] }, 'hosts', 'invalid port number'),
    of({ methods: ['get'] }, 'methods', 'invalid value: get'),
    {
      ask: 'POST /routes',
      with: { paths: ['/x', 1] },
      status: 400,
      has: { message: 'schema violation (paths.2: expected a string)', fields: { paths: [null, 'expected a string'] } },
    },
    {
      ask: 'POST /routes',
      with: { protocols: ['tcp'], sources: [{ ip: 'x' }] },
      status: 400,
      has: { message: `schema violation (sources.1: {\n  ip = "invalid ip or cidr range: 'x'"\n})` },
    },
    wrong(
      '/routes',
      { headers: { host: ['x'] } },
      'headers',
      "cannot contain 'host' header, which must be specified in the 'hosts' attribute",
    ),
  ])
})

test('a parent that is not there is told apart from one that cannot be', async () => {
  const nowhere = '00000000-0000-0000-0000-000000000000'
  const nested = (service: unknown, member: string, text: string): Case => ({
    ask: 'POST /routes',
    with: { paths: ['/x'], service },
    status: 400,
    body: {
      code: 2,
      name: 'schema violation',
      message: `schema violation (service.${member}: ${text})`,
      fields: { service: { [member]: text } },
    },
  })
  const unresolved = `the foreign key cannot be resolved with '{name="nope"}' for an existing 'services' entity`
  await admin.check([
    nested('abc', 'id', 'missing primary key'),
    nested({}, 'id', 'missing primary key'),
    nested({ id: 'abc' }, 'id', 'expected a valid UUID'),
    {
      ask: 'POST /routes',
      with: { paths: ['/x'], service: { id: nowhere } },
      status: 400,
      body: {
        code: 4,
        name: 'foreign key violation',
        message: `the foreign key '{id="${nowhere}"}' does not reference an existing 'services' entity.`,
        fields: { service: { id: nowhere } },
      },
    },
    {
      ask: 'POST /routes',
      with: { paths: ['/x'], service: { name: 'nope' } },
      status: 400,
      body: {
        code: 13,
        name: 'foreign keys unresolved',
        message: `foreign key unresolved (service.name: ${unresolved})`,
        fields: { service: { name: unresolved } },
      },
    },
    { ask: 'POST /routes', with: { paths: ['/x'], service: { name: 'svc' } }, status: 201 },
    { ask: 'POST /routes', with: 'paths[]=/y&service.name=svc', status: 201, has: { paths: ['/y'] } },
  ])
})

test('a whole number of more than 64 bits is refused, and a large one comes back as it was', async () => {
  await admin.check([
    wrong('/routes', { paths: ['/'], regex_priority: 2 ** 63 }, 'regex_priority', 'number out of range'),
    { ask: 'POST /routes', with: { name: 'large', paths: ['/'], regex_priority: 2 ** 53 + 2 }, status: 201 },
    { ask: 'GET /routes/large', status: 200, has: { regex_priority: 2 ** 53 + 2 } },
    { ask: 'GET /routes', status: 200 },
    { ask: 'DELETE /routes/large', status: 204 },
  ])
})
