/** Hosts, addresses, paths, URLs and names: what is accepted, and the text for what is not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as hosts from './host-formats.ts'
import * as names from './name-formats.ts'
import * as uris from './uri-formats.ts'

type Check = (text: string) => string | null
const cases: readonly [check: Check, text: string, error: string | null][] = [
  [hosts.hostError, 'example.test', null],
  [hosts.hostError, 'example.test.', null],
  [hosts.hostError, '127.0.0.1', null],
  [hosts.hostError, '::1', null],
  [hosts.hostError, 'a_b.test', null],
  [hosts.hostError, 'x:80', 'must not have a port'],
  [hosts.hostError, 'x:99999', 'must not have a port'],
  [hosts.hostError, '1.2.3.400', 'invalid value: 1.2.3.400'],
  [hosts.hostError, 'a..b', 'invalid value: a..b'],
  [hosts.hostError, 'a-.b', 'invalid value: a-.b'],
  [hosts.hostError, 'a b', 'invalid value: a b'],
  [hosts.hostWithOptionalPortError, 'x:80', null],
  [hosts.hostWithOptionalPortError, 'x:99999', 'invalid port number'],
  [hosts.hostWithOptionalPortError, '!x', 'invalid hostname: !x'],
  [hosts.sniError, '10.0.0.1', 'must not be an IP'],
  [hosts.sniError, 'a:1', 'must not have a port'],
  [hosts.wildcardHostError, '*.example.test', null],
  [hosts.wildcardHostError, 'example.*', null],
  [hosts.wildcardHostError, 'a.*.b', 'wildcard must be leftmost or rightmost character'],
  [hosts.wildcardHostError, '*.a.*', 'only one wildcard must be specified'],
  [hosts.routeHostError, '*.example.test:8080', null],
  [hosts.ipError, '1.2.3.4', null],
  [hosts.ipError, '::ffff:1.2.3.4', null],
  [hosts.ipError, 'x', 'not an ip address: x'],
  [hosts.ipOrCidrError, '10.0.0.0/8', null],
  [hosts.ipOrCidrError, 'fe80::/10', null],
  [hosts.ipOrCidrError, '10.0.0.0/33', "invalid ip or cidr range: '10.0.0.0/33'"],
  [uris.pathError, '/a/b;c', null],
  [uris.pathError, '/a b', "invalid path: '/a b' (characters outside of the reserved list of RFC 3986 found)"],
  [uris.pathError, '/a%zz', "invalid url-encoded value: '%zz'"],
  [uris.pathError, '/a%', "invalid url-encoded value: '%'"],
  [uris.routePathError, '/a/', null],
  [uris.routePathError, '/a/./b', "non-normalized path, consider use '/a/b' instead"],
  [uris.routePathError, '/%61', "non-normalized path, consider use '/a' instead"],
  [uris.routePathError, '/%2f', "non-normalized path, consider use '/%2F' instead"],
  [uris.routePathError, '~/(?<name>x)$', null],
  [uris.routePathError, '~/(?P<name>x)$', null],
  [uris.routePathError, '~/(', "invalid regex: '/(' (PCRE returned: unclosed group)"],
  [uris.urlError, 'http://x', null],
  [uris.urlError, '/x', 'missing host in url'],
  [uris.urlError, '//x', 'missing scheme in url'],
  [names.utf8NameError, 'ünï-1', null],
  [
    names.utf8NameError,
    'a b',
    "invalid value 'a b': the only accepted ascii characters are alphanumerics or ., -, _, and ~",
  ],
  [names.utf8NameError, 'a\ufffd', 'invalid utf-8 character sequence detected at position 2'],
  [names.tagError, 'a b', null],
  [names.tagError, 'a,b', "invalid tag 'a,b': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"],
  [names.headerNameError, 'x y', "bad header name 'x y', allowed characters are A-Z, a-z, 0-9, '_', and '-'"],
  [names.httpTokenError, 'a!b', null],
]
for (const [check, text, error] of cases) {
  test(`${check.name}() answers ${error} when given ${text}`, () => {
    assert.equal(check(text), error)
  })
}

test('httpTokenError() refuses separators', () => {
  assert.match(names.httpTokenError('a;b') ?? '', /^contains one or more invalid characters\. ASCII control characters/)
})

const normal: readonly [path: string, expected: string][] = [
  ['/', '/'],
  ['/a/../../b', '/b'],
  ['/a/..', '/'],
  ['/a/b/.', '/a/b/'],
  ['/a//b', '/a/b'],
  ['/%7Ea', '/~a'],
  ['/%2e%2e/a', '/a'],
  ['/%e4%bd', Buffer.from([0x2f, 0xe4, 0xbd]).toString('utf8')],
]
for (const [path, expected] of normal) {
  test(`normalizePath() makes ${expected} when given ${path}`, () => assert.equal(uris.normalizePath(path), expected))
}

test('parseUrl() splits loosely, as LuaSocket', () => {
  assert.deepEqual(uris.parseUrl('HTTPS://u:p@[::1]:8443/p;x?q#f'), {
    scheme: 'https',
    host: '::1',
    port: '8443',
    path: '/p',
  })
  assert.deepEqual(uris.parseUrl('nope'), { scheme: null, host: null, port: null, path: 'nope' })
})

test('formatHost() brackets IPv6 and adds the port', () => {
  const parsed = hosts.parseHost('::1')
  assert.ok(typeof parsed !== 'string')
  assert.equal(hosts.formatHost(parsed, 8000), '[0000:0000:0000:0000:0000:0000:0000:0001]:8000')
})
