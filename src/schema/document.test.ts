/** Definitions as `/schemas/*` prints them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { schemaDocument } from './document.ts'
import * as field from './field.ts'

test('schemaDocument() lists fields in order, without functions and our own attributes', () => {
  const fields = {
    b: field.string({ since: '3.7', custom_validator: () => null, one_of: ['x'] }),
    a: field.record({ inner: field.record({ n: field.integer({ default: 1 }) }) }),
    c: field.array(field.record({ d: field.foreign('others', { eq: null, on_delete: 'cascade' }) })),
    d: field.record({}, { required: false }),
  }
  assert.deepEqual(schemaDocument({ fields }), {
    entity_checks: [],
    fields: [
      { b: { type: 'string', one_of: ['x'] } },
      {
        a: {
          type: 'record',
          required: true,
          fields: [{ inner: { type: 'record', required: true, fields: [{ n: { type: 'integer', default: 1 } }] } }],
        },
      },
      {
        c: {
          type: 'array',
          elements: {
            type: 'record',
            fields: [{ d: { type: 'foreign', reference: 'others', eq: null, on_delete: 'cascade' } }],
          },
        },
      },
      { d: { type: 'record', required: false, fields: [] } },
    ],
  })
})

test('schemaDocument() keeps the data of checks and shorthands', () => {
  const host = {
    name: 'redis_host',
    field: { type: 'string' },
    expand: () => ({}),
    replacedBy: { path: ['redis', 'host'] },
  }
  const document = schemaDocument({
    fields: { config: field.record({ a: field.string() }, { shorthand_fields: [host] }) },
    entity_checks: [{ custom_entity_check: { field_sources: ['a'], fn: () => null } }],
  })
  assert.deepEqual(document.entity_checks, [{ custom_entity_check: { field_sources: ['a'] } }])
  const [{ config }] = document.fields as unknown as [{ config: { shorthand_fields: unknown } }]
  assert.deepEqual(config.shorthand_fields, [
    { redis_host: { type: 'string', deprecation: { replaced_with: [{ path: ['redis', 'host'] }] } } },
  ])
})
