/** Names to addresses: cache, staleness, order of record types, search domains, and one real name server. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { silentLogger } from '../../base/logger.ts'
import { manualClock, testSettings } from '../../../test/kit/config-rows.ts'
import { candidateNames, parseHosts, parseResolvConf } from './dns-files.ts'
import { createResolver } from './dns.ts'
import { sumDnsStats } from './dns-stats.ts'
import type { DnsQueries } from './dns-queries.ts'
import type { Resolution } from './resolver.ts'

type Answers = Record<string, unknown>

interface FixtureOptions {
  readonly order?: readonly string[]
  readonly resolvConf?: string
  readonly hosts?: string
  readonly validTtlS?: number
  readonly isNewClient?: boolean
  readonly noSync?: boolean
  readonly cacheSize?: number
}

/** `answers` by `<type> <name>`: addresses, SRV records, or an error code; anything else is not found. */
function fixture(t: TestContext, answers: Answers, options: FixtureOptions = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'dns-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'hosts'), options.hosts ?? '')
  writeFileSync(join(folder, 'resolv.conf'), options.resolvConf ?? '')
  const asked: string[] = []
  const ask = async (type: string, name: string) => {
    asked.push(`${type} ${name}`)
    const answer = answers[`${type} ${name}`] ?? 'ENOTFOUND'
    if (typeof answer === 'string') throw Object.assign(new Error(answer), { code: answer })
    return answer as never
  }
  const queries: DnsQueries = {
    resolve4: name => ask('A', name),
    resolve6: name => ask('AAAA', name),
    resolveSrv: name => ask('SRV', name),
  }
  const clock = manualClock()
  const settings = {
    ...testSettings.dns,
    hostsFile: join(folder, 'hosts'),
    order: options.order ?? ['LAST', 'SRV', 'A', 'CNAME'],
    staleTtlS: 100,
    validTtlS: options.validTtlS ?? null,
    isNewClient: options.isNewClient ?? false,
    noSync: options.noSync ?? false,
    cacheSize: options.cacheSize ?? 10_000,
  }
  const resolvConf = join(folder, 'resolv.conf')
  const resolver = createResolver({ settings, clock, log: silentLogger, queries, resolvConf })
  return { resolver, clock, asked, answers, ips: async (name: string) => ipsOf(await resolver.resolve(name)) }
}

const a = (address: string, ttl = 10) => ({ address, ttl })
const ipsOf = (resolution: Resolution) =>
  resolution.ok ? resolution.addresses.map(({ ip }) => ip) : resolution.failure
const settled = () => new Promise(resolve => setImmediate(resolve))

test('resolve() answers synchronously from the cache until the ttl has passed', async t => {
  const { resolver, clock, asked, ips } = fixture(t, { 'A a.test': [a('10.0.0.1'), a('10.0.0.2', 20)] })
  assert.ok(resolver.resolve('a.test') instanceof Promise)
  assert.deepEqual(await ips('a.test'), ['10.0.0.1', '10.0.0.2'])
  clock.advance(9_999)
  const questions = asked.length
  assert.deepEqual(ipsOf(resolver.resolve('A.Test') as Resolution), ['10.0.0.1', '10.0.0.2'])
  await settled()
  assert.equal(asked.length, questions)
})

test('resolve() answers with what is stale and asks behind it, once', async t => {
  const { resolver, clock, asked, answers, ips } = fixture(t, { 'A a.test': [a('10.0.0.1')] }, { order: ['A'] })
  await ips('a.test')
  answers['A a.test'] = [a('10.0.0.2')]
  clock.advance(10_000)
  assert.deepEqual(ipsOf(resolver.resolve('a.test') as Resolution), ['10.0.0.1'])
  assert.deepEqual(ipsOf(resolver.resolve('a.test') as Resolution), ['10.0.0.1'])
  await settled()
  assert.equal(asked.length, 2)
  assert.deepEqual(ipsOf(resolver.resolve('a.test') as Resolution), ['10.0.0.2'])
  clock.advance(200_000)
  assert.ok(resolver.resolve('a.test') instanceof Promise, 'too stale to be used')
})

test('resolve() returns the same object while the addresses are the same', async t => {
  const { resolver, clock, answers } = fixture(t, { 'A a.test': [a('10.0.0.1'), a('10.0.0.2')] }, { order: ['A'] })
  const first = await resolver.resolve('a.test')
  answers['A a.test'] = [a('10.0.0.2'), a('10.0.0.1')]
  clock.advance(10_000)
  void resolver.resolve('a.test')
  await settled()
  assert.equal(resolver.resolve('a.test'), first)
})

