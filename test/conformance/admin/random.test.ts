/** Thousands of random requests at every endpoint: whatever is sent, no answer is a fault of ours. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, seededRandom } from '../../../src/base/random.ts'
import { type Admin, openAdmin, type Sent } from './admin-fixture.ts'

const requestCount = 1500
const methods = ['GET', 'GET', 'POST', 'POST', 'PUT', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']
const words = [
  'a',
  'key-auth',
  'rate-limiting',
  'http',
  '/x',
  '~/(',
  '*.a.com',
  '1.1.1.1:80',
  'ü',
  '',
  ' ',
  '%',
  '{vault://env/x}',
  '__proto__',
  'constructor',
]

/** By segment of the path: what makes a valid entity there, so that random members are tried on top of one. */
const valid: Readonly<Record<string, (n: number) => Record<string, unknown>>> = {
  services: n => ({ name: `s${n}`, host: 'a.example' }),
  service: () => ({ host: 'b.example' }),
  routes: n => ({ name: `r${n}`, paths: [`/${n}`] }),
  consumers: n => ({ username: `c${n}` }),
  upstreams: n => ({ name: `u${n}.test` }),
  targets: n => ({ target: `t${n}:80` }),
  plugins: () => ({ name: 'key-auth', config: { key_names: ['a'] } }),
  'key-auth': n => ({ key: `k${n}` }),
  'key-sets': n => ({ name: `ks${n}` }),
}

test('random requests are answered, and never with an unexpected error', { timeout: 120_000 }, async t => {
  const seed = Number(process.env['TEST_SEED'] ?? 20_261_123)
  t.diagnostic(`seed ${seed}`)
  const random = seededRandom(seed)
  const admin = await openAdmin()
  try {
    const paths = ((await admin.ask('GET /endpoints')).body.data as string[]).filter(path => path !== '/status/dns')
    const fields = await fieldNames(admin)
    const entityPaths = paths.filter(path => segmentOf(path) in valid)
    const known = ['nope']
    for (const entity of ['services', 'routes', 'consumers', 'upstreams', 'plugins']) {
      const { body } = await admin.ask(`POST /${entity}`, valid[entity]!(99))
      known.push(body.id, body.name ?? body.username)
    }
    for (let i = 0; i < requestCount; i++) {
      const sent = randomRequest(random, { paths, entityPaths, fields, known })
      const answer = await admin.send(sent)
      const shown = `seed ${seed}, request ${i}: ${JSON.stringify(sent).slice(0, 600)} -> ${answer.status} ${answer.text}`
      assert.ok(answer.status >= 200 && answer.status < 500, shown)
      for (const member of ['id', 'name', 'username', 'target', 'key']) {
        const value = answer.body?.[member]
        if (answer.status < 300 && typeof value === 'string' && known.length < 500) known.push(value)
      }
    }
    // Else the vocabulary has lost touch with the schemas.
    assert.ok(known.length > 30, `only ${known.length} entities were made or read`)
  } finally {
    await admin.close()
  }
})

async function fieldNames(admin: Admin): Promise<string[]> {
  const names = new Set<string>(['ttl', 'foo', 'url'])
  for (const entity of [
    'services',
    'routes',
    'consumers',
    'plugins',
    'upstreams',
    'targets',
    'certificates',
    'keys',
    'vaults',
  ]) {
    const { body } = await admin.ask(`GET /schemas/${entity}`)
    for (const field of body.fields) names.add(Object.keys(field)[0]!)
  }
  return [...names]
}

interface Vocabulary {
  readonly paths: readonly string[]
  readonly entityPaths: readonly string[]
  readonly fields: readonly string[]
  readonly known: readonly string[]
}

const segmentOf = (path: string) => path.split('/').findLast(part => !part.startsWith('{')) ?? ''

function pick<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor(random.next() * list.length)]!
}

function randomRequest(random: Random, vocabulary: Vocabulary): Sent {
  const method = pick(random, methods)
  const template = pick(random, random.next() < 0.7 ? vocabulary.entityPaths : vocabulary.paths)
  const path = template.replace(/\{[^}]*\}/g, () =>
    encodeURIComponent(random.next() < 0.7 ? pick(random, vocabulary.known) : pick(random, words) || 'x'),
  )
  const query =
    random.next() < 0.2 ? `?${pick(random, ['size', 'offset', 'tags', 'custom_id', 'unit'])}=${randomText(random)}` : ''
  if (!['POST', 'PUT', 'PATCH'].includes(method)) return { method, path: path + query }
  const isForm = random.next() < 0.4
  const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json'
  const base = random.next() < 0.7 ? valid[segmentOf(template)]?.(Math.floor(random.next() * 40)) : undefined
  const added = base !== undefined && random.next() < 0.5 ? {} : randomObject(random, vocabulary, 0)
  const content = isForm ? randomForm(random, vocabulary) : JSON.stringify({ ...base, ...added })
  return { method, path: path + query, headers: { 'Content-Type': type }, content }
}

const randomText = (random: Random) => encodeURIComponent(pick(random, words) + pick(random, words))

function randomForm(random: Random, { fields }: Vocabulary): string {
  const brackets = [
    '',
    '[]',
    '[1]',
    '[0]',
    '[-1]',
    '[x]',
    '[',
    '.id',
    '.name',
    '.a.b',
    '[1].ip',
    '[999999999]',
    '[__proto__]',
    '.__proto__.x',
  ]
  const parts: string[] = []
  for (let i = Math.floor(random.next() * 6); i >= 0; i--) {
    parts.push(`${encodeURIComponent(pick(random, fields) + pick(random, brackets))}=${randomText(random)}`)
  }
  return parts.join('&')
}

function randomObject(random: Random, vocabulary: Vocabulary, depth: number): Record<string, unknown> {
  const members: [string, unknown][] = []
  for (let i = Math.floor(random.next() * 5); i >= 0; i--) {
    const name = random.next() < 0.9 ? pick(random, vocabulary.fields) : pick(random, ['config', 'id', 'minute', 'x'])
    members.push([name, randomValue(random, vocabulary, depth)])
  }
  return Object.fromEntries(members)
}

function randomValue(random: Random, vocabulary: Vocabulary, depth: number): unknown {
  const kind = random.next()
  if (kind < 0.3) return pick(random, words)
  if (kind < 0.45) return pick(random, [0, 1, -1, 80, 1.5, 1e300, 2 ** 53, -0])
  if (kind < 0.55) return pick(random, [true, false, null])
  if (kind < 0.65) return { id: pick(random, vocabulary.known) }
  if (kind < 0.7) return { name: pick(random, vocabulary.known) }
  if (depth > 3) return {}
  if (kind < 0.85)
    return Array.from({ length: Math.floor(random.next() * 3) }, () => randomValue(random, vocabulary, depth + 1))
  return randomObject(random, vocabulary, depth + 1)
}
