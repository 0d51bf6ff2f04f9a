/** Tests of error-places.ts, on real errors of real files. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandom } from '../base/random.ts'
import { createCatalog } from '../entities/catalog.ts'
import { errorPlaces, formatPlaces } from './error-places.ts'
import { parseText } from './parse.ts'

const context = {
  catalog: createCatalog({ plugins: [], vaults: new Map(), extraEntities: [] }),
  nowMs: 1_700_000_000_000,
  uuid: systemRandom.uuid,
  randomBytes: systemRandom.bytes,
}

function placesOf(text: string): string[] {
  const parsed = parseText(text, undefined, context)
  assert.ok(!parsed.ok)
  return formatPlaces('kong.yml', errorPlaces(text, parsed.errors)).split('\n')
}

test('errorPlaces() points to every wrong member, and to the object that lacks one', () => {
  const text = `_format_version: "3.0"
servces: []
services:
- name: a
- name: b
  host: example.test
  port: 70000
  routes:
  - name: r
    paths:
    - /x
    - y
`
  assert.deepEqual(placesOf(text), [
    'kong.yml:2:1: servces: unknown field',
    'kong.yml:4:3: services[1].host: required field missing',
    'kong.yml:7:3: services[2].port: value should be between 0 and 65535',
    'kong.yml:12:7: services[2].routes[1].paths[2]: should start with: / (fixed path) or ~/ (regex path)',
  ])
})

test('errorPlaces() finds duplicates and references that lead nowhere', () => {
  const text = `_format_version: "3.0"
services:
- {name: a, host: x.test}
- {name: a, host: y.test}
routes:
- name: r
  paths: [/]
  service: none
`
  assert.deepEqual(placesOf(text), [
    "kong.yml:4:3: services[2]: uniqueness violation: 'services' entity with name set to 'a' already declared",
    "kong.yml:6:3: routes[1]: invalid reference 'service: none' (no such entry in 'services')",
  ])
})

test('errorPlaces() reads JSON too, and follows anchors', () => {
  assert.deepEqual(placesOf('{"_format_version": "3.0",\n "services": [\n  {"host": 5}]}'), [
    'kong.yml:3:4: services[1].host: expected a string',
  ])
  assert.deepEqual(placesOf('_format_version: "3.0"\nservices:\n- &s\n  host: 5\n- *s\n'), [
    'kong.yml:4:3: services[1].host: expected a string',
    'kong.yml:4:3: services[2].host: expected a string',
  ])
})
