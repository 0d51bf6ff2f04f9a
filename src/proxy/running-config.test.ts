/** What a running configuration does with snapshots and deltas, one behaviour at a time. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { test } from 'node:test'
import { connect, createServer as createTlsServer, TLSSocket } from 'node:tls'
import { seededRandom } from '../base/random.ts'
import { finished } from './steps.ts'
import type { ConfigChange, Row } from '../entities/config.ts'
import {
  change,
  headAt,
  load,
  manualClock,
  type PluginJournal,
  put,
  remove,
  routerInput,
  rowBuilder,
  testCatalog,
  testConfig,
  testPlugins,
} from '../../test/kit/config-rows.ts'
import { selfSignedPair } from '../../test/kit/certificate-pair.ts'

function fixture() {
  const journal: PluginJournal = []
  const warnings: string[] = []
  const plugins = testPlugins(journal)
  const catalog = testCatalog(plugins)
  const clock = manualClock()
  const config = testConfig({ catalog, plugins, clock, warnings })
  const row = rowBuilder(catalog, seededRandom(1))
  const refusal = (...changes: ConfigChange[]) => {
    const { version } = config.head
    const preparation = finished(config.prepareDelta({ from: version, ...headAt(version + 1), changes }))
    assert.equal(preparation.ok, false)
    return preparation.ok ? null! : preparation.refusal
  }
  const routeAt = (path: string) => config.router.match(routerInput({ path }))?.route
  const namesAt = (path: string, consumer?: Row) => {
    const plan = routeAt(path)!.plan()
    const resolved = consumer === undefined ? plan.anonymous : plan.forConsumer(String(consumer['id']))
    return resolved.instances.map(instance => instance && `${instance.name} ${instance.row['id']}`)
  }
  const id = (of: Row) => ({ id: of['id'] })
  return { journal, warnings, clock, config, row, refusal, routeAt, namesAt, id }
}

const picked = (pick: unknown) => (pick as { peer: { key: string }; hostHeader: string }).peer.key
const pickFor = (service: { balancer: { pick(a: never, b: never): unknown } }) =>
  service.balancer.pick({ failed: [] } as never, null as never)

test('prepareDelta() changes nothing until commit(), then everything at once', () => {
  const { config, row, id } = fixture()
  const service = row('services', { host: '127.0.0.1' })
  const route = row('routes', { paths: ['/a'], service: id(service) })
  const changes = [put('services', service), put('routes', route)]
  const preparation = finished(config.prepareDelta({ from: 0, ...headAt(1), changes }))
  assert.ok(preparation.ok)
  assert.equal(config.hasConfiguration, false)
  assert.equal(config.router.match(routerInput({ path: '/a' })), null)
  assert.equal(config.reader.find('services', String(service['id'])), null)
  preparation.commit()
  assert.equal(config.hasConfiguration, true)
  assert.deepEqual(config.head, headAt(1))
  const match = config.router.match(routerInput({ path: '/a' }))!
  assert.equal(match.route.id, route['id'])
  assert.deepEqual(match.route.service!.row, service)
  assert.equal(picked(pickFor(match.route.service!)), '127.0.0.1:80')
})

test('prepareDelta() refuses with entity, key, field and message, and the running version goes on', () => {
  const { config, row, refusal, id } = fixture()
  const service = row('services', { host: 'a.test' })
  const route = row('routes', { paths: ['/a'], service: id(service) })
  change(config, put('services', service), put('routes', route))
  const key = String(route['id'])
  assert.deepEqual(refusal(put('routes', { ...route, https_redirect_status_code: 200 })), {
    entity: 'routes',
    key,
    field: 'https_redirect_status_code',
    message: 'expected one of: 426, 301, 302, 307, 308',
  })
  assert.deepEqual(refusal(put('routes', { ...route, colour: 'red' })), {
    entity: 'routes',
    key,
    field: 'colour',
    message: 'unknown field',
  })
  const stranger = '00000000-0000-4000-8000-000000000000'
  assert.deepEqual(refusal(put('routes', { ...route, service: { id: stranger } })), {
    entity: 'routes',
    key,
    field: 'service',
    message: `refers to services '${stranger}', which does not exist`,
  })
  assert.equal(refusal(remove('services', service)).key, key)
  assert.equal(refusal({ entity: 'sprockets', key: 'x', row: {} }).message, "unknown entity 'sprockets'")
  assert.deepEqual(config.head, headAt(1))
  assert.equal(config.router.match(routerInput({ path: '/a' }))!.route.id, key)
})

test('prepareDelta() refuses a delta that does not begin at the running version', () => {
  const { config } = fixture()
  const preparation = finished(config.prepareDelta({ from: 3, ...headAt(4), changes: [] }))
  assert.match(preparation.ok ? '' : preparation.refusal.message, /begins at version 3, but version 0 is running/)
})

test('prepareDelta() takes a service and all that belongs to it out in one delta', () => {
  const { config, row, routeAt, id } = fixture()
  const service = row('services', { host: 'a.test' })
  const route = row('routes', { paths: ['/a'], service: id(service) })
  change(config, put('services', service), put('routes', route))
  change(config, remove('services', service), remove('routes', route))
  assert.equal(routeAt('/a'), undefined)
  assert.equal(config.router.size, 0)
})

test('match() answers with the new service after a change, while an older match keeps the old one', () => {
  const { config, row, routeAt, id } = fixture()
  const service = row('services', { host: '127.0.0.1' })
  change(config, put('services', service), put('routes', row('routes', { paths: ['/a'], service: id(service) })))
  const before = routeAt('/a')!
  change(config, put('services', { ...service, port: 81 }))
  assert.equal(before.service!.port, 80)
  assert.equal(routeAt('/a')!.service!.port, 81)
  assert.equal(routeAt('/a'), routeAt('/a'), 'brought up to date once, not at each request')
})

test('routes of a service that is switched off take no part until it is switched on', () => {
  const { config, row, routeAt, id } = fixture()
  const service = row('services', { host: 'a.test', enabled: false })
  const fallback = row('routes', { paths: ['/'] })
  const route = row('routes', { paths: ['/a'], service: id(service) })
  change(config, put('services', service), put('routes', route), put('routes', fallback))
  assert.equal(routeAt('/a')!.id, fallback['id'])
  change(config, put('services', { ...service, enabled: true }))
  assert.equal(routeAt('/a')!.id, route['id'])
  change(config, put('services', service))
  assert.equal(routeAt('/a')!.id, fallback['id'])
  assert.equal(routeAt('/a')!.service, null)
})

test('a route of the stream proxy never answers a request', () => {
  const { config, row } = fixture()
  change(config, put('routes', row('routes', { protocols: ['tls'], snis: ['a.test'] })))
  assert.equal(config.router.match(routerInput({ scheme: 'https', sni: 'a.test' })), null)
})

test('a service follows the upstream of its host name when that comes, changes and goes', () => {
  const { config, row, routeAt, id } = fixture()
  const service = row('services', { host: 'pool.test', port: 8080 })
  change(config, put('services', service), put('routes', row('routes', { paths: ['/'], service: id(service) })))
  const key = () => picked(pickFor(routeAt('/')!.service!))
  assert.equal(key(), '127.1.0.9:8080')
  const upstream = row('upstreams', { name: 'pool.test', algorithm: 'least-connections' })
  const target = row('targets', { upstream: id(upstream), target: '10.0.0.1:99' })
  change(config, put('upstreams', upstream), put('targets', target))
  assert.equal(key(), '10.0.0.1:99')
  change(config, put('targets', { ...target, target: '10.0.0.2:99' }))
  assert.equal(key(), '10.0.0.2:99')
  change(config, put('upstreams', { ...upstream, host_header: 'other.test' }))
  assert.equal((pickFor(routeAt('/')!.service!) as { hostHeader: string }).hostHeader, 'other.test:99')
  change(config, remove('targets', target))
  assert.deepEqual(pickFor(routeAt('/')!.service!), { failure: 'no_live_target' })
  change(config, put('upstreams', { ...upstream, name: 'renamed.test' }))
  assert.equal(key(), '127.1.0.9:8080')
})

test('plugins run in order, the most specific instance of each name, by consumer where it matters', () => {
  const { config, row, namesAt, id } = fixture()
  const service = row('services', { host: 'a.test' })
  const route = row('routes', { paths: ['/a'], service: id(service) })
  const consumer = row('consumers', { username: 'c' })
  const stranger = row('consumers', { username: 'd' })
  const plugin = (input: Row) => row('plugins', input)
  const [everywhere, onService, onRoute] = [
    plugin({ name: 'alpha' }),
    plugin({ name: 'alpha', service: id(service) }),
    plugin({ name: 'alpha', route: id(route), service: id(service) }),
  ]
  const [beta, gamma, gammaOfConsumer] = [
    plugin({ name: 'beta' }),
    plugin({ name: 'gamma', route: id(route) }),
    plugin({ name: 'gamma', consumer: id(consumer) }),
  ]
  const base = [put('services', service), put('routes', route), put('consumers', consumer), put('consumers', stranger)]
  change(config, ...base, ...[everywhere, onService, gamma].map(p => put('plugins', p)))
  assert.deepEqual(namesAt('/a'), [`alpha ${onService['id']}`, `gamma ${gamma['id']}`])
  change(config, put('plugins', onRoute), put('plugins', beta))
  assert.deepEqual(namesAt('/a'), [`beta ${beta['id']}`, `alpha ${onRoute['id']}`, `gamma ${gamma['id']}`])
  change(config, put('plugins', gammaOfConsumer))
  assert.equal(namesAt('/a')[2], `gamma ${gamma['id']}`)
  assert.equal(namesAt('/a', stranger)[2], `gamma ${gamma['id']}`)
  assert.equal(namesAt('/a', consumer)[2], `gamma ${gammaOfConsumer['id']}`)
  change(config, put('plugins', { ...onRoute, enabled: false }), remove('plugins', onService))
  assert.equal(namesAt('/a')[1], `alpha ${everywhere['id']}`)
  assert.deepEqual(
    config.globalPlan().instances.map(instance => instance!.name),
    ['beta', 'alpha'],
  )
  assert.deepEqual(config.rewriters, [])
})

test('a plugin that refuses its configuration refuses the version and leaves no instance behind', () => {
  const { config, row, refusal, journal } = fixture()
  const good = row('plugins', { name: 'beta' })
  const bad = row('plugins', { name: 'alpha', config: { refuse: true } })
  assert.deepEqual(refusal(put('plugins', good), put('plugins', bad)), {
    entity: 'plugins',
    key: bad['id'],
    field: 'config',
    message: "plugin 'alpha' refuses its configuration: refuse is set",
  })
  assert.deepEqual(journal, [`prepare ${good['id']}`, `close ${good['id']}`])
  assert.deepEqual(config.globalPlan().instances, [])
})

test('instances live from commit to replacement, and over a snapshot when their row is the same', () => {
  const { config, row, journal } = fixture()
  const kept = row('plugins', { name: 'alpha' })
  const changed = row('plugins', { name: 'beta' })
  change(config, put('plugins', kept), put('plugins', changed))
  journal.length = 0
  const other = { ...changed, config: { refuse: false, text: 'x' } }
  load(config, [put('plugins', structuredClone(kept)), put('plugins', other)])
  assert.deepEqual(journal, [`prepare ${changed['id']}`, `close ${changed['id']}`])
  journal.length = 0
  const discarded = config.prepareSnapshot(headAt(9))
  discarded.add([put('plugins', kept), put('plugins', changed)])
  const preparation = finished(discarded.finish())
  assert.ok(preparation.ok)
  preparation.discard()
  assert.deepEqual(journal, [`prepare ${changed['id']}`, `close ${changed['id']}`])
  assert.equal(config.globalPlan().instances.length, 2)
})

test('rows that lack fields with a default get it, as those of an older control plane do', () => {
  const { config, row, routeAt } = fixture()
  const { strip_path: _strip, preserve_host: _preserve, tags: _tags, ...older } = row('routes', { paths: ['/a'] })
  const plugin = { ...row('plugins', { name: 'alpha' }), config: {} }
  change(config, put('routes', older), put('plugins', plugin))
  assert.equal(routeAt('/a')!.stripPath, true)
  assert.equal(routeAt('/a')!.row['tags'], null)
  assert.deepEqual(config.globalPlan().instances[0]!.row['config'], { refuse: false, text: null, secrets: null })
})

test('secrets are looked up where a field may name them, and again when their vault changes', () => {
  const { config, row, journal, warnings } = fixture()
  const vault = row('vaults', { name: 'env', prefix: 'team', config: { prefix: 'team_' } })
  const secrets = {
    plain: 'x',
    env: '{vault://env/token}',
    team: '{vault://team/token}',
    member: '{vault://env/pair/user}',
    none: '{vault://env/nothing}',
  }
  const plugin = row('plugins', { name: 'alpha', config: { secrets, text: '{vault://env/token}' } })
  const found = (team: string) =>
    ['plain=x', 'env=from-env', `team=${team}`, 'member=u1', 'none='].map(s => `secret ${s}`)
  change(config, put('vaults', vault), put('plugins', plugin))
  assert.deepEqual(journal.splice(0), [`prepare ${plugin['id']}`, ...found('of-team')])
  assert.match(warnings.join(), /\{vault:\/\/env\/nothing\}' is not available: .*no value found/)
  change(config, put('vaults', { ...vault, config: { prefix: 'other_' } }))
  assert.deepEqual(journal.splice(0), [`prepare ${plugin['id']}`, ...found('of-other'), `close ${plugin['id']}`])
  assert.deepEqual(config.globalPlan().instances[0]!.row['config'], plugin['config'], 'rows keep the reference')
  load(config, [put('plugins', plugin), put('vaults', vault)], 1)
  const prepared = journal.filter(entry => entry.startsWith('prepare')).length
  const closed = journal.filter(entry => entry.startsWith('close')).length
  assert.deepEqual([prepared, closed, journal.includes('secret team=of-team')], [2, 2, true])
})

test('prepareSnapshot() refuses a configuration with a loose end, and keeps the running one', () => {
  const { config, row } = fixture()
  const route = row('routes', { paths: ['/a'], service: { id: '00000000-0000-4000-8000-000000000000' } })
  load(config, [put('routes', row('routes', { paths: ['/'] }))])
  assert.throws(() => load(config, [put('routes', route)]), /refers to services/)
  assert.equal(config.router.size, 1)
})

test('prepareSnapshot() takes rows in any order, and an empty configuration', () => {
  const { config, row, routeAt, id } = fixture()
  const service = row('services', { host: 'a.test' })
  const route = row('routes', { paths: ['/a'], service: id(service) })
  load(config, [put('routes', route), put('services', service)], 1)
  assert.equal(routeAt('/a')!.service!.host, 'a.test')
  load(config, [])
  assert.equal(config.hasConfiguration, true)
  assert.equal(config.router.size, 0)
})

test('the reader finds rows by key, unique field and foreign key, and none whose ttl has passed', () => {
  const { config, row, clock, id } = fixture()
  const consumer = row('consumers', { username: 'bob' })
  const endsAt = clock.now() / 1000 + 60
  const lasting = row('test_keys', { consumer: id(consumer), key: 'k1' })
  const passing = row('test_keys', { consumer: id(consumer), key: 'k2', ttl: endsAt })
  change(config, put('consumers', consumer), put('test_keys', lasting), put('test_keys', passing))
  const { reader } = config
  const ofBob = () => reader.findByForeign('test_keys', 'consumer', String(consumer['id'])).length
  assert.deepEqual(reader.findBy('consumers', 'username', 'bob'), consumer)
  assert.deepEqual(reader.findBy('test_keys', 'key', 'k2'), passing)
  assert.equal(ofBob(), 2)
  clock.advance(60_000)
  assert.equal(reader.findBy('test_keys', 'key', 'k2'), null)
  assert.equal(reader.find('test_keys', String(passing['id'])), null)
  assert.equal(ofBob(), 1)
  assert.deepEqual([...reader.all('test_keys')], [lasting])
  change(config, put('test_keys', { ...lasting, key: 'k3' }))
  assert.equal(reader.findBy('test_keys', 'key', 'k1'), null)
  assert.equal(reader.findBy('test_keys', 'key', 'k3')!['id'], lasting['id'])
  assert.equal(reader.find('nothing', 'x'), null)
})

test('secureContext() chooses by exact name, then wildcards, and follows a changed certificate', () => {
  const { config, row, refusal, id } = fixture()
  const [a, b] = [row('certificates', selfSignedPair('a')), row('certificates', selfSignedPair('b'))]
  const sni = (name: string, certificate: Row) => put('snis', row('snis', { name, certificate: id(certificate) }))
  change(config, put('certificates', a), put('certificates', b), sni('a.test', a), sni('*.b.test', b), sni('c.*', b))
  const first = config.secureContext('a.test')
  assert.notEqual(first, null)
  assert.equal(config.secureContext('A.test'), first)
  const wild = config.secureContext('x.b.test')
  assert.notEqual(wild, null)
  assert.equal(config.secureContext('c.org'), wild)
  assert.equal(config.secureContext('b.test'), null)
  assert.equal(config.secureContext('x.y.b.test'), null)
  assert.equal(config.secureContext(''), null)
  change(config, put('certificates', { ...a, ...selfSignedPair('c') }))
  assert.notEqual(config.secureContext('a.test'), first)
  assert.equal(refusal(put('certificates', { ...a, cert: b['cert'] })).entity, 'certificates')
})

test('secureContext() holds the pair of the name, and its other pair for clients that need that kind', async t => {
  const { config, row, id } = fixture()
  const rsa = selfSignedPair('rsa.test', 'rsa')
  const both = row('certificates', { ...selfSignedPair('ec.test'), cert_alt: rsa.cert, key_alt: rsa.key })
  change(config, put('certificates', both), put('snis', row('snis', { name: '*.site.test', certificate: id(both) })))
  const bySni = createTlsServer({
    ...selfSignedPair('default.test'),
    SNICallback: (name, done) => done(null, config.secureContext(name) ?? undefined),
  })
  // As a listener does that knows the name before the handshake: such a socket has both pairs to choose from.
  const byContext = createServer(socket => {
    new TLSSocket(socket, { isServer: true, secureContext: config.secureContext('a.site.test')! }).on('error', () => {})
  })
  for (const server of [bySni, byContext]) {
    t.after(() => server.close())
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  }
  const presented = async (server: Server, servername: string, ciphers?: string) => {
    const { port } = server.address() as AddressInfo
    const version = ciphers === undefined ? {} : { ciphers, maxVersion: 'TLSv1.2' as const }
    const socket = connect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false, ...version })
    await once(socket, 'secureConnect')
    const { subject } = socket.getPeerCertificate()
    socket.destroy()
    return subject.CN
  }
  assert.equal(await presented(bySni, 'other.test'), 'default.test')
  assert.equal(await presented(bySni, 'a.site.test'), 'ec.test')
  assert.equal(await presented(byContext, 'a.site.test'), 'ec.test')
  assert.equal(await presented(byContext, 'a.site.test', 'ECDHE-RSA-AES128-GCM-SHA256'), 'rsa.test')
})

test('tlsOptions follow the client certificate and the authorities that a service names', () => {
  const { config, row, routeAt, id } = fixture()
  const pair = selfSignedPair('client')
  const certificate = row('certificates', pair)
  const service = row('services', {
    protocol: 'https',
    host: 'a.test',
    port: 443,
    client_certificate: id(certificate),
    tls_verify: true,
  })
  const route = row('routes', { paths: ['/'], service: id(service) })
  change(config, put('certificates', certificate), put('services', service), put('routes', route))
  const before = routeAt('/')!.service!.tlsOptions!
  assert.equal(before.cert, certificate['cert'])
  assert.equal(before.verify, true)
  const other = selfSignedPair('other')
  change(config, put('certificates', { ...certificate, ...other }))
  const after = routeAt('/')!.service!.tlsOptions!
  assert.equal(after.cert, other.cert)
  assert.notEqual(after.poolKey, before.poolKey)
})
