/** The list of bundled plugins: names, order, documentation, tests, and examples that are valid. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { configOf, fakeTools } from '../../test/kit/plugin-exchange.ts'
import { bundledPlugins, pluginEntities, pluginSchemas } from './bundled.ts'

test('bundledPlugins has these names with these priorities, highest first', () => {
  assert.deepEqual(
    bundledPlugins.map(({ name, priority }) => [name, priority]),
    [
      ['correlation-id', 100001],
      ['cors', 2000],
      ['key-auth', 1250],
      ['ip-restriction', 990],
      ['rate-limiting', 910],
      ['request-transformer', 801],
      ['response-transformer', 800],
      ['prometheus', 13],
      ['http-log', 12],
      ['request-termination', 2],
    ],
  )
  assert.equal(new Set(bundledPlugins.map(({ priority }) => priority)).size, bundledPlugins.length)
})

for (const plugin of bundledPlugins) {
  test(`bundledPlugins ${plugin.name} has a test, documentation and an example that can be prepared`, () => {
    assert.ok(existsSync(new URL(`./${plugin.name}.test.ts`, import.meta.url)))
    assert.match(plugin.docs.summary, /^[A-Z].*\.$/)
    const config = configOf(plugin, plugin.docs.example)
    assert.equal(plugin.config_validator?.(config) ?? null, null)
    const handlers = plugin.prepare(config, fakeTools())
    assert.ok(Object.keys(handlers).length > 0)
  })
  test(`bundledPlugins ${plugin.name} describes every field of its config`, () => {
    for (const [name, field] of Object.entries(plugin.config)) {
      if (name === 'queue') continue
      assert.ok(field.description, `${plugin.name}.config.${name} has no description`)
    }
  })
}

test('pluginSchemas() offers the policy cluster only when asked to', () => {
  const policies = (clusterPolicy: boolean) =>
    pluginSchemas({ clusterPolicy }).find(({ name }) => name === 'rate-limiting')!.config['policy']!.one_of
  assert.deepEqual(policies(true), ['local', 'cluster', 'redis'])
  assert.deepEqual(policies(false), ['local', 'redis'])
})

test('pluginSchemas() tells nothing of how plugins act', () => {
  for (const schema of pluginSchemas({ clusterPolicy: true })) {
    assert.deepEqual(
      Object.keys(schema).filter(key => ['prepare', 'docs', 'entities'].includes(key)),
      [],
    )
  }
})

test('pluginEntities has the credentials of key-auth', () => {
  assert.deepEqual(
    pluginEntities.map(({ name }) => name),
    ['keyauth_credentials'],
  )
})
