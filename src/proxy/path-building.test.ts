import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildUpstreamPath } from './path-building.ts'

/** The `v0` column of Kong's table of path handling (proxy.md 3). */
const TABLE: readonly (readonly [service: string, route: string, strip: boolean, request: string, v0: string])[] = [
  ['/', '/r', true, '/r', '/'],
  ['/', '/r', true, '/rq', '/q'],
  ['/', '/r', false, '/r/q', '/r/q'],
  ['/s', '/', true, '/', '/s'],
  ['/s', '/', true, '/q', '/s/q'],
  ['/s', '/', false, '/', '/s'],
  ['/s', '/', false, '/q', '/s/q'],
  ['/s', '/r', true, '/r', '/s'],
  ['/s', '/r', true, '/r/', '/s/'],
  ['/s', '/r', true, '/rq', '/s/q'],
  ['/s', '/r', true, '/r/q', '/s/q'],
  ['/s', '/r', false, '/r', '/s/r'],
  ['/s', '/r', false, '/r/q', '/s/r/q'],
  ['/s', '/r/', true, '/r/', '/s/'],
  ['/s', '/r/', true, '/r/q', '/s/q'],
  ['/s/', '/', true, '/', '/s/'],
  ['/s/', '/', true, '/q', '/s/q'],
  ['/s/', '/r', true, '/r', '/s'],
  ['/s/', '/r', true, '/r/', '/s/'],
  ['/s/', '/r', true, '/rq', '/s/q'],
  ['/s/', '/r', false, '/r', '/s/r'],
  ['/s/', '/r/', true, '/r/', '/s/'],
  // A route by host alone.
  ['/s', '', true, '/', '/s'],
  ['/s', '', true, '/q', '/s/q'],
  ['/s/', '', true, '/', '/s/'],
  ['/', '', true, '/', '/'],
  // What is left must neither climb nor stay.
  ['/s', '/r', true, '/r..', '/s'],
  ['/s', '/r', true, '/r.', '/s'],
  ['/s', '/r', true, '/r../q', '/s/q'],
  ['/s', '/r', true, '/r./q', '/s/q'],
]

for (const [service, route, strip, request, expected] of TABLE) {
  const how = strip ? 'stripped' : 'whole'
  test(`buildUpstreamPath() makes ${expected} when ${request} of route ${route} goes ${how} to ${service}`, () => {
    assert.equal(buildUpstreamPath(service, request, strip ? route : null), expected)
  })
}
