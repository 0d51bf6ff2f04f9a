/** Thousands of random deltas, one by one, leave exactly the configuration that a snapshot of the final rows makes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/random.ts'
import type { ConfigChange, Row } from '../entities/config.ts'
import { selfSignedPair } from '../../test/kit/certificate-pair.ts'
import {
  change,
  load,
  put,
  remove,
  routerInput,
  rowBuilder,
  testCatalog,
  testConfig,
  testPlugins,
} from '../../test/kit/config-rows.ts'
import type { RunningConfig } from './running-config.ts'

const PATHS = ['/', '/a', '/b', '/a/b', '~/a/\\d+', '/c']
const HOSTS = ['a.test', '*.test', 'b.test']
const NAMES = ['one.test', 'two.test', 'three.test']
const PAIRS = [selfSignedPair('x'), selfSignedPair('y')]
// Parents before children, as the store's change log has them.
const ENTITIES = [
  'certificates',
  'consumers',
  'upstreams',
  'services',
  'routes',
  'targets',
  'snis',
  'plugins',
  'test_keys',
]

function model(seed: number) {
  const plugins = testPlugins()
  const catalog = testCatalog(plugins)
  const random = seededRandom(seed)
  const build = rowBuilder(catalog, random)
  const rows = new Map<string, Map<string, Row>>(ENTITIES.map(entity => [entity, new Map()]))
  const below = (n: number) => Math.floor(random.next() * n)
  const one = <T>(list: readonly T[]) => list[below(list.length)]!
  const maybe = <T>(value: T) => (below(2) === 0 ? value : null)
  const all = (entity: string) => [...rows.get(entity)!.values()]
  const ref = (entity: string) => (all(entity).length === 0 ? null : { id: one(all(entity))['id'] })
  const free = (entity: string, field: string, names: readonly string[]) =>
    names.find(name => !all(entity).some(row => row[field] === name))

  /** A new row of an entity, or null when what it needs is not there. */
  const fresh: Record<string, () => Row | null> = {
    certificates: () => ({ ...one(PAIRS) }),
    consumers: () => ({ username: `u${random.uuid()}` }),
    upstreams: () => {
      const name = free('upstreams', 'name', NAMES)
      return name === undefined
        ? null
        : { name, host_header: maybe('h.test'), client_certificate: maybe(ref('certificates')) }
    },
    services: () => {
      const tls = below(2) === 0
      const host = one([...NAMES, '10.0.0.1'])
      const certificate = tls ? { client_certificate: maybe(ref('certificates')) } : {}
      return { host, port: 1 + below(9), enabled: below(4) > 0, protocol: tls ? 'https' : 'http', ...certificate }
    },
    routes: () => ({
      paths: [one(PATHS), one(PATHS)],
      hosts: maybe([one(HOSTS)]),
      methods: maybe(['GET']),
      service: maybe(ref('services')),
      ...(below(8) === 0
        ? { protocols: ['tls'], snis: ['s.test'], paths: null, hosts: null, methods: null, strip_path: false }
        : {}),
    }),
    targets: () => {
      const upstream = ref('upstreams')
      return upstream === null
        ? null
        : { upstream, target: `10.1.0.${below(250)}:${1 + below(9)}`, weight: below(3) * 50 }
    },
    snis: () => {
      const certificate = ref('certificates')
      const name = free('snis', 'name', ['s.test', '*.s.test', 'x.*'])
      return certificate === null || name === undefined ? null : { certificate, name }
    },
    plugins: () => {
      const [name, route, service, consumer] = [
        one([...plugins.keys()]),
        ref('routes'),
        ref('services'),
        ref('consumers'),
      ]
      const scope = { name, route: maybe(route), service: maybe(service), consumer: maybe(consumer) }
      const key = (row: Row) => JSON.stringify([row['name'], row['route'], row['service'], row['consumer']])
      return all('plugins').some(row => key(row) === key(scope)) ? null : { ...scope, enabled: below(5) > 0 }
    },
    test_keys: () => {
      const consumer = ref('consumers')
      return consumer === null ? null : { consumer, key: random.uuid() }
    },
  }

  /** Removes a row with all that refers to it, children first. */
  function removal(entity: string, row: Row): ConfigChange[] {
    rows.get(entity)!.delete(String(row['id']))
    const orphans = catalog
      .references(entity)
      .filter(reference => rows.has(reference.entity.name))
      .flatMap(({ entity: child, field }) =>
        all(child.name)
          .filter(other => (other[field] as { id?: unknown } | null)?.id === row['id'])
          .flatMap(other => removal(child.name, other)),
      )
    return [...orphans, remove(entity, row)]
  }

  function edit(): ConfigChange[] {
    const entity = one([...ENTITIES, 'routes', 'routes', 'plugins', 'services'])
    const existing = all(entity)
    const action = below(10)
    if (existing.length > 0 && (action < 3 || existing.length > 25)) return removal(entity, one(existing))
    const values = fresh[entity]!()
    if (values === null) return []
    const id = action < 6 && existing.length > 0 ? { id: one(existing)['id'] } : {}
    const row = build(entity, { ...values, ...id })
    rows.get(entity)!.set(String(row['id']), row)
    return [put(entity, row)]
  }
  return { plugins, catalog, rows, edit, below, all }
}

