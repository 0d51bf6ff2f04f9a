import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCatalog } from '../../../src/entities/catalog.ts'
import { bundledPlugins, pluginSchemas } from '../../../src/plugins/bundled.ts'
import { maskedRow } from '../../../src/admin/masked-row.ts'

const catalog = createCatalog({
  plugins: pluginSchemas({ clusterPolicy: true }),
  extraEntities: bundledPlugins.flatMap(plugin => plugin.entities ?? []),
})

test('maskedRow() covers what the schema calls encrypted, and what is secret by its name', () => {
  const cases: readonly [entity: string, row: object, masked: object][] = [
    ['certificates', { cert: 'C', key: 'K', key_alt: null }, { cert: 'C', key: '******', key_alt: null }],
    ['keyauth_credentials', { key: 'K', consumer: { id: '1' } }, { key: '******', consumer: { id: '1' } }],
    [
      'keys',
      { kid: 'k', jwk: 'J', pem: { private_key: 'P', public_key: 'Q' } },
      { kid: 'k', jwk: '******', pem: { private_key: '******', public_key: 'Q' } },
    ],
    [
      'plugins',
      { name: 'http-log', config: { headers: { authorization: 'secret' }, http_endpoint: 'http://u:p@x' } },
      { name: 'http-log', config: { headers: { authorization: '******' }, http_endpoint: '******' } },
    ],
    [
      'plugins',
      { name: 'rate-limiting', config: { second: 5, redis: { host: 'h', password: 'p', username: null } } },
      { name: 'rate-limiting', config: { second: 5, redis: { host: 'h', password: '******', username: null } } },
    ],
    [
      'plugins',
      { name: 'gone', config: { client_secret: 's', key_names: ['a'] } },
      { name: 'gone', config: { client_secret: '******', key_names: ['a'] } },
    ],
    [
      'routes',
      { paths: ['/token'], headers: { 'x-token': ['t'] } },
      { paths: ['/token'], headers: { 'x-token': '******' } },
    ],
  ]
  for (const [entity, row, masked] of cases) assert.deepEqual(maskedRow(catalog, entity, { ...row }), masked, entity)
})