test('resolve() joins questions for one name', async t => {
  const { asked, ips } = fixture(t, { 'A a.test': [a('10.0.0.1')] }, { order: ['A'] })
  await Promise.all([ips('a.test'), ips('a.test'), ips('A.TEST')])
  assert.deepEqual(asked, ['A a.test'])
})

test('resolve() remembers for a while that a name does not exist, and shorter that servers fail', async t => {
  const { resolver, clock, asked, ips } = fixture(t, { 'A broken.test': 'ESERVFAIL' }, { order: ['A'] })
  assert.equal(await ips('gone.test'), 'name_resolution_failed')
  assert.equal(await ips('broken.test'), 'dns_error')
  clock.advance(999)
  assert.equal(ipsOf(resolver.resolve('broken.test') as Resolution), 'dns_error')
  clock.advance(1)
  assert.equal(await ips('broken.test'), 'dns_error')
  clock.advance(28_000)
  assert.equal(ipsOf(resolver.resolve('gone.test') as Resolution), 'name_resolution_failed')
  assert.deepEqual(asked, ['A gone.test', 'A broken.test', 'A broken.test'])
  clock.advance(1_000)
  assert.ok(resolver.resolve('gone.test') instanceof Promise)
})

test('resolve() keeps a known address while servers fail, but not when the name is gone', async t => {
  const { resolver, clock, answers, ips } = fixture(t, { 'A a.test': [a('10.0.0.1')] }, { order: ['A'] })
  await ips('a.test')
  answers['A a.test'] = 'ETIMEOUT'
  clock.advance(10_000)
  void resolver.resolve('a.test')
  await settled()
  assert.deepEqual(ipsOf(resolver.resolve('a.test') as Resolution), ['10.0.0.1'])
  answers['A a.test'] = 'ENOTFOUND'
  clock.advance(1_000)
  void resolver.resolve('a.test')
  await settled()
  assert.equal(ipsOf(resolver.resolve('a.test') as Resolution), 'name_resolution_failed')
})

test('resolve() asks for record types in order, the last that answered first', async t => {
  const { clock, asked, ips } = fixture(t, { 'A a.test': [a('10.0.0.1', 1)] }, { order: ['LAST', 'SRV', 'A', 'CNAME'] })
  await ips('a.test')
  clock.advance(200_000)
  await ips('a.test')
  assert.deepEqual(asked, ['SRV a.test', 'A a.test', 'A a.test'])
})

test('resolve() falls back to AAAA when that is in the order', async t => {
  const { ips } = fixture(t, { 'AAAA a.test': [a('::1')] }, { order: ['A', 'AAAA'] })
  assert.deepEqual(await ips('a.test'), ['::1'])
})

test('resolve() takes from SRV records the group of the lowest priority, with port and weight', async t => {
  const { resolver } = fixture(t, {
    'SRV _http._tcp.test': [
      { name: 'one.test', port: 81, priority: 1, weight: 0 },
      { name: 'two.test', port: 82, priority: 1, weight: 7 },
      { name: 'three.test', port: 83, priority: 2, weight: 1 },
    ],
    'A one.test': [a('10.0.0.1')],
    'A two.test': [a('10.0.0.2')],
  })
  assert.deepEqual(await resolver.resolve('_http._tcp.test'), {
    ok: true,
    addresses: [
      { ip: '10.0.0.1', port: 81, weight: 1, name: 'one.test' },
      { ip: '10.0.0.2', port: 82, weight: 7, name: 'two.test' },
    ],
  })
})

test('resolve() takes SRV records that name addresses instead of hosts', async t => {
  const records = [
    { name: '10.0.0.1', port: 81, priority: 1, weight: 1 },
    { name: '::1', port: 82, priority: 1, weight: 1 },
  ]
  const { asked, ips } = fixture(t, { 'SRV _http._tcp.test': records })
  assert.deepEqual(await ips('_http._tcp.test'), ['10.0.0.1', '::1'])
  assert.deepEqual(asked, ['SRV _http._tcp.test'])
})

test('resolve() reads the hosts file without asking anybody, and knows localhost', t => {
  const { resolver, asked } = fixture(t, {}, { hosts: '10.9.9.9 Box box.local # mine\n::2 box\n' })
  assert.deepEqual(ipsOf(resolver.resolve('BOX') as Resolution), ['10.9.9.9'])
  assert.deepEqual(ipsOf(resolver.resolve('box.local') as Resolution), ['10.9.9.9'])
  assert.deepEqual(ipsOf(resolver.resolve('localhost') as Resolution), ['127.0.0.1'])
  assert.deepEqual(asked, [])
})

