/**
 * What `/schemas/*` publishes, attribute by attribute, against facts read from the schemas of Kong 3.9.1.
 *
 * kong-3.9.txt has a line for each field and check: kind, name, field, attributes (keys in order, without
 * descriptions; empty lists and objects as null). `required` of nested parts is compared only where Kong writes it:
 * it fills the rest in while it validates.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createCatalog } from '../../src/entities/catalog.ts'
import { pluginEntities, pluginSchemas } from '../../src/plugins/bundled.ts'
import { schemaDocument } from '../../src/schema/document.ts'

type Json = Record<string, unknown>
const catalog = createCatalog({
  plugins: pluginSchemas({ clusterPolicy: true }),
  extraEntities: pluginEntities,
  vaults: new Map([['env', {}]]),
})
const facts = readFileSync(new URL('schemas/kong-3.9.txt', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
const parsed = facts.map(line => {
  const [kind, name, field] = line.split(' ', 3) as [string, string, string]
  return { kind, name, field, attributes: JSON.parse(line.slice(`${kind} ${name} ${field} `.length)) as Json }
})

for (const [key, lines] of Map.groupBy(parsed, ({ kind, name }) => `${kind} ${name}`)) {
  test(`schemaDocument() publishes the ${key} as Kong does`, () => {
    const { kind, name } = lines[0]!
    const ours = kind === 'entity' ? catalog.get(name) : catalog.subschema('plugins', { name })
    assert.ok(ours !== null && 'fields' in ours)
    const document = schemaDocument(ours)
    const fields = members(document.fields)
    for (const { field, attributes } of lines.filter(line => line.field !== '@check')) {
      const found = field.startsWith('config.')
        ? members((fields['config'] as Json)['fields'] as Json[])[field.slice('config.'.length)]
        : fields[field]
      assert.deepEqual(comparable(unordered(found), unordered(attributes)), unordered(attributes), field)
    }
    if (kind === 'entity') {
      assert.deepEqual(
        Object.keys(fields),
        lines.filter(line => line.field !== '@check').map(line => line.field),
      )
    }
    const checks = lines.filter(line => line.field === '@check').map(line => line.attributes)
    if (checks.length > 0) assert.deepEqual(comparable(document.entity_checks, checks), checks)
  })
}

function members(list: readonly Json[]): Json {
  return Object.assign({}, ...list) as Json
}

/** Kong makes the members of health checks from a table, in no order. */
function unordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unordered)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([name, member]) => {
    return [name, unordered(name === 'fields' && Array.isArray(member) ? members(member as Json[]) : member)] as const
  })
  return Object.fromEntries(entries)
}

function comparable(value: unknown, fact: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const known = (typeof fact === 'object' && fact !== null ? fact : {}) as Json
  if (Array.isArray(value)) {
    return value.length === 0 ? null : value.map((member, at) => comparable(member, (fact as unknown[] | null)?.[at]))
  }
  const kept = Object.keys(value)
    .filter(name => name !== 'description' && (name !== 'required' || name in known))
    .map(name => [name, comparable((value as Json)[name], known[name])] as const)
  return kept.length === 0 ? null : Object.fromEntries(kept)
}
