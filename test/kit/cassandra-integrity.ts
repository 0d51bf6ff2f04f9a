/** Whether the tables of a Cassandra store agree with each other: nothing lost, nothing left over. */
import assert from 'node:assert/strict'
import { EMPTY_CONFIG_HASH, type Row } from '../../src/entities/config.ts'
import { rowDigest, toggleDigest } from '../../src/entities/config-digest.ts'
import { connectCassandra } from '../../src/store/cassandra/cassandra-client.ts'
import { bucketOf, numberOf } from '../../src/store/cassandra/cassandra-tables.ts'
import { expiryOf, keyOf, parentsOf, parseRow, tagsOf, uniquesOf } from '../../src/store/cassandra/rows.ts'
import type { CassandraOptions } from '../../src/store/cassandra/connection-options.ts'
import type { Tables } from '../../src/store/sql/tables.ts'

export async function checkIntegrity(options: CassandraOptions, tables: Tables): Promise<void> {
  const client = await connectCassandra(options, options.keyspace)
  try {
    const lines = async (table: string, columns: readonly string[]) =>
      (await client.read(`select ${columns.join(', ')} from ${table}`, [], 'decisive'))
        .map(row => JSON.stringify(columns.map(column => row[column])))
        .sort()
    const rows = new Map<string, Row>()
    const expected = {
      unique: [] as unknown[],
      children: [] as unknown[],
      tags: [] as unknown[],
      expiries: [] as unknown[],
    }
    let hash = EMPTY_CONFIG_HASH
    for (const stored of await client.read('select entity, bucket, key, row from config_rows', [], 'decisive')) {
      const [entity, key] = [stored['entity'] as string, stored['key'] as string]
      const table = tables.get(entity)
      const row = parseRow(table, stored['row'] as string)
      assert.equal(stored['bucket'], bucketOf(key))
      assert.equal(keyOf(table, row), key)
      rows.set(`${entity} ${key}`, row)
      for (const pair of uniquesOf(table, row)) expected.unique.push([entity, ...pair, key])
      for (const pair of parentsOf(table, row)) expected.children.push([entity, ...pair, key])
      for (const tag of tagsOf(row)) expected.tags.push([bucketOf(tag), tag, entity, key])
      const expiry = expiryOf(table, row)
      if (expiry !== null) expected.expiries.push([entity, expiry, key])
      if (table.exported) hash = toggleDigest(hash, rowDigest(entity, key, row))
    }
    for (const [name, row] of rows) {
      const table = tables.get(name.split(' ')[0]!)
      for (const [field, parent] of parentsOf(table, row)) {
        assert.ok(rows.has(`${tables.column(table, field).references} ${parent}`), `${name} dangles by ${field}`)
      }
    }
    const sorted = (list: readonly unknown[]) => list.map(line => JSON.stringify(line)).sort()
    assert.deepEqual(await lines('config_unique', ['entity', 'field', 'value', 'key']), sorted(expected.unique))
    assert.deepEqual(await lines('config_children', ['entity', 'field', 'parent', 'key']), sorted(expected.children))
    assert.deepEqual(await lines('config_tags', ['bucket', 'tag', 'entity', 'key']), sorted(expected.tags))
    assert.deepEqual(await lines('config_expiries', ['entity', 'expires_at', 'key']), sorted(expected.expiries))
    const [state] = await client.readSerial('select revision, config_hash from config_state', [])
    const [applied] = await client.read('select revision from config_applied', [], 'decisive')
    assert.equal(state!['config_hash'], hash)
    assert.equal(numberOf(applied!['revision']), numberOf(state!['revision']))
  } finally {
    await client.close()
  }
}
