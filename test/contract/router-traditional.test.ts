/** What the `traditional` router must answer: a table of cases, and a slow router that sorts by Kong's rules and tries in order. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Row } from '../../src/entities/config.ts'
import { explainMatch } from '../../src/proxy/router/explain.ts'
import { IndexedRouter } from '../../src/proxy/router/indexed-router.ts'
import type { RouterInput } from '../../src/proxy/router/router.ts'
import { answer, type Case, choosers, compiled, id, request } from './router.kit.ts'

/** Routes are created in the order in which they stand. */
const CASES: readonly Case[] = [
  {
    name: 'more kinds of conditions go first, plain hosts or not',
    routes: [{ hosts: ['example.com'] }, { paths: ['/'], methods: ['GET'] }],
    requests: [
      [{}, 2],
      [{ method: 'PUT' }, 1],
    ],
  },
  {
    name: 'of as many kinds hosts go first, then headers, paths, methods and server names',
    routes: [
      { snis: ['a.test'] },
      { methods: ['GET'] },
      { paths: ['~/.*'] },
      { headers: { h: ['1'] } },
      { hosts: ['*.com'] },
    ],
    requests: [
      [{ headers: { h: ['1'] }, scheme: 'https', sni: 'a.test' }, 5],
      [{ host: 'x', headers: { h: ['1'] }, scheme: 'https', sni: 'a.test' }, 4],
      [{ host: 'x', scheme: 'https', sni: 'a.test' }, 3],
      [{ host: 'x', path: '', scheme: 'https', sni: 'a.test' }, 2],
      [{ host: 'x', path: '', method: 'PUT', scheme: 'https', sni: 'a.test' }, 1],
    ],
  },
  {
    name: 'a wildcard host with port goes before a plain host, that before any other wildcard',
    routes: [{ hosts: ['*.a.test'] }, { hosts: ['x.a.test'] }, { hosts: ['*.a.test:80'] }],
    requests: [
      [{ host: 'x.a.test' }, 3],
      [{ host: 'x.a.test', port: 81, hostPort: 81 }, 2],
      [{ host: 'y.a.test', port: 81, hostPort: 81 }, 1],
    ],
  },
  {
    name: "the port of a wildcard is that of the Host header, or the scheme's; that of a plain host must be sent",
    routes: [{ hosts: ['*.a.test:443'] }, { hosts: ['b.test:80'] }],
    requests: [
      [{ host: 'x.a.test', scheme: 'https', port: 8443 }, 1],
      [{ host: 'x.a.test', scheme: 'http', port: 443 }, 0],
      [{ host: 'x.a.test', scheme: 'http', port: 443, hostPort: 443 }, 1],
      [{ host: 'b.test', port: 80 }, 0],
      [{ host: 'b.test', port: 80, hostPort: 80 }, 2],
    ],
  },
  {
    name: 'regexes go before prefixes, by regex_priority and then by age, prefixes by length',
    routes: [
      { paths: ['/users/profile'] },
      { paths: ['~/users/p.*'], regex_priority: 1 },
      { paths: ['~/users/.*'], regex_priority: 1 },
      { paths: ['~/u.*'], regex_priority: 2 },
      { paths: ['~/users'], regex_priority: -1 },
      { paths: ['/groups', '/groups/a'] },
      { paths: ['/groups/'] },
    ],
    requests: [
      [{ path: '/users/profile' }, 4],
      [{ path: '/groups/a' }, 6, '/groups/a'],
      [{ path: '/groups/b' }, 7, '/groups/'],
      [{ path: '/groups' }, 6, '/groups'],
    ],
  },
  {
    name: 'of routes that are alike the oldest answers',
    routes: [
      { paths: ['~/a/.*'], regex_priority: 1 },
      { paths: ['~/a/.+'], regex_priority: 1 },
      { paths: ['/b'] },
      { paths: ['/b'] },
    ],
    requests: [
      [{ path: '/a/b' }, 1],
      [{ path: '/b' }, 3],
    ],
  },
  {
    name: 'methods are in upper case, server names are exact and do not count for plaintext',
    routes: [{ methods: ['get'] }, { paths: ['/s'], snis: ['a.test.'], protocols: ['https'] }],
    requests: [
      [{}, 1],
      [{ method: 'PUT', path: '/s' }, 2],
      [{ method: 'PUT', path: '/s', scheme: 'https', sni: 'a.test' }, 2],
      [{ method: 'PUT', path: '/s', scheme: 'https', sni: 'b.test' }, 0],
    ],
  },
  {
    name: 'a header regex is one only alone, and sees the value in lower case',
    routes: [
      { headers: { h: ['~*^a+$'] } },
      { headers: { i: ['~*^b+$', 'x'] } },
      { headers: { j: ['~*^C$'] } },
      { headers: { k: ['Value'] } },
      { headers: { x_y: ['1'] } },
    ],
    requests: [
      [{ headers: { h: ['AAA'] } }, 1],
      [{ headers: { i: ['b'] } }, 0],
      [{ headers: { i: ['~*^b+$'] } }, 2],
      [{ headers: { j: ['C'] } }, 0],
      [{ headers: { k: ['vALUE'] } }, 4],
      [{ headers: { x_y: ['1'] } }, 5],
      [{ headers: { 'x-y': ['1'] } }, 5],
    ],
  },
  {
    name: 'a header with dashes is not one sent with underscores',
    routes: [{ headers: { 'x-y': ['1'] } }],
    requests: [
      [{ headers: { x_y: ['1'] } }, 0],
      [{ headers: { 'x-y': ['1'] } }, 1],
    ],
  },
  {
    name: 'a regex is anchored for all its alternatives',
    routes: [{ paths: ['~/a|/b'] }],
    requests: [
      [{ path: '/b/a' }, 1, '/b'],
      [{ path: '/x/b' }, 0],
    ],
  },
]