function describePeers(pick: () => unknown): unknown {
  const seen = new Set<string>()
  for (let i = 0; i < 60; i++) {
    const picked = pick() as { failure?: string; peer?: { key: string }; hostHeader?: string }
    seen.add(picked.failure ?? `${picked.peer!.key} ${picked.hostHeader}`)
  }
  return [...seen].sort()
}

/** Everything of a configuration that a request can notice. */
function behaviour(config: RunningConfig, consumers: readonly Row[]) {
  const answers: unknown[] = []
  for (const host of [...HOSTS, 'c.d.test', 'other'])
    for (const path of ['/', '/a', '/a/b', '/a/7', '/b/x', '/c'])
      for (const method of ['GET', 'PUT']) {
        const match = config.router.match(routerInput({ host, path, method }))
        if (match === null) {
          answers.push(null)
          continue
        }
        const { route } = match
        const plan = route.plan()
        const ids = (resolved: typeof plan.anonymous) => resolved.instances.map(i => i?.row['id'] ?? null)
        answers.push([
          [route.id, match.matchedPath, route.service?.row ?? null, route.service?.tlsOptions ?? null],
          [plan.consumerIndependent, ids(plan.anonymous), consumers.map(c => ids(plan.forConsumer(String(c['id']))))],
          describePeers(() => route.service?.balancer.pick({ failed: [] }, null as never) ?? { failure: 'no service' }),
        ])
      }
  return {
    answers,
    size: config.router.size,
    global: config.globalPlan().instances.map(instance => instance!.row['id']),
    rewriters: config.rewriters.map(instance => instance.row['id']),
    certificates: ['s.test', 'a.s.test', 'x.org', 'none'].map(sni => config.secureContext(sni) !== null),
  }
}

function contents(config: RunningConfig) {
  return ENTITIES.map(entity => {
    const found = [...config.reader.all(entity)].sort((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1))
    const byConsumer = found.map(row => config.reader.findByForeign(entity, 'consumer', String(row['id'])).length)
    return [entity, found, byConsumer]
  })
}

const DELTAS = 400
const CHECK_EVERY = 10

for (const seed of [1, 2, 3].map(n => Number(process.env['SEED'] ?? n)))
  test(`prepareDelta() in a row equals prepareSnapshot() of the final rows (seed ${seed})`, () => {
    const { plugins, catalog, rows, edit, below, all } = model(seed)
    const config = testConfig({ catalog, plugins })
    for (let delta = 1; delta <= DELTAS; delta++) {
      const edits = Array.from({ length: 1 + below(4) }, () => edit())
      // Puts in order of entities, removals as they come: the last value of each row counts.
      change(config, ...edits.flat())
      if (delta % CHECK_EVERY !== 0) continue
      const snapshot = testConfig({ catalog, plugins })
      const final = ENTITIES.flatMap(entity => [...rows.get(entity)!.values()].map(row => put(entity, row)))
      load(snapshot, final, 7)
      const consumers = all('consumers')
      const about = `SEED=${seed}, after delta ${delta}`
      assert.deepEqual(contents(config), contents(snapshot), about)
      assert.deepEqual(behaviour(config, consumers), behaviour(snapshot, consumers), about)
    }
  })
