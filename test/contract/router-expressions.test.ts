/** What expressions mean: a table of cases, and random expressions against a plain evaluation of the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Row } from '../../src/entities/config.ts'
import { explainMatch } from '../../src/proxy/router/explain.ts'
import { IndexedRouter } from '../../src/proxy/router/indexed-router.ts'
import type { RouterInput } from '../../src/proxy/router/router.ts'
import { type Asked, type Case, choosers, compiled, id, request } from './router.kit.ts'

/** An expression, and requests for which it must and must not hold. */
const MEANINGS: readonly (readonly [expression: string, holds: readonly Asked[], fails: readonly Asked[]])[] = [
  ['http.method == "GET"', [{}], [{ method: 'PUT' }]],
  ['http.method != "GET"', [{ method: 'PUT' }], [{}]],
  ['http.host == "a.test"', [{ host: 'a.test' }], [{ host: 'A.test' }, { host: '' }]],
  ['lower(http.host) == "a.test"', [{ host: 'A.TEST' }], [{ host: 'b.test' }]],
  ['http.host != "a.test"', [{ host: 'b' }], [{ host: 'a.test' }, { host: '' }]],
  ['http.host =^ ".a.test"', [{ host: 'x.a.test' }], [{ host: 'a.test' }]],
  ['http.host =^ "a.test"', [{ host: 'xa.test' }, { host: 'a.test' }], [{ host: 'a.tes' }]],
  ['http.host ^= "api."', [{ host: 'api.test' }], [{ host: 'api' }]],
  ['http.host contains "pi"', [{ host: 'api' }], [{ host: 'ap' }]],
  ['http.path == "/a"', [{ path: '/a' }], [{ path: '/a/' }]],
  ['http.path ^= "/a"', [{ path: '/a' }, { path: '/ab' }], [{ path: '/A' }]],
  ['http.path =^ "/z"', [{ path: '/a/z' }], [{ path: '/z/' }]],
  [String.raw`http.path ~ r#"/\d+"#`, [{ path: '/x/12' }], [{ path: '/x' }]],
  [String.raw`http.path ~ "^/\\d+$"`, [{ path: '/12' }], [{ path: '/x/12' }]],
  ['http.path ~ "(?i)^/ABC"', [{ path: '/aBc' }], [{ path: '/ab' }]],
  ['http.path == "/é"', [{ path: '/\xc3\xa9' }], [{ path: '/é' }]],
  ['lower(http.path) == "/é"', [{ path: '/\xc3\x89' }], [{ path: '/\xc3' }]],
  ['http.path ~ "^/.$"', [{ path: '/\xc3\xa9' }, { path: '/a' }], [{ path: '/aa' }]],
  ['http.path.segments.0 == "a"', [{ path: '/a' }, { path: '/a/b' }], [{ path: '/ab' }, { path: '/' }]],
  ['http.path.segments.0 ^= "a"', [{ path: '/ab' }], [{ path: '/b/a' }]],
  ['http.path.segments.1 == "b"', [{ path: '/a/b' }], [{ path: '/b' }]],
  ['http.path.segments.1_2 == "b/c"', [{ path: '/a/b/c/d' }, { path: '/a/b/c' }], [{ path: '/a/b' }]],
  ['http.path.segments.len == 2', [{ path: '/a/b' }, { path: '/a/b/' }], [{ path: '/' }, { path: '/a' }]],
  ['http.path.segments.len == 0', [{ path: '/' }], [{ path: '/a' }]],
  ['http.headers.x_kind == "a"', [{ headers: { 'x-kind': ['a'] } }], [{}, { headers: { 'x-kind': ['A'] } }]],
  ['http.headers.x_kind == "a"', [{ headers: { x_kind: ['a'] } }], [{ headers: { x_kind: ['b'], 'x-kind': ['a'] } }]],
  [
    'lower(http.headers.X_Kind) == "a"',
    [{ headers: { 'x-kind': ['A', 'a'] } }],
    [{ headers: { 'x-kind': ['a', 'b'] } }],
  ],
  ['any(http.headers.k) == "a"', [{ headers: { k: ['b', 'a'] } }], [{ headers: { k: ['b'] } }, {}]],
  ['any(http.headers.k) != "a"', [{ headers: { k: ['b', 'a'] } }], [{ headers: { k: ['a', 'a'] } }]],
  ['http.headers.k != "a"', [{ headers: { k: ['b', 'c'] } }], [{ headers: { k: ['b', 'a'] } }, {}]],
  ['!(http.headers.k == "a")', [{}, { headers: { k: ['b'] } }], [{ headers: { k: ['a'] } }]],
  ['any(lower(http.headers.k)) ~ "^a"', [{ headers: { k: ['x', 'AB'] } }], [{ headers: { k: ['xa'] } }]],
  ['http.queries.q == "1"', [{ queries: { q: ['1'] } }], [{ queries: { q: ['1', '2'] } }, {}]],
  ['http.queries.q == ""', [{ queries: { q: [''] } }], [{}]],
  ['any(http.queries.q) == "2"', [{ queries: { q: ['1', '2'] } }], [{ queries: { Q: ['2'] } }]],
  ['net.protocol == "https"', [{ scheme: 'https' }], [{}]],
  ['tls.sni == "a.test"', [{ sni: 'a.test', scheme: 'https' }], [{}]],
  ['tls.sni != "a.test"', [{ sni: 'b', scheme: 'https' }], [{}]],
  ['net.port == 8000', [{ port: 8000 }], [{ port: 80 }]],
  ['net.dst.port >= 0x50 && net.dst.port < 0100', [], [{ port: 80 }, { port: 63 }]],
  ['net.dst.port > 79 && net.dst.port <= 80', [{ port: 80 }], [{ port: 79 }, { port: 81 }]],
  ['net.dst.port != 80', [{ port: 81 }], [{ port: 80 }]],
  ['net.src.port == 40000', [{}], [{ sourcePort: 1 }]],
  ['net.src.ip == 10.0.0.1', [{ sourceIp: '10.0.0.1' }, { sourceIp: '::ffff:10.0.0.1' }], [{}]],
  ['net.src.ip != 10.0.0.1', [{}], [{ sourceIp: '10.0.0.1' }]],
  ['net.src.ip in 10.0.0.0/9', [{ sourceIp: '10.127.0.1' }], [{ sourceIp: '10.128.0.1' }, { sourceIp: '::1' }]],
  ['net.src.ip not in 10.0.0.0/9', [{ sourceIp: '11.0.0.1' }, { sourceIp: '::1' }], [{ sourceIp: '10.0.0.1' }]],
  ['net.dst.ip in fd00::/10', [{ destinationIp: 'fd01::2' }], [{ destinationIp: 'fe80::1' }]],
  ['net.dst.ip == ::1', [{ destinationIp: '0:0:0:0:0:0:0:1' }], [{ destinationIp: '::2' }]],
  [
    // `||` binds tighter than `&&`.
    'http.method == "GET" && http.path == "/a" || http.path == "/b" && http.host == "a"',
    [
      { host: 'a', path: '/a' },
      { host: 'a', path: '/b' },
    ],
    [{ path: '/a' }, { host: 'a', path: '/b', method: 'PUT' }],
  ],
  ['! ( http.path == "/a" || http.path == "/b" )', [{ path: '/c' }], [{ path: '/a' }, { path: '/b' }]],
  [String.raw`http.path == "/\"\\\n\t\r"`, [{ path: '/"\\\n\t\r' }], [{ path: '/' }]],
  [String.raw`http.path == r#"/"\n"#`, [{ path: '/"\\n' }], [{ path: '/"' }]],
]

