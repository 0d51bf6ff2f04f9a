/** Exports: what is left out, in what form, and that they can be read back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/random.ts'
import { createCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import * as field from '../schema/field.ts'
import { DATA_PLANE_EXPORT, exportDocument, exportYaml, FILE_EXPORT } from './export.ts'
import { flattenErrors } from './flatten.ts'
import { parseDocument, parseText } from './parse.ts'

const catalog = createCatalog({
  plugins: [
    {
      name: 'p',
      priority: 1,
      protocols: ['http'],
      scopes: ['service', 'route', 'consumer'],
      config: { n: field.number() },
    },
  ],
})
const random = seededRandom(4)
const context = { catalog, nowMs: 1_700_000_000_000, uuid: random.uuid, randomBytes: random.bytes }

function sourceOf(document: Record<string, unknown>) {
  const parsed = parseDocument({ _format_version: '3.0', ...document }, context)
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.message)
  const rows = Map.groupBy(parsed.rows, row => row.entity)
  return { catalog, rows: (entity: string): Row[] => (rows.get(entity) ?? []).map(({ row }) => row) }
}
const document = {
  services: [
    { name: 'on', host: 'a', routes: [{ name: 'r1', paths: ['/1'], plugins: [{ name: 'p' }] }] },
    { name: 'off', host: 'b', enabled: false, routes: [{ name: 'r2', paths: ['/2'], plugins: [{ name: 'p' }] }] },
  ],
  consumers: [{ username: 'c', plugins: [{ name: 'p', enabled: false }] }],
}
const names = (list: unknown) => (list as Row[]).map(row => row['name'])

test('exportDocument() writes everything but workspaces when it is for a file', () => {
  const exported = exportDocument(sourceOf(document), FILE_EXPORT)
  assert.deepEqual(Object.keys(exported), [
    '_format_version',
    '_transform',
    'consumers',
    'services',
    'routes',
    'plugins',
  ])
  assert.deepEqual([exported['_format_version'], exported['_transform']], ['3.0', false])
  assert.deepEqual([names(exported['routes']).sort(), names(exported['plugins']).length], [['r1', 'r2'], 3])
  const [route] = exported['routes'] as Row[]
  assert.equal(typeof route!['service'], 'string')
  assert.equal(route!['hosts'], null)
})
test('exportDocument() leaves out what is disabled, and what hangs on it, when it is for data planes', () => {
  const exported = exportDocument(sourceOf(document), DATA_PLANE_EXPORT)
  assert.deepEqual(names(exported['services']), ['on'])
  assert.deepEqual(names(exported['routes']), ['r1'])
  assert.equal((exported['plugins'] as Row[]).length, 1)
  assert.deepEqual(names(exported['workspaces']), ['default'])
})
test('exportDocument() orders rows by primary key', () => {
  const ids = (exportDocument(sourceOf(document), FILE_EXPORT)['plugins'] as Row[]).map(row => row['id'])
  assert.deepEqual(ids, ids.toSorted())
})
test('parseText() reads what exportYaml() wrote as the same rows', () => {
  const source = sourceOf(document)
  const parsed = parseText(exportYaml(source), 'kong.yml', { ...context, nowMs: 1_800_000_000_000, partial: true })
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.message)
  const again = Map.groupBy(parsed.rows, row => row.entity)
  for (const { name } of catalog.definitions.filter(definition => definition.name !== 'workspaces')) {
    const sorted = (rows: Row[]) => rows.map(row => JSON.stringify({ ...row, updated_at: 0 })).sort()
    assert.deepEqual(sorted((again.get(name) ?? []).map(({ row }) => row)), sorted(source.rows(name)), name)
  }
})

test('flattenErrors() lists nested entities on their own, with a key to their parent', () => {
  const id = '7b1cf6c4-3ae7-4f9d-9f6e-0d3f5a3c2b10'
  const bad = {
    _format_version: '3.0',
    foos: 1,
    services: [
      { id, host: 'a', tags: ['t'], protocol: 'tcp', path: '/x', routes: [{ name: 'r', paths: ['/ok', 'x'] }] },
    ],
  }
  const parsed = parseDocument(bad, context)
  assert.ok(!parsed.ok)
  const { flattened, rest } = flattenErrors(bad, parsed.errors, catalog)
  assert.deepEqual(rest, { foos: 'unknown field' })
  assert.deepEqual(flattened, [
    {
      entity_type: 'route',
      entity_name: 'r',
      entity: { name: 'r', paths: ['/ok', 'x'], service: { id } },
      errors: [{ type: 'field', field: 'paths.2', message: 'should start with: / (fixed path) or ~/ (regex path)' }],
    },
    {
      entity_type: 'service',
      entity_id: id,
      entity_tags: ['t'],
      entity: { id, host: 'a', tags: ['t'], protocol: 'tcp', path: '/x' },
      errors: [
        { type: 'entity', message: "failed conditional validation given value of field 'protocol'" },
        { type: 'field', field: 'path', message: 'value must be null' },
      ],
    },
  ])
})

test('flattenErrors() lists an entity written in the place of a reference on its own', () => {
  const id = '5d0d9d3e-30bb-4f0c-8f0d-6f6ae0d2a1f7'
  const bad = {
    _format_version: '3.0',
    services: [
      { name: 'a', host: 'a', protocol: 'https', client_certificate: { cert: '', key: '', tags: ['c'] } },
      { name: 'b', host: '', protocol: 'https', client_certificate: { id } },
    ],
  }
  const parsed = parseDocument(bad, context)
  assert.ok(!parsed.ok)
  const { flattened, rest } = flattenErrors(bad, parsed.errors, catalog)
  assert.deepEqual(rest, {})
  assert.deepEqual(flattened, [
    {
      entity_type: 'certificate',
      entity_tags: ['c'],
      entity: { cert: '', key: '', tags: ['c'] },
      errors: [
        { type: 'field', field: 'cert', message: 'length must be at least 1' },
        { type: 'field', field: 'key', message: 'length must be at least 1' },
      ],
    },
    {
      entity_type: 'service',
      entity_name: 'b',
      entity: { name: 'b', host: '', protocol: 'https', client_certificate: { id } },
      errors: [{ type: 'field', field: 'host', message: 'length must be at least 1' }],
    },
  ])
})
