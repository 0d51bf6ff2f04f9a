/** Arguments of queries and bodies, multipart included. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeBodyArguments, findMember, parseBodyArguments, removeMember } from './body-arguments.ts'
import { encodeMultipart, multipartBoundary, parseMultipart } from './multipart.ts'
import { encodeFormArguments, parseFormArguments } from './request-arguments.ts'

const forms: [text: string, table: object, encoded: string][] = [
  ['', {}, ''],
  ['a=1&b=2&a=3', { a: ['1', '3'], b: '2' }, 'a=1&a=3&b=2'],
  ['a&b=', { a: true, b: '' }, 'a&b='],
  ['a=x+y%20z', { a: 'x y z' }, 'a=x%20y%20z'],
  ['a=%zz&&b=1', { a: '%zz', b: '1' }, 'a=%25zz&b=1'],
  ['__proto__=1', Object.fromEntries([['__proto__', '1']]), '__proto__=1'],
]
for (const [text, table, encoded] of forms) {
  test(`parseFormArguments() reads ${JSON.stringify(table)} when given ${JSON.stringify(text)}`, () => {
    const parsed = parseFormArguments(text)
    assert.deepEqual(Object.fromEntries(parsed), table)
    assert.equal(encodeFormArguments(parsed), encoded)
  })
}

test('parseFormArguments() reads no more than 1000 arguments', () => {
  assert.equal(parseFormArguments(Array.from({ length: 5000 }, (_, i) => `a${i}=1`).join('&')).size, 1000)
})

test('a form with more arguments than are looked at keeps the rest when it is written anew', () => {
  const body = parseBodyArguments('application/x-www-form-urlencoded', Buffer.from('b=1&a=2&c=3&b=%34&d'), () => 2)!
  assert.deepEqual([findMember(body, 'a'), findMember(body, 'c')], ['2', undefined])
  assert.equal(encodeBodyArguments(body), 'a=2&b=1&c=3&b=%34&d')
  removeMember(body, 'b')
  assert.equal(encodeBodyArguments(body), 'a=2&c=3&d')
})

const part = (name: string, value: string) =>
  `--B\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`

test('parseMultipart() and encodeMultipart() give the same bytes, whatever the values hold', () => {
  for (const value of ['', 'x', '\r\n\r\n', '-- B', 'é\0', '\r\n--A--']) {
    const body = Buffer.from(`${part('a', value)}${part('b', '2')}--B--\r\n`)
    const parts = parseMultipart(body, 'B')!
    assert.deepEqual(
      parts.map(one => [one.name, one.value.toString()]),
      [
        ['a', value],
        ['b', '2'],
      ],
    )
    assert.deepEqual(encodeMultipart(parts, 'B'), body)
  }
})

for (const body of [
  '',
  'text',
  '--B',
  '--B\r\n',
  `${part('a', '1')}`,
  '--B\r\nhead--B--\r\n\r\n',
  `${part('a', '1').repeat(1001)}--B--`,
]) {
  test(`parseMultipart() refuses a body that is not whole: ${JSON.stringify(body.slice(0, 30))}`, () => {
    assert.equal(parseMultipart(Buffer.from(body), 'B'), null)
  })
}

test('multipartBoundary() reads both spellings', () => {
  assert.equal(multipartBoundary('multipart/form-data; boundary=abc'), 'abc')
  assert.equal(multipartBoundary('multipart/form-data; charset=x; Boundary="a b"'), 'a b')
  assert.equal(multipartBoundary('multipart/form-data'), null)
})

test('findMember() and removeMember() see only what the sender named', () => {
  const json = parseBodyArguments('application/json', Buffer.from('{"a":1}'))!
  assert.equal(findMember(json, 'toString'), undefined)
  removeMember(json, 'a')
  assert.equal(encodeBodyArguments(json), '{}')
  assert.equal(parseBodyArguments('application/json', Buffer.from('5')), null)
  assert.equal(parseBodyArguments('text/plain', Buffer.from('a=1')), null)
  assert.equal(parseBodyArguments(undefined, Buffer.from('a=1')), null)
})
