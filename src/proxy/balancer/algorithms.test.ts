/** Consistent hashing, least connections and lowest latency: who is chosen, by share, by weight, and over changes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anUpstreamOfTargets, hashInput, peerOf, pick, spread } from '../../../test/kit/upstream-fixture.ts'
import { seededRandom } from '../../base/random.ts'
import { createAddress } from './address.ts'
import type { Balancer, HashInput, Pick } from './balancer.ts'
import { ConsistentHashing } from './consistent-hashing.ts'
import { compileHashSource } from './hash-source.ts'
import { xxhash32 } from './xxhash32.ts'

const SEED = 20_261_123
const byPath = { algorithm: 'consistent-hashing', hash_on: 'path', hash_fallback: 'none', slots: 10_000 }

function owners(balancer: Balancer, keys: readonly string[]): string[] {
  return keys.map(path => peerOf(pick(balancer, [], hashInput({ path }))).key)
}

function randomKeys(count: number): string[] {
  const random = seededRandom(SEED)
  return Array.from({ length: count }, () => random.uuid())
}

function targetsOf(count: number, weight = 100): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`10.0.${i >> 8}.${i & 255}:80`, weight]))
}

test('ConsistentHashing gives each key the target that Kong gives it', () => {
  const { balancer, use } = anUpstreamOfTargets()
  use({ '10.0.0.3:8080': 25, '10.0.0.1:80': 100, '10.0.0.2:80': 50 }, byPath)
  // Made by Kong's ring in LuaJIT: for key-1 to key-60, which of the three has it.
  const expected = '211131312331121121113213131231112321111123311121111213111122'
  const keys = Array.from({ length: 60 }, (_, i) => `key-${i + 1}`)
  const seen = owners(balancer, keys).map(key => key.split(':')[0]!.at(-1))
  assert.equal(seen.join(''), expected)
})

test('ConsistentHashing spreads keys by weight', () => {
  const { balancer, use } = anUpstreamOfTargets()
  use({ '10.0.0.1:80': 300, '10.0.0.2:80': 100, '10.0.0.3:80': 100, '10.0.0.4:80': 0 }, byPath)
  const counts: Record<string, number> = {}
  const keys = randomKeys(20_000)
  for (const key of owners(balancer, keys)) counts[key] = (counts[key] ?? 0) + 1
  const share = (ip: string) => (counts[`${ip}:80`] ?? 0) / keys.length
  assert.ok(Math.abs(share('10.0.0.1') - 0.6) < 0.06, `heavy target got ${share('10.0.0.1')}, seed ${SEED}`)
  assert.ok(Math.abs(share('10.0.0.2') - 0.2) < 0.06, `light target got ${share('10.0.0.2')}, seed ${SEED}`)
  assert.equal(share('10.0.0.4'), 0)
})

test('ConsistentHashing moves a new target its share of the keys, and no others', () => {
  const { balancer, use } = anUpstreamOfTargets()
  const keys = randomKeys(20_000)
  use(targetsOf(10), byPath)
  const before = owners(balancer, keys)
  use({ ...targetsOf(10), '10.9.9.9:80': 100 }, byPath)
  const after = owners(balancer, keys)
  const moved = keys.filter((_, i) => before[i] !== after[i])
  const toNewcomer = after.filter(key => key === '10.9.9.9:80').length
  assert.ok(Math.abs(toNewcomer / keys.length - 1 / 11) < 0.03, `the newcomer has ${toNewcomer}, seed ${SEED}`)
  // Points that two hash to may change hands; nothing else does.
  assert.ok(moved.length - toNewcomer < keys.length * 0.02, `${moved.length} keys moved, seed ${SEED}`)
})

test('ConsistentHashing leaves keys where they are over any churn of targets, but those of targets that came or went', t => {
  const random = seededRandom(SEED)
  const { balancer, use } = anUpstreamOfTargets()
  const keys = randomKeys(2_000)
  let targets: Record<string, number> = targetsOf(12)
  use(targets, byPath)
  let before = owners(balancer, keys)
  let strays = 0
  let total = 0
  for (let round = 0; round < 40; round++) {
    const names = Object.keys(targets)
    const gone = random.next() < 0.5 && names.length > 6 ? names[Math.floor(random.next() * names.length)]! : null
    const come = gone === null ? `10.9.${round}.1:80` : null
    targets = Object.fromEntries(names.filter(name => name !== gone).map(name => [name, 100]))
    if (come !== null) targets[come] = 100
    use(targets, byPath)
    const after = owners(balancer, keys)
    strays += keys.filter((_, i) => before[i] !== after[i] && before[i] !== gone && after[i] !== come).length
    total += keys.length
    before = after
  }
  t.diagnostic(`${strays} of ${total} keys moved between targets that stayed (seed ${SEED})`)
  // Points that two targets hash to may change hands; nothing else does.
  assert.ok(strays < total * 0.02, `${strays} of ${total} keys moved, seed ${SEED}`)
})

test('ConsistentHashing places an address from an SRV record by the host of the record, as Kong does', () => {
  const aRing = (ips: readonly string[], ringHost: (i: number) => string) => {
    const addresses = ips.map((ip, i) => {
      const peer = { ip, port: 80, hostname: '_http._tcp.pool.test', key: `${ip}:80` }
      return { ...createAddress(peer), ringHost: ringHost(i), weight: 100 }
    })
    const ring = new ConsistentHashing(addresses, { slots: 10_000, targetCount: 1 })
    return randomKeys(500).map(key => ring.next([], xxhash32(key)))
  }
  const byName = (i: number) => `host-${i}.pool.test`
  const moved = aRing(['10.0.0.1', '10.0.0.2'], byName)
  assert.deepEqual(aRing(['10.7.0.1', '10.7.0.2'], byName), moved, 'wherever the hosts move')
  assert.notDeepEqual(
    aRing(['10.0.0.1', '10.0.0.2'], i => `10.0.0.${i + 1}`),
    moved,
  )
})

test('ConsistentHashing moves only the keys of a target that is down, and back again', () => {
  const { balancer, down, use } = anUpstreamOfTargets()
  const keys = randomKeys(5000)
  use(targetsOf(10), byPath)
  const before = owners(balancer, keys)
  down.add('10.0.0.3:80')
  const without = owners(balancer, keys)
  keys.forEach((_, i) => {
    if (before[i] === '10.0.0.3:80') assert.notEqual(without[i], '10.0.0.3:80')
    else assert.equal(without[i], before[i])
  })
  down.clear()
  assert.deepEqual(owners(balancer, keys), before)
})

test('ConsistentHashing goes on to the next target of the ring when one has failed', () => {
  const { balancer, use } = anUpstreamOfTargets()
  use(targetsOf(2), byPath)
  const input = hashInput({ path: '/a' })
  const first = peerOf(pick(balancer, [], input))
  const second = peerOf(pick(balancer, [first], input))
  assert.notEqual(second, first)
  assert.equal(peerOf(pick(balancer, [first, second], input)), first)
})

test('ConsistentHashing serves more targets than the ring has room for', () => {
  const { balancer, use } = anUpstreamOfTargets()
  use(targetsOf(500), { ...byPath, slots: 10 })
  const seen = new Set(owners(balancer, randomKeys(20_000)))
  assert.ok(seen.size > 350, `${seen.size} of 500 targets have keys`)
})

test('compileHashSource() takes the first source that the request has, then the fallback, then nothing', () => {
  const everything = hashInput({
    consumerId: 'consumer',
    credentialId: 'credential',
    clientIp: '10.1.1.1',
    path: '/path',
    header: { 'X-A': 'a', 'X-B': 'b' },
    query: { q: 'größe' },
    capture: { id: '7' },
    cookie: { session: 's' },
  })
  const nothing = hashInput({ clientIp: '10.1.1.1', header: {}, query: {}, capture: {}, cookie: {} })
  const cases: readonly [Record<string, string>, HashInput, string][] = [
    [{ hash_on: 'none' }, everything, ''],
    [{ hash_on: 'consumer' }, everything, 'consumer'],
    [{ hash_on: 'consumer' }, hashInput({ credentialId: 'credential' }), 'credential'],
    [{ hash_on: 'ip' }, everything, '10.1.1.1'],
    [{ hash_on: 'path' }, everything, '/path'],
    [{ hash_on: 'path' }, hashInput({ path: '/root/%2F.subdir/%28%29' }), '/root/.subdir/()'],
    [{ hash_on: 'path' }, hashInput({ path: '/a/%2E%2e/%2e%2e/b%2F' }), '/b/'],
    [{ hash_on: 'header', hash_on_header: 'X-A' }, everything, 'a'],
    [{ hash_on: 'query_arg', hash_on_query_arg: 'q' }, everything, Buffer.from('größe').toString('latin1')],
    [{ hash_on: 'uri_capture', hash_on_uri_capture: 'id' }, everything, '7'],
    [{ hash_on: 'cookie', hash_on_cookie: 'session' }, everything, 's'],
    [{ hash_on: 'consumer', hash_fallback: 'ip' }, nothing, '10.1.1.1'],
    [
      { hash_on: 'header', hash_on_header: 'X-C', hash_fallback: 'header', hash_fallback_header: 'X-B' },
      everything,
      'b',
    ],
    [{ hash_on: 'query_arg', hash_on_query_arg: 'q', hash_fallback: 'none' }, nothing, ''],
  ]
  for (const [row, input, expected] of cases) assert.equal(compileHashSource(row)(input), expected, JSON.stringify(row))
})

test('compileHashSource() issues a cookie to a client that has none', () => {
  const input = hashInput({ cookie: {} })
  const row = { hash_on: 'cookie', hash_on_cookie: 'session', hash_on_cookie_path: '/shop' }
  assert.equal(compileHashSource(row)(input), 'made-up')
  assert.deepEqual(input.issued, ['session /shop'])
  assert.equal(compileHashSource({ ...row, hash_on: 'ip', hash_fallback: 'cookie' })(hashInput({ clientIp: 'x' })), 'x')
})

test('UpstreamTargets looks at nothing of a request unless its algorithm hashes', () => {
  const { balancer, use } = anUpstreamOfTargets()
  for (const algorithm of ['round-robin', 'least-connections', 'latency']) {
    use(targetsOf(2), { ...byPath, algorithm })
    assert.ok(peerOf(pick(balancer, [], null)))
  }
})

test('LeastConnections goes where the fewest exchanges are under way by weight', () => {
  const { balancer, use } = anUpstreamOfTargets()
  use({ '10.0.0.1:80': 100, '10.0.0.2:80': 200 }, { algorithm: 'least-connections' })
  const open = Array.from({ length: 9 }, () => pick(balancer) as Pick)
  const at = (ip: string) => open.filter(({ peer }) => peer.ip === ip)
  assert.deepEqual([at('10.0.0.1').length, at('10.0.0.2').length], [3, 6])
  for (const done of at('10.0.0.1')) balancer.release(done, { kind: 'aborted' })
  assert.equal(peerOf(pick(balancer)).ip, '10.0.0.1')
})

test('LeastConnections takes turns among equals, and keeps its counts over changes of targets', () => {
  const { balancer, use } = anUpstreamOfTargets()
  const upstream = { algorithm: 'least-connections' }
  use(targetsOf(3), upstream)
  assert.deepEqual(Object.values(spread(balancer, 9)), [3, 3, 3])
  const busy = peerOf(pick(balancer))
  use(targetsOf(4), upstream)
  const counts = spread(balancer, 9)
  assert.equal(counts[busy.key], undefined, 'the busy one is left alone')
  assert.deepEqual(Object.values(counts), [3, 3, 3])
})

test('LowestLatency prefers the fast, forgets with time, and starts newcomers at the average', () => {
  const { balancer, clock, use } = anUpstreamOfTargets()
  const upstream = { algorithm: 'latency' }
  use(targetsOf(2), upstream)
  const answer = (latencyMs: (ip: string) => number, picks: number) => {
    const counts: Record<string, number> = { '10.0.0.0': 0, '10.0.0.1': 0, '10.0.0.2': 0 }
    for (let i = 0; i < picks; i++) {
      clock.advance(100)
      const picked = pick(balancer) as Pick
      counts[picked.peer.ip]!++
      balancer.release(picked, { kind: 'answered', status: 200, latencyMs: latencyMs(picked.peer.ip) })
    }
    return counts
  }
  const uneven = answer(ip => (ip === '10.0.0.0' ? 10 : 200), 200)
  assert.ok(uneven['10.0.0.0']! > 150, JSON.stringify(uneven))
  assert.ok(uneven['10.0.0.1']! > 0, 'the slow one gets another chance')
  use(targetsOf(3), upstream)
  const fastTwo = (ip: string) => (ip === '10.0.0.1' ? 200 : 10)
  answer(fastTwo, 2000)
  const joined = answer(fastTwo, 200)
  assert.ok(joined['10.0.0.2']! > 60 && joined['10.0.0.0']! > 60, JSON.stringify(joined))
})

test('every algorithm leaves out what is down, and fails when all is', () => {
  for (const algorithm of ['round-robin', 'consistent-hashing', 'least-connections', 'latency']) {
    const { balancer, down, use } = anUpstreamOfTargets()
    use(targetsOf(2), { ...byPath, algorithm })
    const input = hashInput({ path: '/x' })
    down.add('10.0.0.0:80')
    for (let i = 0; i < 5; i++) assert.equal(peerOf(pick(balancer, [], input)).ip, '10.0.0.1', algorithm)
    down.add('10.0.0.1:80')
    assert.deepEqual(pick(balancer, [], input), { failure: 'no_live_target' })
    down.clear()
    assert.ok(peerOf(pick(balancer, [], input)))
  }
})

test('UpstreamTargets reports what passive checks count', () => {
  const { balancer, reports, use } = anUpstreamOfTargets()
  const passive = {
    healthy: { http_statuses: [200], successes: 1 },
    unhealthy: { http_statuses: [500, 502], http_failures: 1, tcp_failures: 1, timeouts: 1 },
  }
  use({ '10.0.0.1:80': 1 }, { healthchecks: { passive } })
  const ends: readonly (readonly [Parameters<Balancer['release']>[1], readonly string[]])[] = [
    [{ kind: 'answered', status: 200, latencyMs: 1 }, ['success']],
    [{ kind: 'answered', status: 500, latencyMs: 1 }, ['http_failure']],
    [{ kind: 'answered', status: 404, latencyMs: 1 }, []],
    [{ kind: 'answered', status: 504, latencyMs: 1 }, ['timeout']],
    [{ kind: 'timed_out' }, ['timeout']],
    [{ kind: 'connect_failed' }, ['tcp_failure', 'http_failure']],
    [{ kind: 'broken' }, ['tcp_failure', 'http_failure']],
    [{ kind: 'aborted' }, []],
  ]
  for (const [outcome, events] of ends) {
    balancer.release(pick(balancer) as Pick, outcome)
    const expected = events.map(event => `u 10.0.0.1:80 ${event}`)
    assert.deepEqual(reports.splice(0), expected, JSON.stringify(outcome))
  }
  use({ '10.0.0.1:80': 1 }, { healthchecks: {} })
  balancer.release(pick(balancer) as Pick, { kind: 'timed_out' })
  assert.deepEqual(reports, [], 'nothing is reported without checks')
})

test('UpstreamBalancer reports with each try how many marks by hand there were when it began', () => {
  const { balancer, down, reports, use } = anUpstreamOfTargets()
  const passive = { healthy: { http_statuses: [200], successes: 1 }, unhealthy: { http_statuses: [500], timeouts: 1 } }
  use({ '10.0.0.1:80': 1 }, { healthchecks: { passive } })
  const before = pick(balancer) as Pick
  down.mark()
  const after = pick(balancer) as Pick
  for (const one of [before, after, pick(balancer) as Pick])
    balancer.release(one, { kind: 'answered', status: 200, latencyMs: 1 })
  const success = 'u 10.0.0.1:80 success'
  assert.deepEqual(reports, [success, `${success} after 1`, `${success} after 1`])
})