for (const [expression, holds, fails] of MEANINGS)
  test(`the expression ${expression} holds for what it says`, () => {
    const router = new IndexedRouter('expressions')
    const row = { id: id(1), expression }
    router.add(compiled(row))
    for (const [requests, expected] of [
      [holds, id(1)],
      [fails, null],
    ] as const)
      for (const asked of requests) {
        assert.equal(router.match(request(asked))?.route.id ?? null, expected, JSON.stringify(asked))
        const { chosen } = explainMatch({ flavor: 'expressions', rows: [row], input: request(asked) })
        assert.equal(chosen?.['id'] ?? null, expected, `explained: ${JSON.stringify(asked)}`)
      }
  })

const CASES: readonly Case[] = [
  {
    name: 'the larger priority goes first, of equal ones the larger id',
    routes: [
      { expression: 'http.path ^= "/"', priority: 2 },
      { expression: 'http.path ^= "/a"', priority: 1 },
      { expression: 'http.path ^= "/b"', priority: 2 },
      { expression: 'http.path ^= "/c"', priority: 2 ** 46 - 1 },
      { expression: 'http.path ^= "/c/"', priority: 2 ** 46 - 2 },
    ],
    requests: [
      [{ path: '/a' }, 1, '/'],
      [{ path: '/b' }, 3, '/b'],
      [{ path: '/c/d' }, 4, '/c'],
    ],
  },
  {
    name: 'an expression goes before every route in the traditional form',
    routes: [
      { expression: 'http.path ^= "/"', priority: 0 },
      { hosts: ['example.com'], paths: ['/a'], methods: ['GET'], headers: { a: ['1'] } },
      { paths: ['/a'], sources: [{ ip: '10.0.0.0/8' }] },
    ],
    requests: [[{ path: '/a', headers: { a: ['1'] }, sourceIp: '10.1.1.1' }, 1]],
  },
  {
    name: 'protocols take part',
    routes: [
      { expression: 'http.path == "/a"', protocols: ['http'], priority: 9 },
      { expression: 'http.path == "/a"', protocols: ['https'], priority: 5 },
      { paths: ['/b'], protocols: ['http'] },
      { paths: ['/c'], protocols: ['grpcs'] },
    ],
    requests: [
      [{ path: '/a' }, 1],
      [{ path: '/a', scheme: 'https' }, 2],
      [{ path: '/b' }, 3],
      [{ path: '/b', scheme: 'https' }, 0],
      [{ path: '/c' }, 0],
      [{ path: '/c', scheme: 'https' }, 4],
    ],
  },
  {
    name: 'a route for https alone sees plaintext, to redirect it',
    routes: [{ expression: 'http.path == "/a"', protocols: ['https'] }],
    requests: [[{ path: '/a' }, 1]],
  },
  {
    name: 'sources and destinations of routes in the traditional form count',
    routes: [
      { paths: ['/'], sources: [{ ip: '10.1.2.3/8' }, { ip: '1.1.1.1', port: 5 }] },
      { paths: ['/'], destinations: [{ port: 8443 }] },
    ],
    requests: [
      [{ sourceIp: '10.9.9.9' }, 1],
      [{ sourceIp: '1.1.1.1', sourcePort: 5 }, 1],
      [{ sourceIp: '1.1.1.1', sourcePort: 6 }, 0],
      [{ port: 8443 }, 2],
    ],
  },
  {
    name: 'what the path matched last is what is stripped',
    routes: [
      { expression: 'http.path == "/a/b" && http.path ^= "/a"', priority: 9 },
      { expression: 'http.path =^ "/c"', priority: 8 },
      { expression: 'http.path ~ "d+" && http.host == "example.com"', priority: 7 },
      { expression: 'http.host == "example.com"', priority: 6 },
      { expression: '!(http.path ^= "/x") || http.host == "y"', priority: 5 },
    ],
    requests: [
      [{ path: '/a/b' }, 1, '/a'],
      [{ path: '/b/c' }, 2, '/c'],
      [{ path: '/ddd' }, 3, 'ddd'],
      [{ path: '/e' }, 4, ''],
      [{ path: '/x', host: 'y' }, 5, '/x'],
    ],
  },
]

