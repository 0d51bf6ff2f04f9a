/** The example in each plugin's documentation is a valid plugin. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandom } from '../../src/base/random.ts'
import { createCatalog } from '../../src/entities/catalog.ts'
import { bundledPlugins, pluginEntities, pluginSchemas } from '../../src/plugins/bundled.ts'

const catalog = createCatalog({ plugins: pluginSchemas({ clusterPolicy: true }), extraEntities: pluginEntities })
for (const { name, docs } of bundledPlugins) {
  test(`validateRow() takes the example of ${name} when it is inserted`, () => {
    const { uuid, bytes: randomBytes } = systemRandom
    const context = { operation: 'insert', nowMs: Date.UTC(2026, 0), uuid, randomBytes } as const
    const input = { name, config: docs.example }
    const validation = catalog.validateRow('plugins', input, context)
    assert.deepEqual(validation.ok ? null : validation.errors, null)
  })
}
