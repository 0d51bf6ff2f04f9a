/** Rows of every core entity from random JSON: validation never throws, and what it accepts it accepts again. */
import assert from 'node:assert/strict'
import type { Random } from '../src/base/random.ts'
import { createCatalog } from '../src/entities/catalog.ts'
import * as field from '../src/schema/field.ts'
import { schemaViolationMessage } from '../src/schema/messages.ts'
import { randomJson, randomObject } from '../test/kit/random-json.ts'

export const name = 'validate'

export function run(random: Random, isOver: () => boolean): number {
  const config = {
    a: field.string(),
    b: field.record({ c: field.integer({ default: 1 }) }),
    l: field.array(field.number()),
  }
  const scopes = ['service', 'route', 'consumer']
  const plugins = [{ name: 'a', priority: 1, protocols: ['http'], scopes, config }]
  const catalog = createCatalog({ plugins, vaults: new Map([['env', { prefix: field.string() }]]) })
  const context = { nowMs: 1_700_000_000_000, uuid: random.uuid, randomBytes: random.bytes }
  let count = 0
  while (!isOver()) {
    for (const definition of catalog.definitions) {
      count += 1
      const names = Object.keys(definition.fields)
      const input = randomObject({ random, names: [...names, 'url', 'ip', 'port', 'id', 'active', 'healthy'] })
      const existing = randomJson({ random, names }) as Record<string, unknown>
      const update = {
        ...context,
        operation: 'update',
        existing: typeof existing === 'object' ? (existing ?? {}) : {},
      } as const
      catalog.validateRow(definition.name, input, update)
      const result = catalog.validateRow(definition.name, input, { ...context, operation: 'insert' })
      if (!result.ok) {
        assert.ok(schemaViolationMessage(result.errors).length > 0)
        continue
      }
      const again = catalog.validateRow(definition.name, result.row, { ...context, operation: 'stored' })
      assert.ok(again.ok, `${definition.name} ${JSON.stringify(input)} ${JSON.stringify(again)}`)
      assert.deepEqual(again.row, result.row)
    }
  }
  return count
}
