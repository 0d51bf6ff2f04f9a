/** Form names and values, by Kong's conventions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeFormArguments, inferArguments } from './form-arguments.ts'
import * as field from './field.ts'

const decode = (query: string) => decodeFormArguments([...new URLSearchParams(query)])

const structures: readonly [query: string, args: unknown][] = [
  ['a=1&b=2', { a: '1', b: '2' }],
  ['a=1&a=2&a=3', { a: ['1', '2', '3'] }],
  ['a[]=1&a[]=2', { a: ['1', '2'] }],
  ['a[]=1', { a: ['1'] }],
  ['a[2]=y&a[1]=x', { a: ['x', 'y'] }],
  ['a[2]=y', { a: { 2: 'y' } }],
  ['a.b.c=1&a.b.d=2', { a: { b: { c: '1', d: '2' } } }],
  ['a[k]=v&a[l]=w', { a: { k: 'v', l: 'w' } }],
  ['a[k.l]=v', { a: { 'k.l': 'v' } }],
  ['a[1].b=x&a[2].b=y', { a: [{ b: 'x' }, { b: 'y' }] }],
  ['a%255B%255D=1', { a: ['1'] }],
  ['.a=1&b.=2', { '.a': '1', 'b.': '2' }],
  ['[5].x=1', { '[5]': { x: '1' } }],
  ['a[=1', { 'a[': '1' }],
  ['headers.x-a[]=1', { headers: { 'x-a': ['1'] } }],
  ['=1', { '': '1' }],
]
for (const [query, args] of structures) {
  test(`decodeFormArguments() builds ${JSON.stringify(args)} when given ${query}`, () => {
    assert.deepEqual(decode(query), args)
  })
}

test('decodeFormArguments() makes a member of its own when a name is __proto__', () => {
  const args = decode('__proto__.x=1&a.__proto__=2')
  assert.ok(Object.hasOwn(args, '__proto__'))
  assert.equal(Object.getPrototypeOf(args), Object.prototype)
  assert.equal(({} as Record<string, unknown>)['x'], undefined)
})

const fields = {
  count: field.integer(),
  ratio: field.number(),
  on: field.boolean(),
  list: field.array(field.integer()),
  tags: field.set(field.string()),
  labels: field.map(field.string(), field.integer()),
  nested: field.record({ n: field.integer(), deep: field.record({ on: field.boolean() }) }),
  service: field.foreign('services'),
  name: field.string(),
}
const inferences: readonly [query: string, args: unknown][] = [
  ['count=5&ratio=1.5e3&on=true&name=7', { count: 5, ratio: 1500, on: true, name: '7' }],
  ['count=abc&on=yes', { count: 'abc', on: 'yes' }],
  ['count=0x10', { count: 16 }],
  ['count=&name=&service.id=', { count: null, name: null, service: { id: null } }],
  ['list=1', { list: [1] }],
  ['list[]=1&list[]=x', { list: [1, 'x'] }],
  ['tags=a,b', { tags: ['a,b'] }],
  ['labels[a]=1&labels.b=2', { labels: { a: 1, b: 2 } }],
  ['labels[1]=5', { labels: { 1: 5 } }],
  ['nested.n=1&nested.deep.on=false&nested.x=1', { nested: { n: 1, deep: { on: false }, x: '1' } }],
  ['service.name=x', { service: { name: 'x' } }],
  ['ttl=60&unknown=1', { ttl: 60, unknown: '1' }],
]
for (const [query, args] of inferences) {
  test(`inferArguments() gives ${JSON.stringify(args)} when given ${query}`, () => {
    assert.deepEqual(inferArguments(decode(query), fields), args)
  })
}

test('inferArguments() types shorthand fields', () => {
  const port = { name: 'redis_port', field: { type: 'integer' }, expand: () => ({}) }
  assert.deepEqual(inferArguments({ redis_port: '6379' }, fields, [port]), { redis_port: 6379 })
})
