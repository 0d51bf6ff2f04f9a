/** Plugins: whose config is checked by the schema of the plugin that `name` chooses, in JSON and in forms. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Admin, type Case, openAdmin } from './admin-fixture.ts'

let admin: Admin
before(async () => {
  admin = await openAdmin()
  await admin.ask('POST /services', { name: 'svc', host: 'a.example' })
  await admin.ask('POST /services/svc/routes', { name: 'rt', paths: ['/r'] })
  await admin.ask('POST /consumers', { username: 'alice' })
})
after(() => admin.close())

const limits = "'config.second', 'config.minute', 'config.hour', 'config.day', 'config.month', 'config.year'"

test('a plugin has its whole config, and one per scope', async () => {
  const made = await admin.ask('POST /services/svc/plugins', { name: 'rate-limiting', config: { minute: 5 } })
  assert.equal(made.status, 201, made.text)
  assert.partialDeepStrictEqual(made.body, {
    route: null,
    consumer: null,
    enabled: true,
    instance_name: null,
    protocols: ['grpc', 'grpcs', 'http', 'https'],
    config: { minute: 5, second: null, policy: 'local', limit_by: 'consumer', fault_tolerant: true },
  })
  const service = made.body.service.id
  await admin.check([
    {
      ask: 'POST /services/svc/plugins',
      with: { name: 'rate-limiting', config: { minute: 6 } },
      status: 409,
      has: {
        code: 5,
        message: `UNIQUE violation detected on '{consumer=null,name="rate-limiting",route=null,service={id="${service}"}}'`,
      },
    },
    { ask: 'POST /routes/rt/plugins', with: { name: 'rate-limiting', config: { minute: 6 } }, status: 201 },
    { ask: 'POST /consumers/alice/plugins', with: { name: 'rate-limiting', config: { hour: 6 } }, status: 201 },
    { ask: `GET /plugins/${made.body.id}/service`, status: 200, has: { name: 'svc' } },
    { ask: `GET /plugins/${made.body.id}/route`, status: 404 },
  ])
})

test('PATCH merges into the config, PUT replaces it', async () => {
  const { body } = await admin.ask('POST /plugins', {
    name: 'rate-limiting',
    instance_name: 'rl',
    config: { minute: 5 },
  })
  const path = `/plugins/${body.id}`
  await admin.check([
    { ask: `PATCH ${path}`, with: { config: { hour: 9 } }, status: 200, has: { config: { minute: 5, hour: 9 } } },
    { ask: `PATCH ${path}`, with: { enabled: false }, status: 200, has: { enabled: false, config: { hour: 9 } } },
    { ask: `PATCH ${path}`, with: 'config.minute=7', status: 200, has: { config: { minute: 7, hour: 9 } } },
    { ask: 'PATCH /plugins/rl', with: { tags: ['t'] }, status: 200, has: { id: body.id, tags: ['t'] } },
    {
      ask: `PATCH ${path}`,
      with: { config: { minute: null, hour: null } },
      status: 400,
      has: { fields: { '@entity': [`when updating, at least one of these fields must be non-empty: ${limits}`] } },
    },
    {
      ask: `PUT ${path}`,
      with: { name: 'rate-limiting', config: { second: 1 } },
      status: 200,
      has: { config: { second: 1, minute: null, hour: null } },
    },
    { ask: 'GET /plugins/nope', status: 404, body: { message: 'Not found' } },
    { ask: 'PATCH /plugins/nope', with: 'config.minute=1', status: 404 },
  ])
})

test('forms are typed by the plugin’s own schema', async () => {
  await admin.check([
    {
      ask: 'POST /routes/rt/plugins',
      with: 'name=cors&config.origins[]=http://a.example&config.origins[]=http://b.example&config.max_age=60&config.credentials=true',
      status: 201,
      has: { config: { origins: ['http://a.example', 'http://b.example'], max_age: 60, credentials: true } },
    },
    {
      ask: 'POST /plugins',
      with: 'name=ip-restriction&config.deny=1.1.1.1&route.name=rt',
      status: 201,
      has: { config: { deny: ['1.1.1.1'] } },
    },
    {
      ask: 'POST /plugins',
      with: 'name=rate-limiting&config.minute=x&service.name=svc',
      status: 400,
      has: { fields: { config: { minute: 'expected a number' } } },
    },
  ])
})

test('a wrong plugin is named with what is wrong', async () => {
  const wrong = (sent: object, message: string, fields: object): Case => ({
    ask: 'POST /plugins',
    with: sent,
    status: 400,
    body: { code: 2, name: 'schema violation', message: `schema violation (${message})`, fields },
  })
  const rule = (text: string) => [text, { '@entity': [text] }] as const
  const config = (member: string, text: string) =>
    [`config.${member}: ${text}`, { config: { [member]: text } }] as const
  const notEnabled = "plugin 'nope' not enabled; add it to the 'plugins' configuration property"
  await admin.check([
    wrong({}, 'name: required field missing', { name: 'required field missing' }),
    wrong({ name: 'nope' }, `name: ${notEnabled}`, { name: notEnabled }),
    wrong({ name: 'rate-limiting' }, ...rule(`at least one of these fields must be non-empty: ${limits}`)),
    wrong({ name: 'rate-limiting', config: { minute: 0 } }, ...config('minute', 'value must be greater than 0')),
    wrong({ name: 'rate-limiting', config: { minute: 5, foo: 1 } }, ...config('foo', 'unknown field')),
    wrong({ name: 'key-auth', consumer: { username: 'alice' } }, 'consumer: value must be null', {
      consumer: 'value must be null',
    }),
    wrong({ name: 'key-auth', protocols: ['tcp'] }, 'protocols.1: expected one of: grpc, grpcs, http, https', {
      protocols: ['expected one of: grpc, grpcs, http, https'],
    }),
  ])
})
