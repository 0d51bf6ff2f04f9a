/** Tests of path-router.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPathRouter } from './path-router.ts'

const paths = [
  '/',
  '/plugins',
  '/plugins/enabled',
  '/plugins/{plugins}',
  '/plugins/{plugins}/route',
  '/schemas/plugins/validate',
  '/schemas/plugins/{name}',
  '/schemas/{name}/validate',
  '/upstreams/{upstreams}/targets/{targets}/healthy',
  '/upstreams/{upstreams}/targets/{targets}/{address}/healthy',
]
const router = createPathRouter(paths.map(path => ({ path, methods: {} })))

test('find() takes the literal segment first and comes back for the parameter', () => {
  const cases: readonly (readonly [string, string | null, Record<string, string>?])[] = [
    ['/', '/'],
    ['/plugins', '/plugins'],
    ['/plugins/', '/plugins'],
    ['/plugins/enabled', '/plugins/enabled'],
    ['/plugins/enabled/route', '/plugins/{plugins}/route', { plugins: 'enabled' }],
    ['/plugins/x', '/plugins/{plugins}', { plugins: 'x' }],
    ['/schemas/plugins/validate', '/schemas/plugins/validate'],
    ['/schemas/plugins/cors', '/schemas/plugins/{name}', { name: 'cors' }],
    ['/schemas/routes/validate', '/schemas/{name}/validate', { name: 'routes' }],
    [
      '/upstreams/u/targets/t/healthy',
      '/upstreams/{upstreams}/targets/{targets}/healthy',
      { upstreams: 'u', targets: 't' },
    ],
    [
      '/upstreams/u/targets/t/1.1.1.1%3A80/healthy',
      '/upstreams/{upstreams}/targets/{targets}/{address}/healthy',
      { upstreams: 'u', targets: 't', address: '1.1.1.1:80' },
    ],
    ['//plugins', null],
    ['/plugins//', null],
    ['/Plugins', null],
    ['/plugins/x/nope', null],
    ['*', null],
    ['', null],
    [`/plugins/${'x'.repeat(10_000)}`, null],
  ]
  for (const [path, expected, params] of cases) {
    const match = router.find(path)
    assert.equal(match?.endpoint.path ?? null, expected, path)
    if (params !== undefined) assert.deepEqual(match?.params, params, path)
  }
})

test('createPathRouter() refuses two endpoints at one path', () => {
  const twice = [
    { path: '/a/{x}', methods: {} },
    { path: '/a/{y}', methods: {} },
  ]
  assert.throws(() => createPathRouter(twice), /two endpoints at/)
})