for (const { name, routes, requests } of CASES)
  test(`match() of expressions answers by the rule: ${name}`, () => {
    const router = new IndexedRouter('expressions')
    const rows = routes.map((row, i) => ({ ...row, id: id(i + 1) }))
    for (const row of rows) router.add(compiled(row))
    for (const [asked, route, matchedPath] of requests) {
      const match = router.match(request(asked))
      assert.equal(match?.route.id ?? null, route === 0 ? null : id(route), JSON.stringify(asked))
      if (matchedPath !== undefined) assert.equal(match!.matchedPath, matchedPath)
      const { chosen } = explainMatch({ flavor: 'expressions', rows, input: request(asked) })
      assert.equal(chosen?.['id'] ?? null, route === 0 ? null : id(route), `explained: ${JSON.stringify(asked)}`)
    }
  })

test('match() gives the captures of every regex that matched', () => {
  const router = new IndexedRouter('expressions')
  const expression = String.raw`http.path ~ r#"^/(?<user>\w+)/(\d+)"# && http.headers.k ~ "^(?P<key>.)$"`
  router.add(compiled({ id: id(1), expression }))
  const match = router.match(request({ path: '/ann/7', headers: { k: ['z'] } }))
  assert.deepEqual(match!.uriCaptures, { '0': 'z', '1': 'z', '2': '7', user: 'ann', key: 'z' })
  assert.equal(match!.matchedPath, '/ann/7')
})

test('explainMatch() says which comparison of an expression fails and what the request has', () => {
  const rows = [{ id: id(1), expression: 'http.path ^= "/a" && (net.port == 8000 || any(http.headers.k) == "1")' }]
  const input = request({ path: '/a', headers: { k: ['2', '3'] } })
  const { chosen, routes } = explainMatch({ flavor: 'expressions', rows, input })
  assert.equal(chosen, null)
  assert.deepEqual(routes[0]!.conditions, [
    { name: 'http.path ^= "/a"', wanted: '', sent: '/a', holds: true },
    { name: 'net.dst.port == 8000', wanted: '', sent: '80', holds: false },
    { name: 'any(http.headers.k) == "1"', wanted: '', sent: '2, 3', holds: false },
  ])
})

interface Made {
  readonly text: string
  readonly holds: (asked: RouterInput) => boolean
}

