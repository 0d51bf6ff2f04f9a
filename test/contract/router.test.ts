/**
 * What the router must answer for routes in the traditional form, in the flavours `traditional_compatible` and
 * `expressions`: a table of cases, and the slow router's answers.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Row } from '../../src/entities/config.ts'
import { explainMatch } from '../../src/proxy/router/explain.ts'
import { IndexedRouter } from '../../src/proxy/router/indexed-router.ts'
import { referenceMatch } from './reference-router.ts'
import { answer, type Case, choosers, compiled, id, request } from './router.kit.ts'

const CASES: readonly Case[] = [
  {
    name: 'a prefix is plain text, not segments',
    routes: [{ paths: ['/foo'] }],
    requests: [
      [{ path: '/foobar' }, 1, '/foo'],
      [{ path: '/fo' }, 0],
      [{ path: '/Foo' }, 0],
    ],
  },
  {
    name: 'the longer prefix goes first',
    routes: [{ paths: ['/'] }, { paths: ['/a/b'] }, { paths: ['/a'] }],
    requests: [
      [{ path: '/a/b/c' }, 2, '/a/b'],
      [{ path: '/a/c' }, 3, '/a'],
      [{ path: '/x' }, 1, '/'],
    ],
  },
  {
    name: 'more kinds of conditions go first, whatever they are',
    routes: [
      { hosts: ['*.com'] },
      { methods: ['GET'], paths: ['/'] },
      { hosts: ['*.com'], paths: ['/'], methods: ['PUT'] },
    ],
    requests: [
      [{}, 2],
      [{ method: 'POST' }, 1],
      [{ method: 'PUT' }, 3],
    ],
  },
  {
    name: 'plain hosts, then regexes, outweigh up to three kinds of conditions, as in Kong 3.9',
    routes: [
      { hosts: ['example.com'] },
      { paths: ['~/.'] },
      { methods: ['GET'], paths: ['/'], headers: { a: ['1'] } },
      { methods: ['PUT'], paths: ['/'], headers: { a: ['1'] }, snis: ['x'] },
    ],
    requests: [
      [{ path: '/a', headers: { a: ['1'] } }, 1],
      [{ host: 'x', path: '/a', headers: { a: ['1'] } }, 2],
      [{ host: 'x', path: '/', headers: { a: ['1'] } }, 3],
      [{ method: 'PUT', path: '/a', headers: { a: ['1'] } }, 4],
    ],
  },
  {
    name: 'plain hosts go before wildcards, also when one of several is a wildcard',
    routes: [{ hosts: ['*.example.com', 'a.example.com'] }, { hosts: ['a.example.com'] }],
    requests: [
      [{ host: 'a.example.com' }, 2],
      [{ host: 'b.example.com' }, 1],
      [{ host: 'example.com' }, 0],
    ],
  },
  {
    name: 'wildcards match any number of labels, at the start or at the end',
    routes: [{ hosts: ['*.example.com'] }, { hosts: ['api.*'] }],
    requests: [
      [{ host: 'x.y.example.com' }, 1],
      [{ host: 'api.test' }, 2],
      [{ host: 'api.a.b' }, 2],
      [{ host: 'api' }, 0],
    ],
  },
  {
    name: 'a host is compared as sent',
    routes: [{ hosts: ['example.com'] }],
    requests: [
      [{ host: 'Example.com' }, 0],
      [{ host: '' }, 0],
    ],
  },
  {
    name: 'a host with port asks for that port, one without for none',
    routes: [{ hosts: ['example.com:8443'] }, { hosts: ['*.test:90', 'a.test:91'] }],
    requests: [
      [{ port: 8443 }, 1],
      [{ port: 80 }, 0],
      [{ host: 'a.test', port: 90 }, 2],
      [{ host: 'a.test', port: 91 }, 2],
      [{ host: 'b.test', port: 91 }, 0],
    ],
  },
  {
    name: 'a regex goes before a prefix, a higher regex_priority before a lower',
    routes: [
      { paths: ['/user/profile'] },
      { paths: ['~/user/\\w+'], regex_priority: 1 },
      { paths: ['~/user/pro.*'], regex_priority: 2 },
    ],
    requests: [
      [{ path: '/user/profile' }, 3, '/user/profile'],
      [{ path: '/user/me/x' }, 2, '/user/me'],
    ],
  },
  {
    name: 'a regex is anchored at its start only',
    routes: [{ paths: ['~/a/\\d'] }],
    requests: [
      [{ path: '/a/12' }, 1, '/a/1'],
      [{ path: '/b/a/1' }, 0],
    ],
  },
  {
    name: 'more headers go first',
    routes: [{ headers: { 'x-a': ['1'] } }, { headers: { 'x-a': ['1'], 'x-b': ['2'] } }],
    requests: [
      [{ headers: { 'x-a': ['1'], 'x-b': ['2'] } }, 2],
      [{ headers: { 'x-a': ['1'] } }, 1],
      [{ headers: { 'x-b': ['2'] } }, 0],
    ],
  },
  {
    name: 'header names and values are compared without case, any sent value counts, ~* is a regex',
    routes: [{ headers: { X_Kind: ['Blue', '~*^gr.+$'] } }],
    requests: [
      [{ headers: { 'x-kind': ['red', 'BLUE'] } }, 1],
      [{ headers: { 'x-kind': ['Green'] } }, 1],
      [{ headers: { 'x-kind': ['grr'] } }, 1],
      [{ headers: { 'x-kind': ['a green'] } }, 0],
    ],
  },
  {
    name: 'a header sent with underscores is the one meant, before the one with dashes',
    routes: [{ headers: { 'x-kind': ['a'] } }],
    requests: [
      [{ headers: { x_kind: ['a'] } }, 1],
      [{ headers: { x_kind: ['b'], 'x-kind': ['a'] } }, 0],
    ],
  },
  {
    name: 'snis count for TLS only',
    routes: [{ snis: ['a.test.', '*.b.test'], protocols: ['https'] }],
    requests: [
      [{ scheme: 'http' }, 1],
      [{ scheme: 'https', sni: 'a.test' }, 1],
      [{ scheme: 'https', sni: 'x.b.test' }, 1],
      [{ scheme: 'https', sni: 'c.test' }, 0],
      [{ scheme: 'https', sni: '' }, 0],
    ],
  },
  {
    name: 'protocols do not take part',
    routes: [{ paths: ['/'], protocols: ['https'] }],
    requests: [[{ scheme: 'http' }, 1]],
  },
  {
    name: 'of equal routes the one with the larger id answers',
    routes: [{ paths: ['/a'] }, { paths: ['/a'] }],
    requests: [[{ path: '/a' }, 2]],
  },
  {
    name: 'paths of different length have priorities of their own',
    routes: [{ paths: ['/a', '/abc/def'] }, { paths: ['/abc'] }],
    requests: [
      [{ path: '/abc/def' }, 1, '/abc/def'],
      [{ path: '/abc' }, 2, '/abc'],
      [{ path: '/ab' }, 1, '/a'],
    ],
  },
  {
    name: 'text beyond ASCII is compared as bytes, and regexes see characters',
    routes: [{ paths: ['/é'] }, { paths: ['~/x/.$'] }],
    requests: [
      [{ path: '/\xc3\xa9' }, 1, '/\xc3\xa9'],
      [{ path: '/x/\xc3\xa9' }, 2, '/x/\xc3\xa9'],
      [{ path: '/x/\xff' }, 2, '/x/\xff'],
    ],
  },
  { name: 'a route without conditions matches nothing', routes: [{ paths: [] }], requests: [[{}, 0]] },
]

for (const flavor of ['traditional_compatible', 'expressions'] as const)
  for (const { name, routes, requests } of CASES)
    test(`match() of ${flavor} answers by the rule: ${name}`, () => {
      const router = new IndexedRouter(flavor)
      const rows = routes.map((row, i) => ({ ...row, id: id(i + 1) }))
      for (const row of rows) router.add(compiled(row))
      for (const [asked, route, matchedPath] of requests) {
        const input = request(asked)
        const match = router.match(input)
        assert.equal(match?.route.id ?? null, route === 0 ? null : id(route), JSON.stringify(asked))
        if (matchedPath !== undefined) assert.equal(match!.matchedPath, matchedPath)
        assert.equal(explainMatch({ flavor, rows, input }).chosen?.['id'] ?? null, route === 0 ? null : id(route))
      }
    })

test('match() gives captures by number and name when a regex has groups', () => {
  const router = new IndexedRouter('traditional_compatible')
  router.add(compiled({ id: id(1), paths: ['~/users/(?P<user>\\d+)/(?<rest>.*)?(x)?'] }))
  router.add(compiled({ id: id(2), paths: ['~/plain/\\d+'] }))
  assert.deepEqual(router.match(request({ path: '/users/7/a' }))!.uriCaptures, {
    '0': '/users/7/a',
    '1': '7',
    '2': 'a',
    user: '7',
    rest: 'a',
  })
  assert.equal(router.match(request({ path: '/plain/7' }))!.uriCaptures, null)
})

// Small alphabets, so that routes overlap, tie and shadow one another all the time.
const HOSTS = ['a.com', 'b.a.com', '*.com', '*.a.com', 'a.*', 'b.a.*', 'a.com:80', '*.com:81', 'b.a.com:81', 'odd*']
const PATHS = [
  '/',
  '/a',
  '/b',
  '/a/b',
  '/a/',
  '/ab',
  '/abc',
  '/a/b/c',
  '~/a',
  '~/a/(?<n>\\w+)',
  '~/(a|b)+',
  '~/a/b$',
  '~.*c',
  '~/(?i)A/B',
]
const HEADERS = ['x-a', 'X_B', 'x-c']
const VALUES = ['1', '2', 'One', '~*^[12]$', '~*on']
const METHODS = ['GET', 'PUT', 'POST', 'PATCH']
const SNIS = ['a.com', '*.a.com', 'b.*', 'c.com.']

function generators(seed: number) {
  const { random, below, one, some, chance } = choosers(seed)
  const headerMap = (max: number, values: readonly string[]) =>
    Object.fromEntries(some(HEADERS, max).map(name => [name, some(values, 2)]))
  const row = (): Row => {
    const conditions: Record<string, unknown> = {
      hosts: chance(0.5) ? some(HOSTS, 3) : null,
      paths: chance(0.7) ? some(PATHS, 4) : chance(0.1) ? [] : null,
      methods: chance(0.3) ? some(METHODS, 2) : null,
      headers: chance(0.3) ? headerMap(3, VALUES) : null,
      snis: chance(0.2) ? some(SNIS, 2) : null,
      regex_priority: below(3),
    }
    return { id: random.uuid(), ...conditions }
  }
  const input = () =>
    request({
      method: one([...METHODS, 'TRACE']),
      host: one(['a.com', 'b.a.com', 'c.b.a.com', 'b.a.org', 'a.org', 'oddly', '', 'z']),
      port: one([80, 81]),
      path: one(['/', '/a', '/a/b', '/a/b/c', '/abc', '/b', '/ba', '/x', '/A/B', '/a/b/c/d']),
      scheme: one(['http', 'https']),
      sni: one(['', 'a.com', 'x.a.com', 'b.org', 'c.com']),
      headers: Object.fromEntries(
        some(['x-a', 'x-b', 'x_b', 'x-c'], 3).map(name => [name, some(['1', '2', 'ONE', 'x'], 2)]),
      ),
    })
  return { random, below, one, chance, row, input }
}

/** JavaScript has no inline flags in this form; the reference gets the same meaning in its own words. */
function forReference(row: Row): Row {
  const paths = row['paths'] as readonly string[] | null
  return { ...row, paths: paths?.map(path => path.replace('(?i)A/B', '[aA]/[bB]')) ?? null }
}

