/** Health of a whole node: configuration followed change by change, reports of workers, names, and what the APIs show. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { manualClock } from '../../test/kit/config-rows.ts'
import { type Clock, systemClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import { seededRandom } from '../base/random.ts'
import type { ConfigChange, Row } from '../entities/config.ts'
import type { PeerChange, PeerEvent } from '../proxy/health/peer-state.ts'
import type { Resolution } from '../proxy/upstream/resolver.ts'
import type { HealthMark } from '../cluster/health-messages.ts'
import { MemoryCopy } from './config-copy.ts'
import { HealthAuthority } from './health-authority.ts'
import { HealthFeed } from './health-feed.ts'
import { createUpstreamHealth, targetHealthMetrics } from './target-health.ts'

const checks = { passive: { unhealthy: { http_failures: 2, tcp_failures: 1 }, healthy: { successes: 1 } } }
const pool: Row = { id: 'u1', name: 'pool.test', healthchecks: checks }
const target = (id: string, address: string, weight = 100): Row => ({
  id,
  target: address,
  weight,
  upstream: { id: 'u1' },
})
const put = (entity: string, row: Row): ConfigChange => ({ entity, key: String(row['id']), row })
const remove = (entity: string, key: string): ConfigChange => ({ entity, key, row: null })

function fixture(rows: readonly ConfigChange[], clock: Clock = manualClock()) {
  const copy = new MemoryCopy(['certificates', 'upstreams', 'targets', 'plugins'])
  let version = 0
  const snapshot = (all: readonly ConfigChange[]) => {
    const writer = copy.beginSnapshot({ version: ++version, config_hash: '' })
    writer.add(all)
    writer.commit()
    authority.reset()
  }
  const change = (...changes: ConfigChange[]) => {
    copy.applyDelta({ from: version, version: ++version, config_hash: '', changes })
    authority.apply(changes)
  }
  const told: PeerChange[] = []
  const names = new Map<string, Resolution>()
  const authority = new HealthAuthority({
    copy,
    resolver: { resolve: name => names.get(name) ?? { ok: false, failure: 'name_resolution_failed' } },
    clock,
    random: seededRandom(1),
    log: silentLogger,
    broadcast: changes => told.push(...changes),
    tls: { clientCertificate: null, trustedCertificates: null },
  })
  /** Of tries that have begun after all marks, unless `marks` says otherwise. */
  const report = (peer: string, event: PeerEvent, count = 1, marks = authority.marks) =>
    authority.receive([{ upstream: 'u1', peer, event, marks, count }])
  /** What was told to the workers since. */
  const heard = () => told.splice(0).map(({ peer, state }) => `${peer} ${state}`)
  snapshot(rows)
  return { authority, change, copy, heard, names, report, snapshot, health: createUpstreamHealth(authority) }
}

const A = '10.0.0.1|10.0.0.1|80'
const two = [
  put('upstreams', pool),
  put('targets', target('t1', '10.0.0.1:80')),
  put('targets', target('t2', '10.0.0.2:80')),
]

test('HealthAuthority counts for all workers together and tells all of them', () => {
  const { authority, heard, report } = fixture(two)
  report(A, 'http_failure')
  report(A, 'http_failure')
  assert.deepEqual(heard(), [`${A} mostly_healthy`, `${A} unhealthy`])
  assert.deepEqual(authority.states(), [{ upstream: 'u1', peer: A, state: 'unhealthy' }], 'for a new worker')
  report(A, 'success')
  assert.deepEqual(heard(), [`${A} healthy`])
  report('10.9.9.9|10.9.9.9|80', 'tcp_failure')
  assert.deepEqual(heard(), [], 'nobody knows that one')
})

test('HealthAuthority keeps health over edits and snapshots, and forgets what is gone', () => {
  const { change, heard, report, snapshot, authority } = fixture(two)
  report(A, 'tcp_failure')
  heard()
  change(put('upstreams', { ...pool, tags: ['x'] }), put('targets', target('t2', '10.0.0.3:80')))
  snapshot([...two, put('upstreams', { ...pool, slots: 1000 })])
  assert.deepEqual(heard(), [])
  assert.equal(authority.states().length, 1)
  change(remove('targets', 't1'))
  assert.deepEqual(heard(), [`${A} healthy`])
  change(put('targets', target('t1', '10.0.0.1:80')))
  report(A, 'tcp_failure')
  heard()
  change(put('upstreams', { ...pool, healthchecks: {} }))
  assert.deepEqual(heard(), [`${A} healthy`], 'without checks all are available')
  report(A, 'tcp_failure')
  assert.deepEqual(heard(), [])
  change(put('upstreams', pool))
  report(A, 'tcp_failure')
  assert.deepEqual(heard(), [`${A} unhealthy`], 'its targets were known all along')
  change(remove('targets', 't1'), remove('targets', 't2'), remove('upstreams', 'u1'))
  assert.deepEqual(heard(), [`${A} healthy`])
})

