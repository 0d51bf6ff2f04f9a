/**
 * API descriptions from random JSON: they are refused with a reason, or make a configuration that can be parsed, linted and
 * compared with itself without a difference.
 */
import assert from 'node:assert/strict'
import type { Random } from '../src/base/random.ts'
import { diffConfigurations } from '../src/declarative/diff.ts'
import { fromOpenApi, OpenApiError } from '../src/declarative/from-openapi.ts'
import { lintConfiguration } from '../src/declarative/lint.ts'
import { parseDocument } from '../src/declarative/parse.ts'
import { createCatalog } from '../src/entities/catalog.ts'
import { pick, randomJson, randomObject } from '../test/kit/random-json.ts'

export const name = 'from-openapi'

const NAMES = [
  'get',
  'post',
  'servers',
  'url',
  'operationId',
  'variables',
  'default',
  'x-kong-name',
  'x-kong-tags',
].concat(['x-kong-route-defaults', 'x-kong-service-defaults', 'x-kong-plugin-cors'])
const PATHS = ['/', '/a', '/a/{b}', '/{a}/{A}', '/{1}', '/é', '/{', '/a.b*', '/{a}{b}']
const URLS = ['https://a.test', 'http://[::1]:8080/x', '/v1', '//b.test', 'https://{x}.test', 'ftp://a', 'http://[', '']

export function run(random: Random, isOver: () => boolean): number {
  const catalog = createCatalog()
  const nowMs = Date.UTC(2026, 0)
  const context = { catalog, nowMs, uuid: random.uuid, randomBytes: random.bytes, partial: true }
  let count = 0
  for (; !isOver(); count++) {
    const api = description(random)
    let document: Record<string, unknown>
    try {
      document = fromOpenApi(api).document
    } catch (error) {
      assert.ok(error instanceof OpenApiError, `${JSON.stringify(api)}\n${(error as Error).stack}`)
      continue
    }
    const parsed = parseDocument(document, context)
    if (!parsed.ok) continue
    lintConfiguration({ catalog, rows: parsed.rows, document, nowMs })
    assert.deepEqual(diffConfigurations(catalog, parsed.rows, parsed.rows), [], JSON.stringify(api))
  }
  return count
}

function description(random: Random): Record<string, unknown> {
  const source = { random, names: NAMES }
  const item = () => ({ ...randomObject(source, 4), get: randomJson(source, 3), post: {} })
  const servers = () => Array.from({ length: Math.floor(random.next() * 3) }, () => ({ url: pick(random, URLS) }))
  return {
    ...randomObject(source, 3),
    openapi: '3.1.0',
    info: { title: pick(random, ['Pets', '', 'é', '~', 'a b']) },
    servers: random.next() < 0.9 ? servers() : randomJson(source),
    paths: random.next() < 0.9 ? { [pick(random, PATHS)]: item(), [pick(random, PATHS)]: item() } : randomJson(source),
  }
}