test('resolve() tries search domains, and a failing server is not hidden by a later "not found"', async t => {
  const resolvConf = 'search ns.svc.cluster.local cluster.local\noptions timeout:1 ndots:2\n'
  const answers = { 'A web.cluster.local': [a('10.0.0.1')], 'A x.ns.svc.cluster.local': 'ESERVFAIL' }
  const { asked, ips } = fixture(t, answers, { order: ['A'], resolvConf })
  assert.deepEqual(await ips('web'), ['10.0.0.1'])
  assert.deepEqual(asked, ['A web.ns.svc.cluster.local', 'A web.cluster.local'])
  assert.equal(await ips('x'), 'dns_error')
})

test('resolve() does not wait for further types and names when no server answers', async t => {
  const answers = { 'SRV x.one': 'ETIMEOUT' }
  const { asked, ips } = fixture(t, answers, { order: ['SRV', 'A'], resolvConf: 'search one two\n' })
  assert.equal(await ips('x'), 'dns_error')
  assert.deepEqual(asked, ['SRV x.one'])
})

test('dns_valid_ttl overrides the ttl of records, and a ttl of 0 is kept for a second', async t => {
  const fixed = fixture(t, { 'A a.test': [a('10.0.0.1', 0)] }, { order: ['A'], validTtlS: 50 })
  await fixed.ips('a.test')
  fixed.clock.advance(49_000)
  fixed.resolver.resolve('a.test')
  assert.equal(fixed.asked.length, 1)
  const zero = fixture(t, { 'A a.test': [a('10.0.0.1', 0)] }, { order: ['A'] })
  await zero.ips('a.test')
  zero.clock.advance(999)
  zero.resolver.resolve('a.test')
  assert.equal(zero.asked.length, 1)
})

test('candidateNames() puts a name with enough dots before the search domains', () => {
  const rules = parseResolvConf('search a.b.\n; nothing\noptions ndots:99')
  assert.deepEqual([rules.domains, rules.ndots], [['a.b.'], 15])
  assert.deepEqual(candidateNames('x.y', { domains: ['a.b.'], ndots: 1 }), ['x.y', 'x.y.a.b'])
  assert.deepEqual(candidateNames('x', { domains: ['a.b.'], ndots: 1 }), ['x.a.b', 'x'])
  assert.deepEqual(candidateNames('x.', { domains: ['a.b'], ndots: 1 }), ['x'])
})

test('parseHosts() leaves out what is no address', () => {
  assert.deepEqual(
    [...parseHosts('1.2.3.4 a b\nfe80::1%lo0 c\nnonsense d\n\n1.2.3.5 a')],
    [
      ['a', ['1.2.3.4', '1.2.3.5']],
      ['b', ['1.2.3.4']],
      ['c', ['fe80::1%lo0']],
    ],
  )
})

test('resolve() gets an address and its ttl from a real name server', async t => {
  const server = createSocket('udp4')
  t.after(() => server.close())
  const asked: string[] = []
  server.on('message', (question, { port, address }) => {
    asked.push(question.subarray(12).toString('latin1'))
    server.send(answerA(question), port, address)
  })
  await new Promise<void>(resolve => server.bind(0, '127.0.0.1', resolve))
  const clock = manualClock()
  const settings = {
    ...testSettings.dns,
    nameservers: [`127.0.0.1:${server.address().port}`],
    order: ['A'],
    staleTtlS: 1,
  }
  const resolver = createResolver({ settings, clock, log: silentLogger, resolvConf: '/nonexistent' })
  assert.deepEqual(ipsOf(await resolver.resolve('real.test')), ['10.20.30.40'])
  assert.equal(asked.length, 1)
  clock.advance(76_999)
  assert.ok(!(resolver.resolve('real.test') instanceof Promise), 'ttl of 77 seconds')
})

/** A DNS answer (RFC 1035, 4.1) with one A record, 10.20.30.40, ttl 77. */
function answerA(question: Buffer): Buffer {
  const end = question.indexOf(0, 12) + 5
  const head = Buffer.from(question.subarray(0, 12))
  head.writeUInt16BE(0x8180, 2)
  head.writeUInt16BE(1, 6)
  head.writeUInt32BE(0, 8)
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 77, 0, 4, 10, 20, 30, 40])
  return Buffer.concat([head, question.subarray(12, end), record])
}

const newClient = { isNewClient: true, order: ['A', 'SRV'] }

