/** Validation by small definitions: each rule with its text, and how the operations fill and merge. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type EntityDefinition, defineEntity } from './entity.ts'
import * as field from './field.ts'
import type { Field, Fields } from './field.ts'
import { type ValidateContext, validate } from './validate.ts'

const UUID = '7b1cf6c4-3ae7-4f9d-9f6e-0d3f5a3c2b10'
const context: ValidateContext = {
  operation: 'insert',
  nowMs: 1_700_000_000_123,
  uuid: () => UUID,
  randomBytes: count => Buffer.alloc(count, 0xfb),
}

function define(fields: Fields, rest: Partial<EntityDefinition> = {}): EntityDefinition {
  return defineEntity({ name: 'things', fields, ...rest })
}
function errorsOf(definition: EntityDefinition, input: Record<string, unknown>, change: Partial<ValidateContext> = {}) {
  const result = validate(definition, input, { ...context, ...change })
  return result.ok ? null : result.errors
}
function rowOf(definition: EntityDefinition, input: Record<string, unknown>, change: Partial<ValidateContext> = {}) {
  const result = validate(definition, input, { ...context, ...change })
  assert.ok(result.ok, JSON.stringify(result))
  return result.row
}

describe('validate() of one field', () => {
  const text = (a: field.StringAttributes) => field.string(a) as Field
  const cases: readonly [what: string, f: Field, value: unknown, error: unknown][] = [
    ['a string', field.string(), 5, 'expected a string'],
    ['an empty string', field.string(), '', 'length must be at least 1'],
    ['an empty string that may be', text({ len_min: 0 }), '', null],
    ['len_min in bytes', text({ len_min: 2 }), 'é', null],
    ['len_max in bytes', text({ len_max: 1 }), 'é', 'length must be at most 1'],
    ['len_eq', text({ len_eq: 3 }), 'ab', 'length must be 3'],
    ['one_of', text({ one_of: ['a', 'b'] }), 'c', 'expected one of: a, b'],
    ['not_one_of', text({ not_one_of: ['a', 'b'] }), 'a', 'must not be one of: a, b'],
    ['eq', text({ eq: 'x' }), 'y', 'value must be x'],
    ['ne', text({ ne: 'x' }), 'x', 'value must not be x'],
    ['eq null', text({ eq: null }), 'x', 'value must be null'],
    ['ne null', text({ ne: null }), null, 'value must not be null'],
    ['eq against null', text({ eq: 'x' }), null, 'value must be x'],
    ['starts_with', text({ starts_with: '/' }), 'a', 'should start with: /'],
    ['match', text({ match: '^%u+$' }), 'a', 'invalid value: a'],
    ['not_match', text({ not_match: '%d' }), 'a1', 'invalid value: a1'],
    ['match_none', text({ match_none: [{ pattern: '//', err: 'no' }] }), 'a//b', 'no'],
    ['match_all', text({ match_all: [{ pattern: '^a', err: 'must begin' }] }), 'b', 'must begin'],
    ['match_any', text({ match_any: { patterns: ['^a', '^b'], err: 'a or b' } }), 'c', 'a or b'],
    ['uuid', text({ uuid: true }), 'x', 'expected a valid UUID'],
    ['uuid in capitals', text({ uuid: true }), UUID.toUpperCase(), null],
    ['is_regex', text({ is_regex: true }), '(', 'not a valid regex: ('],
    ['custom_validator', text({ custom_validator: value => `not ${value}` }), 'a', 'not a'],
    ['err in place of any text', text({ one_of: ['a'], err: 'wrong' }), 'b', 'wrong'],
    ['the order of rules', text({ one_of: ['a'], len_max: 1 }), 'bbb', 'expected one of: a'],
    ['an integer', field.integer(), 1.5, 'expected an integer'],
    ['a text for an integer', field.integer(), '1', 'expected an integer'],
    ['between', field.integer({ between: [1, 3] }), 4, 'value should be between 1 and 3'],
    ['between with fractions', field.number({ between: [0.001, 5] }), 9, 'value should be between 0 and 5'],
    ['gt', field.number({ gt: 0 }), 0, 'value must be greater than 0'],
    ['timestamp', field.integer({ timestamp: true }), 0, 'expected a valid timestamp'],
    ['a number', field.number(), true, 'expected a number'],
    ['a boolean', field.boolean(), 'true', 'expected a boolean'],
    ['required', field.string({ required: true }), null, 'required field missing'],
    ['an array', field.array(field.string()), 'a', 'expected an array'],
    ['an object for an array', field.array(field.string()), { a: 1 }, 'expected an array'],
    ['an empty object for an array', field.array(field.string()), {}, null],
    ['elements', field.array(field.string()), ['a', 1, 'b', 2], [null, 'expected a string', null, 'expected a string']],
    ['a null element', field.array(field.string()), [null], ['required field missing']],
    ['a set', field.set(field.string()), 1, 'expected a set'],
    ['contains', field.array(field.string(), { contains: 'a' }), ['b'], 'expected to contain: a'],
    ['len_min of a list', field.array(field.string(), { len_min: 1 }), [], 'length must be at least 1'],
    [
      'mutually_exclusive_subsets',
      field.set(field.string(), { mutually_exclusive_subsets: [['a', 'b'], ['c'], ['d']] }),
      ['c', 'b', 'a'],
      "these sets are mutually exclusive: ('c'), ('a', 'b')",
    ],
    ['a map', field.map(field.string(), field.integer()), 'a', 'expected a map'],
    ['a key of a map', field.map(field.string({ match: '^a' }), field.integer()), { b: 1 }, 'invalid value: b'],
    ['a value of a map', field.map(field.string(), field.integer()), { a: 'b' }, 'expected an integer'],
    ['a record', field.record({ a: field.string() }), 'a', 'expected a record'],
    ['a list for a record', field.record({ a: field.string() }), ['x'], { 1: 'unknown field' }],
    [
      'a member of a record',
      field.record({ a: field.string() }),
      { a: 1, b: null },
      { a: 'expected a string', b: 'unknown field' },
    ],
    ['a foreign key', field.foreign('others'), { id: 'x' }, { id: 'expected a valid UUID' }],
    ['a foreign key without id', field.foreign('others'), { name: 'x' }, { id: 'missing primary key' }],
    ['a text for a foreign key', field.foreign('others'), UUID, { id: 'missing primary key' }],
    ['a vault reference', text({ referenceable: true, one_of: ['a'] }), '{vault://env/x}', null],
    ['a vault reference where none may be', text({ one_of: ['a'] }), '{vault://env/x}', 'expected one of: a'],
  ]
  for (const [what, f, value, error] of cases) {
    test(`validate() judges ${what} when given ${JSON.stringify(value)}`, () => {
      assert.deepEqual(errorsOf(define({ x: f }), { x: value }), error === null ? null : { x: error })
    })
  }

  test('validate() names unknown fields when they are given, save updated_at', () => {
    assert.deepEqual(errorsOf(define({ a: field.string() }), { b: 1, updated_at: 'x' }), { b: 'unknown field' })
  })
  test('validate() lets ttl through as a number when the entity has one', () => {
    const mortal = define({ a: field.string() }, { ttl: true })
    assert.deepEqual(rowOf(mortal, { ttl: 5 }), { a: null, ttl: 5 })
    assert.deepEqual(rowOf(mortal, {}), { a: null })
    assert.deepEqual(errorsOf(mortal, { ttl: 'x' }), { ttl: 'expected a number' })
    assert.deepEqual(errorsOf(define({ a: field.string() }), { ttl: 5 }), { ttl: 'unknown field' })
  })
  test('validate() takes __proto__ for an unknown field when it is sent', () => {
    const errors = errorsOf(define({ a: field.string() }), JSON.parse('{"__proto__": {"a": "x"}}'))
    assert.deepEqual(Object.entries(errors!), [['__proto__', 'unknown field']])
  })
})

describe('validate() across fields', () => {
  const fields = { a: field.string(), b: field.string(), c: field.string({ referenceable: true }) }
  const cases: readonly [check: object, input: Record<string, unknown>, errors: unknown][] = [
    [{ at_least_one_of: ['a', 'b'] }, {}, { '@entity': ["at least one of these fields must be non-empty: 'a', 'b'"] }],
    [{ only_one_of: ['a', 'b'] }, {}, { '@entity': ["exactly one of these fields must be non-empty: 'a', 'b'"] }],
    [{ only_one_of: ['a', 'b'] }, { a: 'x' }, null],
    [
      { distinct: ['a', 'b'] },
      { a: 'x', b: 'x' },
      { '@entity': ["values of these fields must be distinct: 'a', 'b'"] },
    ],
    [
      { mutually_required: ['a', 'b'] },
      { a: 'x' },
      { '@entity': ["all or none of these fields must be set: 'a', 'b'"] },
    ],
    [
      { mutually_exclusive: ['a', 'b'] },
      { a: 'x', b: 'y' },
      { '@entity': ["only one or none of these fields must be set: 'a', 'b'"] },
    ],
    [
      { mutually_exclusive_sets: { set1: ['a'], set2: ['b', 'c'] } },
      { a: 'x', b: 'y', c: 'z' },
      { '@entity': ["these sets are mutually exclusive: ('a'), ('b', 'c')"] },
    ],
    [
      { conditional: { if_field: 'a', if_match: { one_of: ['x'] }, then_field: 'b', then_match: { required: true } } },
      { a: 'x' },
      { b: 'required field missing', '@entity': ["failed conditional validation given value of field 'a'"] },
    ],
    [
      {
        conditional: {
          if_field: 'a',
          if_match: { eq: 'x' },
          then_field: 'b',
          then_match: { eq: null },
          then_err: 'no %s',
        },
      },
      { a: 'x', b: 'y' },
      { b: 'value must be null', '@entity': ['no a'] },
    ],
    [
      { conditional: { if_field: 'a', if_match: { eq: 'x' }, then_field: 'c', then_match: { one_of: ['y'] } } },
      { a: 'x', c: '{vault://env/c}' },
      null,
    ],
    [
      {
        conditional_at_least_one_of: {
          if_field: 'a',
          if_match: { eq: 'x' },
          then_at_least_one_of: ['b', 'c'],
          then_err: 'one of %s',
          else_match: { eq: 'y' },
          else_then_at_least_one_of: ['c'],
        },
      },
      { a: 'x' },
      { '@entity': ["one of 'b', 'c'"] },
    ],
    [
      { custom_entity_check: { field_sources: ['a'], fn: (row: Record<string, unknown>) => `bad ${row['a']}` } },
      { a: 'x' },
      { '@entity': ['bad x'] },
    ],
  ]
  for (const [check, input, errors] of cases) {
    test(`validate() applies ${Object.keys(check)[0]} when given ${JSON.stringify(input)}`, () => {
      assert.deepEqual(errorsOf(define(fields, { entity_checks: [check as never] }), input), errors)
    })
  }
  test('validate() does not run a custom check when one of its fields is wrong', () => {
    const fn = () => assert.fail('must not run')
    const definition = define(fields, { entity_checks: [{ custom_entity_check: { field_sources: ['a'], fn } }] })
    assert.deepEqual(errorsOf(definition, { a: 5 }), { a: 'expected a string' })
  })
  test('validate() reads dotted names when a check speaks of a record', () => {
    const definition = define(
      { config: field.record({ a: field.string(), b: field.string() }) },
      { entity_checks: [{ at_least_one_of: ['config.a', 'config.b'] }] },
    )
    assert.equal(errorsOf(definition, { config: { b: 'x' } }), null)
    assert.deepEqual(errorsOf(definition, {}), {
      '@entity': ["at least one of these fields must be non-empty: 'config.a', 'config.b'"],
    })
  })
  test('validate() says "when updating" when a PATCH leaves nothing', () => {
    const definition = define(fields, { entity_checks: [{ at_least_one_of: ['a', 'b'] }] })
    const errors = errorsOf(definition, { a: null }, { operation: 'update', existing: { a: 'x', b: null, c: null } })
    assert.deepEqual(errors, { '@entity': ["when updating, at least one of these fields must be non-empty: 'a', 'b'"] })
  })
})

describe('validate() filling and merging', () => {
  const definition = define({
    id: field.id(),
    created_at: field.integer({ timestamp: true, auto: true }),
    updated_at: field.number({ timestamp: true, auto: true }),
    secret: field.string({ auto: true }),
    list: field.set(field.string(), { default: ['a'] }),
    nested: field.record({
      on: field.boolean({ default: true }),
      deep: field.record({ n: field.integer({ default: 3 }) }),
    }),
    perhaps: field.record({ n: field.integer({ default: 3 }) }, { required: false }),
    text: field.string(),
  })
  const stored = {
    id: UUID,
    created_at: 5,
    updated_at: 5,
    secret: 's',
    list: ['a'],
    nested: { on: false, deep: { n: 9 } },
    perhaps: null,
    text: 'x',
  }

  test('validate() fills defaults, times, ids and secrets when inserting', () => {
    assert.deepEqual(rowOf(definition, {}), {
      id: UUID,
      created_at: 1_700_000_000,
      updated_at: 1_700_000_000.123,
      secret: rowOf(definition, {})['secret'],
      list: ['a'],
      nested: { on: true, deep: { n: 3 } },
      perhaps: null,
      text: null,
    })
    assert.match(String(rowOf(definition, {})['secret']), /^[A-Za-z0-9]{32}$/)
  })
  test('validate() keeps what is given when inserting, and drops duplicates of a set', () => {
    const row = rowOf(definition, {
      id: UUID,
      created_at: 7,
      secret: 'mine',
      list: ['b', 'a', 'b'],
      nested: { on: false },
    })
    assert.deepEqual([row['created_at'], row['secret'], row['list']], [7, 'mine', ['b', 'a']])
    assert.deepEqual(row['nested'], { on: false, deep: { n: 3 } })
  })
  test('validate() does not share defaults between rows', () => {
    assert.notEqual(rowOf(definition, {})['list'], rowOf(definition, {})['list'])
  })
  test('validate() merges records and replaces lists when updating', () => {
    const input = { nested: { deep: { n: 1 } }, list: ['z'] }
    const row = rowOf(definition, input, { operation: 'update', existing: stored })
    assert.deepEqual(row, {
      ...stored,
      updated_at: 1_700_000_000.123,
      nested: { on: false, deep: { n: 1 } },
      list: ['z'],
    })
  })
  test('validate() resets to null, not to the default, when updating with null', () => {
    const row = rowOf(definition, { list: null, text: null }, { operation: 'update', existing: stored })
    assert.deepEqual([row['list'], row['text']], [null, null])
  })
  test('validate() generates nothing when reading stored rows, and ignores unknown nulls', () => {
    const { secret: _, ...older } = stored
    const row = rowOf(definition, { ...older, newer_field: null }, { operation: 'stored' })
    assert.deepEqual(row, { ...stored, secret: null })
    assert.deepEqual(errorsOf(definition, { ...stored, newer: 1 }, { operation: 'stored' }), { newer: 'unknown field' })
  })
  test('validate() refuses changes of immutable fields', () => {
    const fixed = define({ a: field.string({ immutable: true }) })
    const change = { operation: 'update', existing: { a: 'x' } } as const
    assert.deepEqual(errorsOf(fixed, { a: 'y' }, change), { a: 'immutable field cannot be updated' })
    assert.equal(errorsOf(fixed, { a: 'x' }, change), null)
  })
  test('validate() demands what a transformation needs when only a part is sent', () => {
    const hashed = define(
      { secret: field.string(), owner: field.foreign('owners') },
      {
        transform_inputs: [{ input: ['secret'], needs: ['owner.id'] }],
        transform: row => ({ ...row, secret: 'hashed' }),
      },
    )
    assert.equal(rowOf(hashed, { secret: 'x', owner: { id: UUID } })['secret'], 'hashed')
    assert.equal(rowOf(hashed, { secret: 'x', owner: { id: UUID } }, { transform: false })['secret'], 'x')
    const existing = { secret: 'hashed', owner: { id: UUID } }
    assert.deepEqual(errorsOf(hashed, { secret: 'y' }, { operation: 'update', existing }), {
      '@entity': ["all or none of these fields must be set: 'secret', 'owner.id'"],
    })
  })
})

describe('validate() with subschemas', () => {
  const definition = define(
    { kind: field.string({ required: true }), config: field.record({}, { abstract: true }) },
    { subschema_key: 'kind' },
  )
  const circle = { fields: { config: field.record({ radius: field.number({ required: true }) }) } }
  const subschema: ValidateContext['subschema'] = row =>
    row['kind'] === 'circle' ? circle : { errors: { kind: `no ${row['kind']}` } }

  test('validate() reports only the key when it is missing or unknown', () => {
    assert.deepEqual(errorsOf(definition, { config: 1 }, { subschema }), { kind: 'required field missing' })
    assert.deepEqual(errorsOf(definition, { kind: 'cube', x: 1 }, { subschema }), { kind: 'no cube' })
  })
  test('validate() uses the fields of the subschema when the key is known', () => {
    assert.deepEqual(errorsOf(definition, { kind: 'circle' }, { subschema }), {
      config: { radius: 'required field missing' },
    })
    assert.deepEqual(rowOf(definition, { kind: 'circle', config: { radius: 2 } }, { subschema })['config'], {
      radius: 2,
    })
  })
})
