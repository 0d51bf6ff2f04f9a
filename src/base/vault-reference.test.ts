/** The grammar of `{vault://...}` and how a secret is picked out of a JSON object. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { environmentSecretName, isVaultReference, parseVaultReference, pickSecret } from './vault-reference.ts'

const CASES: readonly [text: string, expected: ReturnType<typeof parseVaultReference>][] = [
  ['{vault://env/pg}', { vault: 'env', resource: 'pg', key: null, options: {}, version: null }],
  ['{vault://env/pg/password}', { vault: 'env', resource: 'pg', key: 'password', options: {}, version: null }],
  ['{vault://env/a/b/c}', { vault: 'env', resource: 'a/b', key: 'c', options: {}, version: null }],
  ['{vault://env/a/b/}', { vault: 'env', resource: 'a/b', key: null, options: {}, version: null }],
  [
    '{vault://my-1/x?prefix=SSL_&y=z#2}',
    { vault: 'my-1', resource: 'x', key: null, options: { prefix: 'SSL_', y: 'z' }, version: 2 },
  ],
  ['{vault://env/a%2fb%20c}', { vault: 'env', resource: 'a', key: 'b c', options: {}, version: null }],
  ['{vault://env/}', null],
  ['{vault://env}', null],
  ['{vault:///x}', null],
  ['{vault://env/x#y}', null],
  ['{vault://env/%zz}', null],
  ['x{vault://env/x}', null],
]

for (const [text, expected] of CASES) {
  test(`parseVaultReference() ${expected === null ? 'refuses' : 'takes apart'} when given ${text}`, () => {
    assert.deepEqual(parseVaultReference(text), expected)
  })
}

test('isVaultReference() wants the whole text to be one', () => {
  assert.ok(isVaultReference('{vault://env/x}'))
  for (const text of ['{vault://env/x', ' {vault://env/x}', 'vault://env/x', '', null, 7])
    assert.ok(!isVaultReference(text))
})

test('pickSecret() takes members of flat JSON objects when a key is asked for', () => {
  assert.deepEqual(pickSecret('text', null), { ok: true, value: 'text' })
  assert.deepEqual(pickSecret('{"a":"b"}', 'a'), { ok: true, value: 'b' })
  for (const [found, key] of [
    [null, null],
    ['{"a":1}', 'a'],
    ['{"a":"b"}', 'c'],
    ['[]', 'a'],
    ['null', 'a'],
    ['no json', 'a'],
  ] as const) {
    const picked = pickSecret(found, key)
    assert.ok(!picked.ok)
    assert.ok(!picked.error.includes('no json'), 'a secret must not get into an error text')
  }
})

test('environmentSecretName() follows the env vault when given prefix and version', () => {
  assert.equal(environmentSecretName('a-b/c', null, null), 'A_B/C')
  assert.equal(environmentSecretName('pw', 'app_', 2), 'APP_PW_PREVIOUS')
  assert.equal(environmentSecretName('pw', 'app-', 1), 'APP_PW')
})
