import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cacheKeyOf, decodeRow, encodeRow, tableOf } from './columns.ts'
import { defineEntity, type EntityDefinition } from './entity.ts'
import * as field from './field.ts'

const definition = defineEntity({
  name: 'things',
  cache_key: ['name', 'parent'],
  ttl: true,
  fields: {
    id: field.id(),
    name: field.string({ required: true }),
    count: field.integer(),
    ratio: field.number(),
    on: field.boolean(),
    list: field.array(field.string()),
    parent: field.foreign('parents', { on_delete: 'cascade' }),
    passing: field.string({ transient: true }),
  },
}) as EntityDefinition
const table = tableOf(definition)
const row = {
  id: 'x',
  name: 'ä"\0',
  count: 3,
  ratio: 0.1,
  on: false,
  list: ['', 'a'],
  parent: { id: 'p' },
  ttl: 1_700_000_000.5,
}
const empty = { id: 'x', name: 'n', count: null, ratio: null, on: null, list: null, parent: null, ttl: null }

test('tableOf() gives a column a field, by its type, and none to transient ones', () => {
  assert.deepEqual(
    table.columns.map(({ name, kind }) => [name, kind]),
    [
      ['id', 'text'],
      ['name', 'text'],
      ['count', 'integer'],
      ['ratio', 'double'],
      ['on', 'boolean'],
      ['list', 'json'],
      ['parent_id', 'text'],
      ['ttl', 'double'],
    ],
  )
  assert.equal(table.primary.name, 'id')
  assert.deepEqual([table.cacheKey, table.ttl, table.exported, table.tagged], [['name', 'parent'], true, true, false])
})

test('decodeRow() gives back what encodeRow() was given', () => {
  for (const given of [row, empty]) assert.deepEqual(decodeRow(table, encodeRow(table, given)), given)
})

test('encodeRow() leaves out what is no column, and takes what is missing for null', () => {
  assert.deepEqual(decodeRow(table, encodeRow(table, { id: 'x', name: 'n', passing: 'by' })), empty)
})

test('encodeRow() makes text well formed, so that it reads as it was written', () => {
  assert.equal(encodeRow(table, { ...row, name: 'a\ud800b' })['name'], 'a\ufffdb')
})

test('encodeRow() refuses numbers that a column cannot hold', () => {
  assert.throws(() => encodeRow(table, { ...row, count: 2 ** 63 }), /out of range in column 'count'/)
  assert.equal(encodeRow(table, { ...row, count: 2 ** 53 + 2 })['count'], 2 ** 53 + 2)
  assert.throws(() => encodeRow(table, { ...row, ratio: Number.POSITIVE_INFINITY }), RangeError)
})

test('cacheKeyOf() differs for different keys, even with separators within or parts missing', () => {
  const keys = [
    { name: 'a', parent: null },
    { name: 'a', parent: 'b' },
    { name: 'a:b', parent: null },
    { name: 'a%3Ab', parent: null },
    { name: 'a:', parent: 'b' },
  ]
  assert.equal(new Set(keys.map(key => cacheKeyOf(table, key))).size, keys.length)
  assert.equal(cacheKeyOf(table, { name: 'a', parent: { id: 'b' } }), cacheKeyOf(table, { name: 'a', parent: 'b' }))
})