/** Expressions of few words, so that they overlap, with what they mean said a second time, as plainly as can be. */
function makers(seed: number) {
  const { one, some, chance, below, random } = choosers(seed)
  const quoted = (text: string) => (chance(0.5) ? `r#"${text}"#` : JSON.stringify(text))
  const fields: Readonly<Record<string, (asked: RouterInput) => readonly string[]>> = {
    'http.method': asked => [asked.method],
    'http.host': asked => (asked.host === '' ? [] : [asked.host]),
    'http.path': asked => [asked.path],
    'http.headers.x_a': asked => asked.headerValues('x-a'),
    'http.queries.q': asked => asked.queryValues('q'),
    'http.path.segments.0': asked => asked.path.split('/').slice(1, 2).filter(Boolean),
    'net.protocol': asked => [asked.scheme],
  }
  const words: Readonly<Record<string, readonly string[]>> = {
    'http.method': ['GET', 'PUT', 'G'],
    'http.host': ['a.com', 'b.a.com', '.com', 'b.', 'A.COM', 'a'],
    'http.path': ['/', '/a', '/a/b', '/b', '/A', ''],
    'http.path.segments.0': ['a', 'b', 'ab'],
    'net.protocol': ['http', 'https'],
  }
  const regexes = ['^/a', '^/(a|b)', 'a', '^a+$', 'b$', '^/a/?b?']
  const operators: Readonly<Record<string, (sent: string, text: string) => boolean>> = {
    '==': (sent, text) => sent === text,
    '!=': (sent, text) => sent !== text,
    '^=': (sent, text) => sent.startsWith(text),
    '=^': (sent, text) => sent.endsWith(text),
    '~': (sent, text) => new RegExp(text).test(sent),
    contains: (sent, text) => sent.includes(text),
  }
  const predicate = (): Made => {
    const field = one(Object.keys(fields))
    const operator = chance(0.6) ? '==' : one(Object.keys(operators))
    const text = operator === '~' ? one(regexes) : one(words[field] ?? ['1', '2', 'One'])
    const [lower, any] = [chance(0.2), chance(0.3)]
    const compare = operators[operator]!
    const named = any && chance(0.5) ? `any(${field})` : field
    const left = `${any && named === field ? 'any(' : ''}${lower ? `lower(${named})` : named}${any && named === field ? ')' : ''}`
    return {
      text: `${left} ${operator} ${quoted(text)}`,
      holds: asked => {
        const sent = fields[field]!(asked).map(value => (lower ? value.toLowerCase() : value))
        if (any) return sent.some(value => compare(value, text))
        return sent.length > 0 && sent.every(value => compare(value, text))
      },
    }
  }
  const expression = (depth: number): Made => {
    if (depth === 0 || chance(0.2)) return predicate()
    const parts = Array.from({ length: 1 + below(3) }, () => expression(depth - 1))
    const isAnd = chance(0.6)
    const text = parts.map(part => part.text).join(isAnd ? ' && ' : '||')
    const holds = (asked: RouterInput) =>
      isAnd ? parts.every(part => part.holds(asked)) : parts.some(part => part.holds(asked))
    return chance(0.15) ? { text: `!(${text})`, holds: asked => !holds(asked) } : { text: `(${text})`, holds }
  }
  const asked = () =>
    request({
      method: one(['GET', 'PUT', 'POST']),
      host: one(['a.com', 'b.a.com', 'A.com', 'b.org', '']),
      path: one(['/', '/a', '/a/b', '/ab', '/b/a', '/A', '/b']),
      scheme: one(['http', 'https']),
      headers: chance(0.7) ? { 'x-a': some(['1', '2', 'one', 'One'], 2) } : {},
      queries: chance(0.7) ? { q: some(['1', '2', 'One'], 2) } : {},
    })
  return { expression, asked, below, chance, random }
}

test('match() finds the first expression that holds, with random ones coming and going', () => {
  const seed = Number(process.env['SEED'] ?? 20_261_128)
  const { expression, asked, below, chance, random } = makers(seed)
  const router = new IndexedRouter('expressions')
  const routes: {
    readonly made: Made
    readonly row: Row & { readonly id: string; readonly expression: string; readonly priority: number }
  }[] = []
  for (let round = 0; round < 300; round++) {
    if (routes.length > 0 && chance(0.4)) router.remove(compiled(routes.splice(below(routes.length), 1)[0]!.row))
    else {
      const made = expression(3)
      const row = { id: random.uuid(), expression: made.text, priority: below(4) }
      routes.push({ made, row })
      router.add(compiled(row))
    }
    const ordered = routes.toSorted(
      (a, b) => b.row.priority - a.row.priority || (String(a.row.id) < String(b.row.id) ? 1 : -1),
    )
    for (let i = 0; i < 20; i++) {
      const input = asked()
      const expected = ordered.find(({ made }) => made.holds(input))?.row
      const about = () => `SEED=${seed} round ${round}: ${JSON.stringify(input)}\nexpected ${expected?.expression}`
      assert.equal(router.match(input)?.route.id, expected?.id, about())
    }
  }
})
