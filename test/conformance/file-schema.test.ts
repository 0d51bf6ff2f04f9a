/** The published JSON Schema of kong.yml against what the parser takes. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { systemRandom } from '../../src/base/random.ts'
import { parseDocument } from '../../src/declarative/parse.ts'
import { createCatalog } from '../../src/entities/catalog.ts'
import { bundledPlugins, pluginEntities, pluginSchemas } from '../../src/plugins/bundled.ts'
import envVault from '../../src/vaults/env.ts'

const catalog = createCatalog({
  plugins: pluginSchemas({ clusterPolicy: true }),
  vaults: new Map([['env', envVault.config]]),
  extraEntities: pluginEntities,
})
const schema = JSON.parse(readFileSync(new URL('../../schemas/kong.schema.json', import.meta.url), 'utf8'))
const isValid = new Ajv2020({ strict: false, validateFormats: false }).compile(schema)

function parse(document: object) {
  return parseDocument(document as Record<string, unknown>, {
    catalog,
    nowMs: Date.UTC(2026, 0),
    uuid: systemRandom.uuid,
    randomBytes: systemRandom.bytes,
  })
}

const V = { _format_version: '3.0' }
const accepted: Record<string, object> = {
  empty: V,
  'old formats': { _format_version: '1.1', services: null },
  'comments and what is ignored': { ...V, _comment: 'x', _ignore: [{ a: 1 }], _transform: false },
  nested: {
    ...V,
    services: [
      {
        name: 's',
        url: 'http://a.test',
        _comment: 'mine',
        routes: [{ name: 'r', paths: ['/r'], plugins: [{ name: 'key-auth' }] }],
      },
    ],
    consumers: [{ username: 'a', keyauth_credentials: [{ key: 'k', ttl: 5 }] }],
    upstreams: [{ name: 'u', targets: [{ target: '10.0.0.1:80' }] }],
  },
  'flat, by name': {
    ...V,
    services: [{ name: 's', host: 'a.test' }],
    routes: [{ name: 'r', service: 's', hosts: ['a.test'], protocols: ['http'] }],
    plugins: [{ name: 'rate-limiting', route: 'r', config: { minute: 5 } }],
    vaults: [{ name: 'env', prefix: 'my-env', config: { prefix: 'X_' } }],
  },
}
for (const [name, { docs }] of bundledPlugins.map(plugin => [plugin.name, plugin] as const)) {
  accepted[`the example of ${name}`] = { ...V, plugins: [{ name, config: docs.example }] }
}
const refused: Record<string, object> = {
  'no version': {},
  'a version to come': { _format_version: '4.0' },
  'no such list': { ...V, service: [] },
  'no such field': { ...V, services: [{ host: 'a.test', retires: 1 }] },
  'no host': { ...V, services: [{ name: 's' }] },
  'no such plugin': { ...V, plugins: [{ name: 'key-aut' }] },
  'no such setting of a plugin': { ...V, plugins: [{ name: 'cors', config: { origin: [] } }] },
  'a text for a number': { ...V, plugins: [{ name: 'rate-limiting', config: { minute: '5' } }] },
  'a scope that a plugin cannot have': {
    ...V,
    consumers: [{ username: 'c' }],
    plugins: [{ name: 'key-auth', consumer: 'c' }],
  },
}

for (const [name, document] of Object.entries(accepted)) {
  test(`both take: ${name}`, () => {
    const parsed = parse(document)
    assert.ok(parsed.ok, parsed.ok ? '' : parsed.message)
    assert.ok(isValid(document), JSON.stringify(isValid.errors))
  })
}
for (const [name, document] of Object.entries(refused)) {
  test(`both refuse: ${name}`, () => {
    assert.equal(parse(document).ok, false)
    assert.equal(isValid(document), false)
  })
}
