/** Lua patterns as they occur in schemas. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { luaPattern } from './lua-pattern.ts'

const cases: readonly [pattern: string, accepts: readonly string[], refuses: readonly string[]][] = [
  ['^%u+$', ['GET'], ['get', 'G-T', '']],
  ['^[a-z][a-z%d-]-[a-z%d]+$', ['ab', 'my-env-1'], ['a', '1a', 'a-', 'A1']],
  ['^[^*]*%*?[^*]*$', ['a', '*.b', 'b.*'], ['*.b.*']],
  ['%.%*$', ['a.*'], ['a*', 'a.*b']],
  ['^[%a_-][%a%d_-]*$', ['_a-1', '-x'], ['1a', '']],
  ['^[%w%.%-%_~]+$', ['a.b-c_d~1'], ['a b', 'é']],
  ['^%d+[%.%d]*%-?.*$', ['3.9.1-dev', '3'], ['v3']],
  ['%.%.', ['1..2'], ['1.2']],
  ['^[]a]$', [']', 'a'], ['b']],
  ['a-b', ['b', 'aab'], ['a']],
  ['^%S+$', ['a$b'], ['a b']],
]
for (const [pattern, accepts, refuses] of cases) {
  test(`luaPattern() matches as Lua does when given ${pattern}`, () => {
    for (const text of accepts) assert.ok(luaPattern(pattern).test(text), text)
    for (const text of refuses) assert.ok(!luaPattern(pattern).test(text), text)
  })
}
