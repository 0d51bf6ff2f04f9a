/** Configurations moved by `kong config db_export` and `db_import`, and a file as Kong 3.9 exports it. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseYaml } from '../../src/declarative/yaml.ts'
import { selfSignedPair } from './certificate-pair.ts'
import type { CommandResult, TestNode } from './nodes.ts'

export async function exportOf(node: TestNode, folder: string): Promise<string> {
  const file = join(folder, `${randomUUID()}.yml`)
  const { status, stderr } = await node.kong('config', 'db_export', file)
  assert.equal(status, 0, stderr)
  return readFileSync(file, 'utf8')
}

export async function importInto(node: TestNode, folder: string, text: string): Promise<CommandResult> {
  const file = join(folder, `${randomUUID()}.yml`)
  writeFileSync(file, text)
  return node.kong('config', 'db_import', file)
}

/**
 * Written from the facts of Kong 3.9.1 (kong/db/declarative/export.lua): rows one after the other below their entity,
 * fields in no order, unset ones as `~`, foreign keys as ids, `ttl` as the second of expiry, the deprecated names of a
 * plugin's settings beside the new ones, and the cluster's own parameters.
 */
export function kongExport(): string {
  const { cert, key } = selfSignedPair('orders.test')
  const block = (pem: string) => pem.trimEnd().replaceAll('\n', '\n    ')
  return readFileSync(new URL('./kong-db-export.yml', import.meta.url), 'utf8')
    .replace('@CERTIFICATE@', block(cert))
    .replace('@KEY@', block(key))
}

type Document = Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>

/** Every row of the Kong export is in an export of ours, with every value that it has. */
export function assertHoldsAll(exported: string, original: string): void {
  const [ours, theirs] = [exported, original].map(text => rowsOf(text))
  assert.deepEqual([...ours!.keys()].sort(), [...theirs!.keys()].sort())
  for (const [name, row] of theirs!) {
    const found = ours!.get(name)!
    for (const [field, value] of Object.entries(row)) {
      const expected = field === 'config' ? withoutOldNames(value as object) : value
      assert.deepEqual(found[field], expected, `${name}.${field}`)
    }
  }
}

function rowsOf(text: string): Map<string, Readonly<Record<string, unknown>>> {
  const document = parseYaml(text) as Document
  const rows = new Map<string, Readonly<Record<string, unknown>>>()
  for (const [entity, list] of Object.entries(document)) {
    if (!Array.isArray(list)) continue
    for (const row of list) rows.set(`${entity} ${row['id'] ?? row['key']}`, row)
  }
  return rows
}

function withoutOldNames(config: object): object {
  return Object.fromEntries(Object.entries(config).filter(([name]) => !name.startsWith('redis_')))
}
