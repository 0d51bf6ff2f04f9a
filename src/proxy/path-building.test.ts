import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildUpstreamPath, buildUpstreamPathV1 } from './path-building.ts'

/** Kong's table of path handling (proxy.md 3). */
const TABLE: readonly (readonly [
  service: string,
  route: string,
  strip: boolean,
  request: string,
  v0: string,
  v1: string,
])[] = [
  ['/', '/r', true, '/r', '/', '/'],
  ['/', '/r', true, '/rq', '/q', '/q'],
  ['/', '/r', false, '/r/q', '/r/q', '/r/q'],
  ['/s', '/', true, '/', '/s', '/s'],
  ['/s', '/', true, '/q', '/s/q', '/sq'],
  ['/s', '/', false, '/', '/s', '/s'],
  ['/s', '/', false, '/q', '/s/q', '/sq'],
  ['/s', '/r', true, '/r', '/s', '/s'],
  ['/s', '/r', true, '/r/', '/s/', '/s/'],
  ['/s', '/r', true, '/rq', '/s/q', '/sq'],
  ['/s', '/r', true, '/r/q', '/s/q', '/s/q'],
  ['/s', '/r', false, '/r', '/s/r', '/sr'],
  ['/s', '/r', false, '/r/q', '/s/r/q', '/sr/q'],
  ['/s', '/r/', true, '/r/', '/s/', '/s'],
  ['/s', '/r/', true, '/r/q', '/s/q', '/sq'],
  ['/s/', '/', true, '/', '/s/', '/s/'],
  ['/s/', '/', true, '/q', '/s/q', '/s/q'],
  ['/s/', '/r', true, '/r', '/s', '/s/'],
  ['/s/', '/r', true, '/r/', '/s/', '/s/'],
  ['/s/', '/r', true, '/rq', '/s/q', '/s/q'],
  ['/s/', '/r', false, '/r', '/s/r', '/s/r'],
  ['/s/', '/r/', true, '/r/', '/s/', '/s/'],
  // A route by host alone.
  ['/s', '', true, '/', '/s', '/s'],
  ['/s', '', true, '/q', '/s/q', '/sq'],
  ['/s/', '', true, '/', '/s/', '/s/'],
  ['/', '', true, '/', '/', '/'],
  // What is left must neither climb nor stay.
  ['/s', '/r', true, '/r..', '/s', '/s'],
  ['/s', '/r', true, '/r.', '/s', '/s'],
  ['/s', '/r', true, '/r../q', '/s/q', '/sq'],
  ['/s', '/r', true, '/r./q', '/s/q', '/sq'],
]

for (const [service, route, strip, request, v0, v1] of TABLE) {
  const how = strip ? 'stripped' : 'whole'
  test(`${request} of route ${route} goes ${how} to ${service} as ${v0}, and as ${v1} by the rules of old`, () => {
    assert.equal(buildUpstreamPath(service, request, strip ? route : null), v0)
    assert.equal(buildUpstreamPathV1(service, request, strip ? route : null), v1)
  })
}
