import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { type Admin, openAdmin } from './admin-fixture.ts'

let admin: Admin
let document: any
before(async () => {
  admin = await openAdmin()
  document = (await admin.ask('GET /openapi.json')).body
})
after(() => admin.close())

test('the document is valid OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(document))
  assert.ok(valid, JSON.stringify(errors, null, 1))
  assert.equal(document.openapi, '3.1.0')
})

test('it has every path of /endpoints, and says of every operation what it does', async () => {
  const { data } = (await admin.ask('GET /endpoints')).body
  const described = Object.keys(document.paths)
  assert.deepEqual(
    data.filter((path: string) => !described.includes(path)),
    [],
  )
  const undescribed = Object.entries<any>(document.paths).flatMap(([path, item]) =>
    Object.entries<any>(item)
      .filter(([method, operation]) => method !== 'parameters' && operation.tags[0] === 'other')
      .map(([method]) => `${method.toUpperCase()} ${path}`),
  )
  assert.deepEqual(undescribed, [], 'add them to src/admin/openapi/special-operations.ts')
})

test('operations have ids of their own', () => {
  const ids = Object.values<any>(document.paths).flatMap(item =>
    Object.values<any>(item).flatMap(operation => operation.operationId ?? []),
  )
  assert.equal(new Set(ids).size, ids.length)
})

test('answers are as described, and what is asked for is described as it is taken', async t => {
  // `x-secret` and OpenAPI's own words are no keywords of JSON Schema.
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema({ $id: 'openapi', components: document.components })
  const check = (name: string, value: unknown) => {
    const isValid = ajv.getSchema(`openapi#/components/schemas/${name}`)!
    return isValid(value) ? null : (isValid.errors?.map(error => `${error.instancePath} ${error.message}`) ?? [])
  }
  const cases: readonly (readonly [entity: string, path: string, body: object, component?: string])[] = [
    ['services', '/services', { name: 'a', url: 'http://a.test:8080/x' }],
    ['services', '/services', { name: 'b', host: 'b.test' }],
    ['routes', '/services/a/routes', { name: 'r', paths: ['/r'], headers: { 'x-y': ['1'] } }],
    ['consumers', '/consumers', { username: 'alice', tags: ['t'] }],
    ['upstreams', '/upstreams', { name: 'u', healthchecks: { active: { type: 'http' } } }],
    ['targets', '/upstreams/u/targets', { target: '10.0.0.1:80' }, 'targets.input.without_upstream'],
    ['keyauth_credentials', '/consumers/alice/key-auth', { key: 'k' }, 'keyauth_credentials.input.without_consumer'],
    ['plugins', '/plugins', { name: 'rate-limiting', config: { minute: 5 } }],
    ['plugins', '/routes/r/plugins', { name: 'cors', config: { origins: ['*'] } }],
    ['key_sets', '/key-sets', { name: 's' }],
  ]
  for (const [entity, path, body, component = `${entity}.input`] of cases) {
    await t.test(`POST ${path} ${JSON.stringify(body)}`, async () => {
      assert.equal(check(component, body), null, 'the request')
      const answer = await admin.ask(`POST ${path}`, body)
      assert.equal(answer.status, 201, answer.text)
      assert.equal(check(entity, answer.body), null, 'the answer')
    })
  }
  const refused: readonly (readonly [component: string, body: object])[] = [
    ['services.input', { name: 'no host' }],
    ['services.input', { host: 'a.test', retires: 5 }],
    ['services.input', { host: 'a.test', protocol: 'gopher' }],
    ['plugins.input', { name: 'nothing-like-it' }],
    ['plugins.input', { name: 'cors', config: { origin: ['*'] } }],
    ['routes.change', { strip_path: 'perhaps' }],
  ]
  for (const [component, body] of refused) {
    assert.notEqual(check(component, body), null, `${component} ${JSON.stringify(body)}`)
  }
})