test('the new client asks for SRV of names that look like it, else for addresses of its family', async t => {
  const srv = { name: 'A.Pool.test', port: 81, priority: 1, weight: 5 }
  const { resolver, asked, ips } = fixture(
    t,
    { 'SRV _http._tcp.pool.test': [srv], 'A A.Pool.test': [a('10.0.0.1')] },
    newClient,
  )
  const resolution = await resolver.resolve('_http._tcp.pool.test')
  assert.ok(resolution.ok)
  assert.deepEqual(resolution.addresses, [{ ip: '10.0.0.1', port: 81, weight: 5, name: 'a.pool.test' }])
  assert.equal(await ips('plain.test'), 'name_resolution_failed')
  assert.deepEqual(asked, ['SRV _http._tcp.pool.test', 'A A.Pool.test', 'A plain.test'])
  const both = fixture(t, { 'AAAA six.test': [a('::1')] }, { isNewClient: true, order: ['AAAA', 'A'] })
  assert.deepEqual(await both.ips('six.test'), ['::1'])
  assert.equal(await both.ips('_http._tcp.pool.test'), 'name_resolution_failed')
  const asFirst = ['A six.test', 'AAAA six.test', 'A _http._tcp.pool.test', 'AAAA _http._tcp.pool.test']
  assert.deepEqual(both.asked, asFirst)
})

test('the new client keeps a stale answer while there is no better one, and asks once a minute', async t => {
  const { clock, answers, asked, ips } = fixture(t, { 'A a.test': [a('10.0.0.1')] }, newClient)
  await ips('a.test')
  answers['A a.test'] = 'ENOTFOUND'
  clock.advance(11_000)
  assert.deepEqual(await ips('a.test'), ['10.0.0.1'])
  await settled()
  clock.advance(59_000)
  assert.deepEqual(await ips('a.test'), ['10.0.0.1'])
  assert.equal(asked.length, 2)
  clock.advance(41_000)
  assert.equal(await ips('a.test'), 'name_resolution_failed', 'resolver_stale_ttl is over')
})

test('the new client counts what it does, as /status/dns shows it; the old one does not', async t => {
  const { resolver, clock, ips, answers } = fixture(t, { 'A a.test': [a('10.0.0.1')] }, newClient)
  for (const name of ['a.test', 'a.test', 'none.test', 'localhost']) await ips(name)
  answers['A down.test'] = 'ETIMEOUT'
  await ips('down.test')
  clock.advance(11_000)
  await ips('a.test')
  await settled()
  assert.deepEqual(resolver.stats(), {
    'a.test|A/AAAA': { runs: 3, miss: 1, hit_lru: 1, stale: 1 },
    'a.test|A': { query: 2, query_succ: 2, query_last_time: 0 },
    'none.test|A/AAAA': { runs: 1, miss: 1 },
    'none.test|A': { query: 1, 'query_fail:name error': 1, query_last_time: 0 },
    'localhost|A/AAAA': { runs: 1, hit_lru: 1 },
    'down.test|A/AAAA': { runs: 1, miss: 1 },
    'down.test|A': { query: 1, query_fail_nameserver: 1, query_last_time: 0 },
  })
  assert.deepEqual(sumDnsStats([resolver.stats(), { 'a.test|A': { query: 1, query_last_time: 7 } }])['a.test|A'], {
    query: 3,
    query_succ: 2,
    query_last_time: 7,
  })
  const legacy = fixture(t, {})
  await legacy.ips('a.test')
  assert.deepEqual(legacy.resolver.stats(), {})
})

test('dns_no_sync asks for each request that finds no answer; the cache keeps as many names as it may', async t => {
  const shared = fixture(t, { 'A a.test': [a('10.0.0.1')] }, { order: ['A'] })
  await Promise.all([shared.ips('a.test'), shared.ips('a.test')])
  assert.equal(shared.asked.length, 1)
  const own = fixture(t, { 'A a.test': [a('10.0.0.1')] }, { order: ['A'], noSync: true })
  await Promise.all([own.ips('a.test'), own.ips('a.test')])
  assert.equal(own.asked.length, 2)

  const small = fixture(t, { 'A a.test': [a('10.0.0.1')], 'A b.test': [a('10.0.0.2')] }, { order: ['A'], cacheSize: 1 })
  for (const name of ['a.test', 'b.test', 'b.test', 'a.test']) await small.ips(name)
  assert.deepEqual(small.asked, ['A a.test', 'A b.test', 'A a.test'])
})

test("parseResolvConf() reads how servers are asked, with Kong's values where the file says nothing", () => {
  const how = (text: string) => {
    const { timeoutMs, attempts, rotate, ndots } = parseResolvConf(text)
    return [timeoutMs, attempts, rotate, ndots]
  }
  assert.deepEqual(how(''), [2000, 5, false, 1])
  assert.deepEqual(how('options timeout:3 attempts:2 rotate ndots:4'), [3000, 2, true, 4])
  assert.deepEqual(how('options timeout:0 attempts:0\noptions attempts:99 timeout:99'), [30_000, 5, false, 1])
})
