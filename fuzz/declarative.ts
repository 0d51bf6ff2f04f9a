/** Declarative documents from random JSON and random text: parsing never throws, and accepted ones survive an export. */
import assert from 'node:assert/strict'
import type { Random } from '../src/base/random.ts'
import { exportYaml } from '../src/declarative/export.ts'
import { flattenErrors } from '../src/declarative/flatten.ts'
import { parseDocument, parseText } from '../src/declarative/parse.ts'
import { createCatalog } from '../src/entities/catalog.ts'
import type { Row } from '../src/entities/config.ts'
import { pick, randomObject } from '../test/kit/random-json.ts'

export const name = 'declarative'

const NAMES = ['name', 'host', 'paths', 'url', 'username', 'id', 'service', 'target', 'tags', 'kid', 'prefix', 'snis']
const TEXT = [
  'a',
  ':',
  ' ',
  '\n',
  '- ',
  '[',
  ']',
  '{',
  '}',
  '&a',
  '*a',
  '<<',
  '"',
  "'",
  '|',
  '#',
  '~',
  '!!str',
  '1',
  '\t',
  '---\n',
]

export function run(random: Random, isOver: () => boolean): number {
  const catalog = createCatalog()
  const context = { catalog, nowMs: 1_700_000_000_000, uuid: random.uuid, randomBytes: random.bytes, partial: true }
  const entities = catalog.definitions.map(definition => definition.name)
  let count = 0
  for (; !isOver(); count++) {
    const document = { ...randomObject({ random, names: [...entities, ...NAMES] }, 6), _format_version: '3.0' }
    const parsed = parseDocument(document, context)
    if (!parsed.ok) flattenErrors(document, parsed.errors, catalog)
    else {
      const rows = Map.groupBy(parsed.rows, row => row.entity)
      const source = { catalog, rows: (entity: string): Row[] => (rows.get(entity) ?? []).map(({ row }) => row) }
      const again = parseText(exportYaml(source), 'kong.yml', context)
      assert.ok(again.ok, again.ok ? '' : `${JSON.stringify(document)}\n${again.message}`)
      assert.deepEqual(
        again.rows.map(({ key }) => key).sort(),
        parsed.rows
          .filter(isExported)
          .map(({ key }) => key)
          .sort(),
      )
    }
    parseText(Array.from({ length: 30 }, () => pick(random, TEXT)).join(''), undefined, context)
  }
  return count

  function isExported({ entity }: { readonly entity: string }): boolean {
    return entity !== 'workspaces' && catalog.get(entity).db_export !== false
  }
}