test('HealthAuthority takes a report on an address that only a worker has got for a name', () => {
  const { heard, report } = fixture([put('upstreams', pool), put('targets', target('t1', 'a.test:80'))])
  report('a.test|10.0.0.7|80', 'tcp_failure')
  assert.deepEqual(heard(), ['a.test|10.0.0.7|80 unhealthy'])
})

test('createUpstreamHealth() shows targets by their addresses', async () => {
  const { health, names, report } = fixture([...two, put('targets', target('t3', 'a.test:80', 50))])
  report(A, 'tcp_failure')
  const shown = await health.target(pool, target('t1', '10.0.0.1:80'))
  assert.equal(shown.health, 'UNHEALTHY')
  assert.deepEqual(shown.data, {
    host: '10.0.0.1',
    port: 80,
    dns: 'A',
    nodeWeight: 100,
    weight: { total: 100, unavailable: 100, available: 0 },
    addresses: [{ ip: '10.0.0.1', port: 80, weight: 100, health: 'UNHEALTHY' }],
  })
  assert.equal((await health.target(pool, target('t2', '10.0.0.2:80'))).health, 'HEALTHY')
  assert.equal((await health.target(pool, target('t2', '10.0.0.2:80', 0))).health, 'HEALTHCHECKS_OFF')
  assert.equal((await health.target(pool, target('t3', 'a.test:80'))).health, 'DNS_ERROR')
  names.set('a.test', { ok: true, addresses: [{ ip: '10.0.0.7', port: null, weight: null }] })
  assert.equal((await health.target(pool, target('t3', 'a.test:80'))).health, 'HEALTHY')
  const balancer = (await health.balancer({ ...pool, healthchecks: { ...checks, threshold: 60 } })) as Record<
    string,
    any
  >
  // 60 % are available, and a threshold must be passed.
  assert.deepEqual(
    [balancer['health'], balancer['balancer_health'], balancer['id'], balancer['details'].weight],
    ['UNHEALTHY', 'UNHEALTHY', 'u1', { total: 250, unavailable: 100, available: 150 }],
  )
  assert.deepEqual(
    balancer['details'].hosts.map((host: { host: string }) => host.host),
    ['10.0.0.1', '10.0.0.2', 'a.test'],
  )
})

test('createUpstreamHealth() sets one address or all of a name, and says no without checks', async () => {
  const { health, heard, names } = fixture([put('upstreams', pool), put('targets', target('t1', 'a.test:80'))])
  const addresses = ['10.0.0.7', '10.0.0.8'].map(ip => ({ ip, port: null, weight: null }))
  names.set('a.test', { ok: true, addresses })
  const set = (address: string | null, healthy: boolean) =>
    health.set({ upstream: pool, target: target('t1', 'a.test:80'), address, healthy })
  assert.equal(await set(null, false), null)
  assert.deepEqual(heard(), ['a.test|10.0.0.7|80 unhealthy', 'a.test|10.0.0.8|80 unhealthy'])
  assert.equal(await set('10.0.0.8:80', true), null)
  assert.deepEqual(heard(), ['a.test|10.0.0.8|80 healthy'])
  const unchecked = { ...pool, id: 'u2', name: 'other.test' }
  const refusal = await health.set({
    upstream: unchecked,
    target: target('t9', '1.1.1.1:80'),
    address: null,
    healthy: true,
  })
  assert.equal(refusal, 'no healthchecker found for other.test')
})