for (const [size, rounds] of [
  [5, 150],
  [40, 60],
  [300, 8],
] as const)
  test(`match() answers as the slow router does, with about ${size} random routes coming and going`, () => {
    const seed = Number(process.env['SEED'] ?? 20_240_600 + size)
    const { row, input, below, chance } = generators(seed)
    const router = new IndexedRouter('traditional_compatible')
    const rows: Row[] = []
    for (let round = 0; round < rounds; round++) {
      for (let edit = 0; edit < size / 4 + 2; edit++) {
        if (rows.length > 0 && chance(rows.length / (2 * size))) {
          const [gone] = rows.splice(below(rows.length), 1)
          router.remove(compiled(gone!))
        } else {
          // A third of the additions replace a route that is there.
          const added =
            rows.length > 0 && chance(0.3) ? { ...row(), id: rows.splice(below(rows.length), 1)[0]!['id'] } : row()
          rows.push(added)
          router.add(compiled(added))
        }
      }
      assert.equal(router.size, rows.length)
      const references = rows.map(forReference)
      const asked = input()
      // As slow as it is plain.
      const explained = round % 5 > 0 ? null : explainMatch({ flavor: 'traditional_compatible', rows, input: asked })
      const explanation = explained?.chosen && {
        id: explained.chosen['id'],
        matchedPath: explained.matchedPath,
        uriCaptures: explained.uriCaptures,
      }
      if (explained !== null) assert.deepEqual(explanation, answer(router, asked), `SEED=${seed} round ${round}`)
      for (let i = 0; i < 25; i++) {
        const asked = input()
        const { header, headerValues, ...shown } = asked
        const about = () => `SEED=${seed} round ${round}: ${JSON.stringify({ ...shown, a: headerValues('x-a') })}`
        assert.deepEqual(answer(router, asked), referenceMatch(references, asked), about())
      }
    }
    for (const gone of rows) router.remove(compiled(gone))
    assert.equal(router.match(request({ host: 'a.com', path: '/a' })), null)
  })