for (const { name, routes, requests } of CASES)
  test(`match() of traditional answers by the rule: ${name}`, () => {
    const router = new IndexedRouter('traditional')
    const rows = routes.map((row, i) => ({ ...row, id: id(99 - i), created_at: 1000 + i }))
    for (const row of rows.toReversed()) router.add(compiled(row))
    for (const [asked, route, matchedPath] of requests) {
      const input = request(asked)
      const match = router.match(input)
      assert.equal(match?.route.id ?? null, route === 0 ? null : rows[route - 1]!.id, JSON.stringify(asked))
      if (matchedPath !== undefined) assert.equal(match!.matchedPath, matchedPath)
      const { chosen } = explainMatch({ flavor: 'traditional', rows, input })
      assert.equal(chosen?.['id'] ?? null, match?.route.id ?? null)
    }
  })

type Texts = readonly string[]
const texts = (value: unknown): Texts => (Array.isArray(value) ? value : [])
const isRegex = (path: string | null) => path?.startsWith('~') === true

interface Part {
  readonly row: Row
  readonly path: string | null
}

/** The numbers by which Kong sorts, the one that counts most first; each time the larger goes first. */
function ranks({ row, path }: Part): number[] {
  const hosts = texts(row['hosts'])
  const headers = Object.keys((row['headers'] ?? {}) as object).length
  const kinds = [hosts.length, headers, path === null ? 0 : 1, texts(row['methods']).length, texts(row['snis']).length]
  const has = kinds.map(count => (count > 0 ? 1 : 0))
  const isWild = (host: string) => host.includes('*')
  return [
    has.reduce((sum: number, one) => sum + one, 0),
    ...has,
    hosts.some(host => isWild(host) && host.includes(':')) ? 1 : 0,
    hosts.length > 0 && !hosts.some(isWild) ? 1 : 0,
    isRegex(path) ? 1 : 0,
    headers,
    isRegex(path) ? Number(row['regex_priority'] ?? 0) : (path?.length ?? 0),
    -Number(row['created_at']),
  ]
}

function slowMatch(rows: readonly Row[], input: RouterInput) {
  const parts = rows.flatMap((row): Part[] => {
    const paths = texts(row['paths'])
    return paths.length > 0 ? paths.map(path => ({ row, path })) : [{ row, path: null }]
  })
  parts.sort((a, b) => {
    const [x, y] = [ranks(a), ranks(b)]
    const at = x.findIndex((rank, i) => rank !== y[i])
    return at < 0 ? 0 : y[at]! - x[at]!
  })
  for (const part of parts) {
    const matchedPath = tryPart(part, input)
    if (matchedPath !== null) return { id: part.row['id'], matchedPath }
  }
  return null
}