test('targetHealthMetrics() has a series for each state, if some plugin asks for them', async () => {
  const { authority, change, copy, report } = fixture(two)
  assert.deepEqual(await targetHealthMetrics(authority, copy), [])
  change(put('plugins', { id: 'p1', name: 'prometheus', config: { upstream_health_metrics: true } }))
  report(A, 'tcp_failure')
  const [metric] = await targetHealthMetrics(authority, copy)
  const on = metric!.series.filter(({ value }) => value === 1).map(({ labels }) => labels.join())
  assert.equal(metric!.series.length, 8)
  assert.deepEqual(on.sort(), [
    'pool.test,10.0.0.1:80,10.0.0.1:80,unhealthy,http',
    'pool.test,10.0.0.2:80,10.0.0.2:80,healthy,http',
  ])
})

const aMark = (id: string, more: Partial<HealthMark> = {}): HealthMark => {
  return { id, upstream: 'u1', target: 't1', address: null, healthy: false, at: 1, ...more }
}

test('HealthAuthority takes a name in the place of an address for all addresses of the target', () => {
  const { authority, heard, report } = fixture([put('upstreams', pool), put('targets', target('t1', 'a.test:80'))])
  for (const ip of ['10.0.0.7', '10.0.0.8']) report(`a.test|${ip}|80`, 'tcp_failure')
  heard()
  assert.ok(authority.force('u1', 't1', 'a.test:80', true))
  assert.deepEqual(heard(), ['a.test|10.0.0.7|80 healthy', 'a.test|10.0.0.8|80 healthy'])
  assert.ok(authority.force('u1', 't1', '10.0.0.8:80', false))
  assert.deepEqual(heard(), ['a.test|10.0.0.8|80 unhealthy'])
  assert.equal(authority.force('u1', 't1', 'a.test:81', false), false)
})

test('HealthAuthority lets no try that began before a mark by hand undo it', () => {
  const { authority, heard, report } = fixture(two)
  const before = authority.marks
  assert.ok(authority.force('u1', 't1', null, false))
  assert.deepEqual(heard(), [`${A} unhealthy`])
  report(A, 'success', 3, before)
  assert.deepEqual(heard(), [`${A} unhealthy`], 'said again to the worker that thinks otherwise')
  report('10.0.0.2|10.0.0.2|80', 'tcp_failure', 1, before)
  assert.deepEqual(heard(), ['10.0.0.2|10.0.0.2|80 unhealthy'], 'the mark is about one target only')
  const between = authority.marks
  authority.force('u1', 't1', null, true)
  report(A, 'tcp_failure', 1, between)
  assert.equal(authority.checked('u1')!.stateOf({ hostname: '10.0.0.1', ip: '10.0.0.1', port: 80 }), 'healthy')
  report(A, 'tcp_failure')
  assert.equal(heard().at(-1), `${A} unhealthy`, 'what began after it counts')
})

