import assert from 'node:assert/strict'
import { test } from 'node:test'
import { escapePath, normalizePath } from './normal-path.ts'

const PATHS: readonly (readonly [path: string, normal: string, sent: string])[] = [
  ['/', '/', '/'],
  ['/echo//a', '/echo/a', '/echo/a'],
  ['/echo/./a', '/echo/a', '/echo/a'],
  ['/echo/../echo/b', '/echo/b', '/echo/b'],
  ['/..', '/', '/'],
  ['/../../a', '/a', '/a'],
  ['/a/..', '/', '/'],
  ['/a/b/..', '/a/', '/a/'],
  ['/a/.', '/a/', '/a/'],
  ['/a/b/.', '/a/b/', '/a/b/'],
  ['//', '/', '/'],
  ['/a//b/', '/a/b/', '/a/b/'],
  ['/...', '/...', '/...'],
  ['/.a/..b', '/.a/..b', '/.a/..b'],
  ['/%41', '/A', '/A'],
  ['/%65cho', '/echo', '/echo'],
  ['/%2f', '/%2F', '/%2F'],
  ['/..%2fx', '/..%2Fx', '/..%2Fx'],
  ['/%2e%2e/a', '/a', '/a'],
  ['/a%20b', '/a b', '/a%20b'],
  ['/%e4', '/\xe4', '/%E4'],
  ['/\xc3\xbc', '/\xc3\xbc', '/%C3%BC'],
  ['/%5c', '/\\', '/%5C'],
  ['/%25', '/%25', '/%25'],
  ['/a+b', '/a+b', '/a+b'],
  ['/;p=1', '/;p=1', '/;p=1'],
  ['/a#frag', '/a#frag', '/a#frag'],
  ['/%zz', '/%zz', '/%zz'],
  ['/%0a', '/\n', '/%0A'],
]

for (const [path, normal, sent] of PATHS) {
  test(`normalizePath() makes ${JSON.stringify(normal)} of ${path}, sent as ${sent}`, () => {
    assert.equal(normalizePath(path), normal)
    assert.equal(escapePath(normal), sent)
  })
}
