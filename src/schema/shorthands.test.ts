/** Shorthand fields and old names: how they expand, who wins, what reads show. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ShorthandField } from './entity.ts'
import * as field from './field.ts'
import { expandShorthands, withDeprecatedNames } from './shorthands.ts'

const oldHost: ShorthandField = {
  name: 'redis_host',
  field: { type: 'string' },
  expand: value => ({ redis: { host: value } }),
  replacedBy: { path: ['redis', 'host'] },
}
const address: ShorthandField = {
  name: 'address',
  field: { type: 'string' },
  expand: value => ({ host: String(value).split(':')[0], port: Number(String(value).split(':')[1]) }),
}
const fields = {
  config: field.record({ redis: field.record({ host: field.string() }) }, { shorthand_fields: [oldHost] }),
}

test('expandShorthands() overrides given fields when the shorthand is not an old name', () => {
  const expansion = expandShorthands({}, [address], { address: 'a:1', host: 'b', other: 1 })
  assert.deepEqual(expansion, { ok: true, values: { host: 'a', port: 1, other: 1 } })
})
test('expandShorthands() lets given fields win when the shorthand is an old name', () => {
  const given = { config: { redis_host: 'a', redis: { host: 'a', port: 1 } } }
  assert.deepEqual(expandShorthands(fields, [], given), {
    ok: true,
    values: { config: { redis: { host: 'a', port: 1 } } },
  })
})
test('expandShorthands() refuses an old and a new name when their values differ', () => {
  const expansion = expandShorthands(fields, [], { config: { redis_host: 'a', redis: { host: 'b' } } })
  const text = 'both deprecated and new field are used but their values mismatch: redis_host = a vs redis.host = b'
  assert.deepEqual(expansion, { ok: false, errors: { config: { redis_host: text } } })
})
test('expandShorthands() judges the value of the shorthand itself', () => {
  assert.deepEqual(expandShorthands({}, [address], { address: 5 }), {
    ok: false,
    errors: { address: 'expected a string' },
  })
})
test('expandShorthands() does not change the input', () => {
  const input = Object.freeze({ address: 'a:1' })
  expandShorthands({}, [address], input)
  assert.deepEqual(input, { address: 'a:1' })
})
test('withDeprecatedNames() adds old names to what is shown', () => {
  const row = Object.freeze({ config: Object.freeze({ redis: { host: 'a' } }) })
  assert.deepEqual(withDeprecatedNames(fields, [], row), { config: { redis: { host: 'a' }, redis_host: 'a' } })
})