test('HealthAuthority lets no probe that began before a mark by hand undo it', async t => {
  const held: ServerResponse[] = []
  let asked = () => {}
  const server = createServer((_request, response) => {
    held.push(response)
    asked()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const active = {
    type: 'http',
    http_path: '/',
    timeout: 10,
    concurrency: 1,
    healthy: { interval: 0, successes: 1, http_statuses: [200] },
    unhealthy: { interval: 0.01 },
  }
  const rows = [
    put('upstreams', { ...pool, healthchecks: { active } }),
    put('targets', target('t1', `127.0.0.1:${port}`)),
  ]
  const { authority } = fixture(rows, systemClock)
  t.after(() => authority.close())
  const peer = { hostname: '127.0.0.1', ip: '127.0.0.1', port }
  const state = () => authority.checked('u1')!.stateOf(peer)
  const probe = () => new Promise<void>(resolve => (asked = resolve))
  authority.force('u1', 't1', null, false)
  const first = probe()
  await first
  authority.force('u1', 't1', null, false)
  const closed = once(held[0]!, 'close')
  held[0]!.end('ok')
  await closed
  const second = probe()
  // The next one is made only when the one before is over.
  await second
  assert.equal(state(), 'unhealthy')
  const up = new Promise<void>(resolve => authority.follow(() => state() === 'healthy' && resolve()))
  held[1]!.end('ok')
  await up
})

test('HealthFeed takes a mark over once, when it knows the target, and what checks find later stands', () => {
  const { authority, change, heard, report } = fixture([])
  const feed = new HealthFeed(authority)
  feed.takeMarks([aMark('m1')])
  assert.deepEqual(heard(), [], 'the configuration is not there yet')
  change(...two)
  assert.deepEqual(heard(), [`${A} unhealthy`])
  report(A, 'success')
  feed.takeMarks([aMark('m1')])
  assert.deepEqual(heard(), [`${A} healthy`], 'told again after a reconnect, it means nothing new')
  feed.takeMarks([aMark('m2', { at: 2 }), aMark('m0', { at: 0, healthy: true })])
  assert.deepEqual(heard(), [`${A} unhealthy`], 'an older one does not undo a newer')
  feed.takeMarks([aMark('m3', { address: '10.0.0.1:80', healthy: true }), aMark('m4', { target: 'gone' })])
  assert.deepEqual(heard(), [`${A} healthy`])
})

test('HealthFeed reports what is new, everything after a restart, and of too much the unhealthy first', () => {
  const { authority, change, report } = fixture(two)
  const feed = new HealthFeed(authority)
  feed.restart()
  const both = (isUp: boolean) => [
    ['10.0.0.1', '10.0.0.1', 80, isUp],
    ['10.0.0.2', '10.0.0.2', 80, true],
  ]
  assert.deepEqual(feed.report(1000), [['u1', both(true), 0]])
  assert.deepEqual(feed.report(1000), [])
  report(A, 'tcp_failure')
  report(A, 'tcp_failure')
  assert.deepEqual(feed.report(1000), [['u1', both(false), 0]])
  feed.restart()
  assert.deepEqual(feed.report(110), [['u1', [['10.0.0.1', '10.0.0.1', 80, false]], 1]], 'the other does not fit')
  change(remove('targets', 't1'))
  assert.deepEqual(feed.report(1000), [['u1', [['10.0.0.2', '10.0.0.2', 80, true]], 0]])
  change(put('upstreams', { ...pool, healthchecks: {} }))
  assert.deepEqual(feed.report(1000), [['u1', null, 0]])

  const others = Array.from({ length: 50 }, (_, i) => put('upstreams', { ...pool, id: `v${i}`, name: `v${i}.test` }))
  change(...others)
  feed.restart()
  const reported = []
  for (let round = 0; round < 60; round++) {
    const some = feed.report(500)
    assert.ok(JSON.stringify(some).length <= 500, `${JSON.stringify(some).length} bytes`)
    reported.push(...some.map(([id]) => id))
  }
  assert.equal(new Set(reported).size, 50)
  assert.equal(reported.length, 50)
})

test('an upstream that takes the place of one of the same name goes on with its health, for a while', async () => {
  const clock = manualClock()
  const { authority, change, heard, report } = fixture(two, clock)
  report(A, 'tcp_failure')
  heard()
  change(remove('targets', 't1'), remove('targets', 't2'), remove('upstreams', 'u1'))
  const again = (id: string) => [
    put('upstreams', { ...pool, id }),
    put('targets', { ...target(`t${id}`, '10.0.0.1:80'), upstream: { id } }),
  ]
  change(...again('u2'))
  assert.deepEqual(authority.states(), [{ upstream: 'u2', peer: A, state: 'unhealthy' }])
  change(remove('targets', 'tu2'), remove('upstreams', 'u2'))
  clock.advance(10_001)
  change(...again('u3'))
  assert.deepEqual(authority.states(), [])
})

test('addresses from SRV records are shown and marked by the host of the record, as in Kong', async () => {
  const name = '_http._tcp.pool.test'
  const { authority, change, health, names } = fixture([put('upstreams', pool)])
  const address = { ip: '10.0.0.7', port: 90, weight: 3, name: 'a.pool.test' }
  names.set(name, { ok: true, addresses: [address] })
  const row = target('t9', `${name}:80`)
  change(put('targets', row))
  await authority.refresh('u1')
  const seen = async () => (await health.target(pool, row)).data
  const shown = (state: string) => [{ ip: 'a.pool.test', port: 90, weight: 3, health: state }]
  assert.deepEqual((await seen())['addresses'], shown('HEALTHY'))
  assert.equal((await seen())['dns'], 'SRV')
  await health.set({ upstream: pool, target: row, address: 'a.pool.test:90', healthy: false })
  assert.deepEqual((await seen())['addresses'], shown('UNHEALTHY'))
  await health.set({ upstream: pool, target: row, address: '10.0.0.7:90', healthy: true })
  assert.deepEqual((await seen())['addresses'], shown('HEALTHY'))
})
