/**
 * The Admin API over its own OpenAPI document: whatever is sent to any operation, the answer is one that the document
 * names, never a 5xx; and afterwards every collection can still be read.
 */
import assert from 'node:assert/strict'
import type { Random } from '../src/base/random.ts'
import { openAdmin } from '../test/conformance/admin/admin-fixture.ts'
import { pick, randomJson, type RandomJson } from '../test/kit/random-json.ts'

export const name = 'admin-api'

interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly oneOf?: readonly Schema[]
  readonly anyOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly required?: readonly string[]
  readonly format?: string
  readonly minimum?: number
  readonly maximum?: number
}
interface Operation {
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
  readonly responses: Readonly<Record<string, unknown>>
}
interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete']
const ODD_KEYS = [
  'x',
  'a b',
  '..',
  '%',
  'é',
  '__proto__',
  'constructor',
  'null',
  '0'.repeat(300),
  '{x}',
  '\u0000',
  ',/;',
]
const QUERIES = ['', '?size=1', '?size=0', '?size=x', '?offset=W10', '?offset=!', '?tags=a,b', '?tags=', '?a[1=b', '?%']
/** Entities that are made stay about so many: collections grow slow, not wrong. */
const ENTITIES_MAX = 200

export async function run(random: Random, isOver: () => boolean): Promise<number> {
  const admin = await openAdmin()
  try {
    const document = (await admin.ask('GET /openapi.json')).body as OpenApi
    const operations = Object.entries(document.paths).flatMap(([path, item]) =>
      METHODS.filter(method => method in item).map(method => ({ path, method, operation: item[method]! })),
    )
    const names = [
      ...new Set(Object.values(document.components.schemas).flatMap(({ properties = {} }) => Object.keys(properties))),
    ]
    const generator: Generator = { random, names, schemas: document.components.schemas, keys: [] }
    let count = 0
    for (; !isOver(); count++) {
      const { path, method, operation } = pick(random, operations)
      // The log level is this process's own.
      if (path.startsWith('/debug/')) continue
      const sent = { method: method.toUpperCase(), path: fillPath(generator, path), ...content(generator, operation) }
      const answer = await admin.send(sent)
      const text = `${sent.method} ${sent.path} ${sent.content ?? ''} -> ${answer.status} ${answer.text.slice(0, 300)}`
      assert.ok(isHonest(answer.status), text)
      assert.ok(String(answer.status) in operation.responses || isRefusal(answer.status), `not documented: ${text}`)
      remember(generator, answer.body)
      if (count % 500 === 499) await readEverything(admin, document)
    }
    await readEverything(admin, document)
    return count
  } finally {
    await admin.close()
  }
}

interface Generator extends RandomJson {
  readonly schemas: Readonly<Record<string, Schema>>
  /** Ids and names that exist or have existed. */
  readonly keys: string[]
}

/** 501 says that the DNS client of the settings has no statistics. */
const isHonest = (status: number) => status < 500 || status === 501
/** By the server, before any operation has a say. */
const isRefusal = (status: number) => [400, 404, 405, 413, 414, 415].includes(status)

function fillPath({ random, keys }: Generator, path: string): string {
  const filled = path.replaceAll(/\{[^}]+\}/g, () => {
    const known = keys.length > 0 && random.next() < 0.7
    return encodeURIComponent(known ? pick(random, keys) : pick(random, ODD_KEYS))
  })
  return filled + (random.next() < 0.2 ? pick(random, QUERIES) : '')
}

function content(
  generator: Generator,
  { requestBody }: Operation,
): { headers?: Record<string, string>; content?: string } {
  if (requestBody === undefined) return {}
  const { random } = generator
  const schema = requestBody.content['application/json']?.schema ?? {}
  const value = random.next() < 0.1 ? randomJson(generator) : sample(generator, schema, 6)
  if (random.next() < 0.85)
    return { headers: { 'Content-Type': 'application/json' }, content: JSON.stringify(value) ?? '' }
  const pairs = Object.entries(value !== null && typeof value === 'object' ? value : {})
  const form = pairs
    .map(([key, member]) => `${encodeURIComponent(key)}=${encodeURIComponent(textOf(member))}`)
    .join('&')
  return { headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, content: form }
}

/** Mostly what the schema wants, sometimes not. */
function sample(generator: Generator, schema: Schema, depth: number): unknown {
  const { random, schemas } = generator
  if (random.next() < 0.04) return randomJson(generator, 2)
  if (schema.$ref !== undefined) return sample(generator, schemas[schema.$ref.split('/').at(-1)!]!, depth)
  const choices = schema.oneOf ?? schema.anyOf
  if (choices !== undefined) return sample(generator, pick(random, choices), depth)
  if (schema.allOf !== undefined) return Object.assign({}, ...schema.allOf.map(part => sample(generator, part, depth)))
  if (schema.const !== undefined) return schema.const
  if (schema.enum !== undefined) return pick(random, schema.enum)
  const type = Array.isArray(schema.type) ? pick(random, schema.type as readonly string[]) : schema.type
  return sampleType(generator, schema, type as string | undefined, depth)
}

function sampleType(generator: Generator, schema: Schema, type: string | undefined, depth: number): unknown {
  const { random, keys } = generator
  if (type === 'null') return null
  if (type === 'boolean') return random.next() < 0.5
  if (type === 'integer' || type === 'number') {
    const { minimum = 0, maximum = 100_000 } = schema
    return minimum + Math.floor(random.next() * (maximum - minimum + 1))
  }
  if (type === 'array') {
    const length = depth === 0 ? 0 : Math.floor(random.next() * 3)
    return Array.from({ length }, () => sample(generator, schema.items ?? {}, depth - 1))
  }
  if (type === 'object' || schema.properties !== undefined) return sampleObject(generator, schema, depth)
  if (schema.format === 'uuid' && keys.length > 0) return pick(random, keys)
  return pick(random, [
    'a',
    'http',
    'example.test',
    '/x',
    '~/[a-z]+$',
    '10.0.0.1',
    'GET',
    'x-name',
    '127.0.0.1:80',
    'é',
    '',
  ])
}

function sampleObject(generator: Generator, { properties = {}, required = [] }: Schema, depth: number): object {
  const { random } = generator
  const made: Record<string, unknown> = {}
  for (const [member, schema] of Object.entries(properties)) {
    const isWanted = random.next() < (required.includes(member) ? 0.95 : 0.15)
    if (isWanted && depth > 0) made[member] = sample(generator, schema, depth - 1)
  }
  return made
}

function remember({ keys }: Generator, body: unknown): void {
  if (body === null || typeof body !== 'object') return
  const { id, name: own, username } = body as Record<string, unknown>
  for (const key of [id, own, username]) if (typeof key === 'string' && key !== '') keys.push(key)
  if (keys.length > ENTITIES_MAX) keys.splice(0, keys.length - ENTITIES_MAX)
}

async function readEverything(admin: Awaited<ReturnType<typeof openAdmin>>, { paths }: OpenApi): Promise<void> {
  for (const [path, item] of Object.entries(paths)) {
    if (path.includes('{') || item['get'] === undefined) continue
    const answer = await admin.ask(`GET ${path}`)
    assert.ok(isHonest(answer.status), `GET ${path} -> ${answer.status} ${answer.text.slice(0, 300)}`)
  }
}

/** `String` fails on an object whose members are named like its methods. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