function tryPart({ row, path }: Part, input: RouterInput): string | null {
  const snis = texts(row['snis'])
  const [hosts, methods] = [texts(row['hosts']), texts(row['methods'])]
  if (snis.length > 0 && input.scheme === 'https' && !snis.includes(input.sni)) return null
  if (methods.length > 0 && !methods.includes(input.method)) return null
  if (hosts.length > 0 && !hosts.some(host => hostHolds(host, input))) return null
  for (const [name, values] of Object.entries((row['headers'] ?? {}) as Record<string, Texts>)) {
    const sent = input.headerValues(name).map(value => value.toLowerCase())
    const regex = values.length === 1 && values[0]!.startsWith('~*') ? new RegExp(values[0]!.slice(2)) : null
    if (!sent.some(value => values.some(v => v.toLowerCase() === value) || regex?.test(value) === true)) return null
  }
  if (path === null) return hosts.length + methods.length + snis.length > 0 || row['headers'] !== null ? '' : null
  if (!isRegex(path)) return input.path.startsWith(path) ? path : null
  return new RegExp(`^(?:${path.slice(1)})`).exec(input.path)?.[0] ?? null
}

/** As Kong does it: wildcards become regexes over the host with a port. */
function hostHolds(host: string, input: RouterInput): boolean {
  if (!host.includes('*'))
    return host === (input.hostPort > 0 ? `${input.host}:${input.hostPort}` : input.host) || host === input.host
  const port = input.hostPort || (input.scheme === 'https' ? 443 : 80)
  const pattern = host.replaceAll('.', '\\.').replaceAll('*', '.+')
  return new RegExp(`^${pattern}${host.includes(':') ? '' : '(?::\\d+)?'}$`).test(`${input.host}:${port}`)
}

function generators(seed: number) {
  const { random, below, one, some, chance } = choosers(seed)
  const hosts = ['a.com', 'b.a.com', '*.com', '*.a.com', 'a.*', 'b.a.*', 'a.com:80', '*.com:81', 'b.a.com:81']
  const paths = ['/', '/a', '/b', '/a/b', '/ab', '/abc', '~/a', '~/a/(\\w+)', '~/(a|b)+', '~/a/b$', '~.*c', '~/b|/a']
  let created = 0
  const row = (): Row => ({
    id: random.uuid(),
    created_at: created++,
    hosts: chance(0.5) ? some(hosts, 3) : null,
    paths: chance(0.7) ? [...new Set(some(paths, 4))] : null,
    methods: chance(0.3) ? some(['GET', 'PUT', 'POST'], 2) : null,
    headers: chance(0.3)
      ? Object.fromEntries(some(['a', 'b', 'c'], 3).map(name => [name, some(['1', 'One', '~*^[12]$', '~*on'], 2)]))
      : null,
    snis: chance(0.2) ? some(['a.com', 'b.com'], 2) : null,
    regex_priority: below(3) - 1,
  })
  const input = () => {
    const hostPort = one([0, 80, 81])
    return request({
      method: one(['GET', 'PUT', 'TRACE']),
      host: one(['a.com', 'b.a.com', 'c.b.a.com', 'b.a.org', 'z']),
      port: hostPort || 8000,
      hostPort,
      path: one(['/', '/a', '/a/b', '/abc', '/b', '/ba', '/x', '/a/b/c']),
      scheme: one(['http', 'https']),
      sni: one(['', 'a.com', 'c.com']),
      headers: Object.fromEntries(some(['a', 'b', 'c'], 3).map(name => [name, some(['1', '2', 'ONE', 'x'], 2)])),
    })
  }
  return { row, input, below, chance }
}

test('match() of traditional answers as a slow router by the same rules, with random routes coming and going', () => {
  const seed = Number(process.env['SEED'] ?? 20_261_129)
  const { row, input, below, chance } = generators(seed)
  const router = new IndexedRouter('traditional')
  const rows: Row[] = []
  for (let round = 0; round < 200; round++) {
    if (rows.length > 30 && chance(0.7)) router.remove(compiled(rows.splice(below(rows.length), 1)[0]!))
    else {
      rows.push(row())
      router.add(compiled(rows.at(-1)!))
    }
    for (let i = 0; i < 10; i++) {
      const asked = input()
      const found = answer(router, asked)
      const about = `SEED=${seed} round ${round}: ${JSON.stringify(asked)}`
      assert.deepEqual(found && { id: found.id, matchedPath: found.matchedPath }, slowMatch(rows, asked), about)
    }
  }
})
