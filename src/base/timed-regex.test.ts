import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RegexSyntaxError } from './rust-regex.ts'
import { compileTimedRegex } from './timed-regex.ts'

for (const [pattern, text, expected] of [
  ['^(?:.*\\.example\\.com$)', 'a.example.com', true],
  ['^(?:.*\\.example\\.com$)', 'a.example.com.evil', false],
  ['^https?://(?!admin\\.)\\w+\\.test$', 'https://www.test', true],
  ['^https?://(?!admin\\.)\\w+\\.test$', 'https://admin.test', false],
  ['^(a+)-\\1$', 'aa-aa', true],
  ['^(a+)-\\1$', 'aa-a', false],
  ['^(?P<x>a)(?=b)', 'ab', true],
] as const) {
  test(`compileTimedRegex() of ${pattern} ${expected ? 'matches' : 'does not match'} ${text}`, () => {
    assert.equal(compileTimedRegex(pattern).exec(text) !== null, expected)
  })
}

test('compileTimedRegex() refuses what no engine takes', () => {
  for (const pattern of ['(a', 'a{2,1}', '[b-a]']) assert.throws(() => compileTimedRegex(pattern), RegexSyntaxError)
})

for (const pattern of ['^(a+)+$', '^(?!x)(a+)+$', '^(a|a)*\\1$', '^(?:(?:a*)*)*b(?=c)']) {
  test(`compileTimedRegex() of ${pattern} comes to an end`, { timeout: 10_000 }, () => {
    assert.equal(compileTimedRegex(pattern).exec(`${'a'.repeat(1000)}!`), null)
  })
}

test('compileTimedRegex() shows groups, of what look-around is left out', () => {
  assert.deepEqual(
    { ...compileTimedRegex('(?<=@)(\\w+)').exec('a@bc')! },
    { ...(/(?<=@)(\w+)/.exec('a@bc') as object) },
  )
})
