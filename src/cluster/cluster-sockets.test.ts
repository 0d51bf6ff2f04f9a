/** Control and data planes over real TLS sockets on the loopback. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, describe, it } from 'node:test'
import { WebSocket } from 'ws'
import { aConnectProxy } from '../../test/kit/connect-proxy.ts'
import { revocationList } from '../../test/kit/revocation-list.ts'
import { aRoute, ModelSink, ModelSource } from '../../test/simulation/config-model.ts'
import { generateKey, issue, selfSigned } from '../base/certificates.ts'
import { systemClock } from '../base/clock.ts'
import { createLogger } from '../base/logger.ts'
import { systemRandom } from '../base/random.ts'
import { type ControlPlaneServer, createControlPlaneServer } from './control-plane-server.ts'
import type { ControlPlaneTrust } from './control-plane-trust.ts'
import { createDataPlaneClient, type DataPlaneClient } from './data-plane-client.ts'
import type { DataPlaneTrust } from './data-plane-trust.ts'
import { createTunnel } from './proxy-tunnel.ts'
import { type ClusterRecords, createMemoryRecords } from './records.ts'

const silentLogger = createLogger({
  level: process.env['CLUSTER_TEST_LOG'] ? 'debug' : 'emerg',
  write: line => process.stderr.write(line),
  now: Date.now,
})
const folder = mkdtempSync(join(tmpdir(), 'cluster-sockets-'))
after(() => rmSync(folder, { recursive: true }))

const open: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

const NODE_ID = '11111111-1111-4111-8111-111111111111'
const OTHER_ID = '22222222-2222-4222-8222-222222222222'

interface Cluster {
  readonly server: ControlPlaneServer
  readonly port: number
}

async function startControlPlane(
  source: ModelSource,
  records: ClusterRecords,
  { trust, port = 0, ...more }: { trust?: ControlPlaneTrust; port?: number; nodeLifetimeMs?: number } = {},
): Promise<Cluster> {
  const server = await createControlPlaneServer({
    source,
    records,
    nodeId: '99999999-9999-4999-8999-999999999999',
    version: '3.9.1',
    trust: trust ?? { mode: 'enroll', autoApproveLoopback: true },
    purgeDelaySeconds: 1_209_600,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    ...more,
  })
  const bound = await server.open({ host: '127.0.0.1', port })
  open.push(() => server.close())
  return { server, port: bound.port }
}

const tunnelThrough = (port: number) =>
  createTunnel({ url: `http://127.0.0.1:${port}`, verifies: true, authorities: null }, systemClock)

async function startDataPlane(
  ports: readonly number[],
  {
    trust,
    nodeId = NODE_ID,
    sink = new ModelSink(),
    name = nodeId,
    token = null as string | null,
    version = '3.9.1',
    proxyPort = null as number | null,
  }: {
    trust?: DataPlaneTrust
    nodeId?: string
    sink?: ModelSink
    name?: string
    token?: string | null
    version?: string
    proxyPort?: number | null
  } = {},
): Promise<{ client: DataPlaneClient; sink: ModelSink }> {
  const client = await createDataPlaneClient({
    sink,
    controlPlanes: ports.map(port => ({ host: '127.0.0.1', port })),
    node: { node_id: nodeId, hostname: 'dp.test', version, labels: { zone: 'a' }, capabilities: [] },
    ...(proxyPort === null ? {} : { tunnel: tunnelThrough(proxyPort) }),
    trust: trust ?? { mode: 'enroll', identityFolder: join(folder, name), token, ca: null },
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  })
  client.start()
  open.push(() => client.stop())
  return { client, sink }
}

async function until(claim: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 8_000
  while (!(await claim())) {
    assert.ok(performance.now() < end, `waited too long until ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

const statusOf = async (server: ControlPlaneServer, id = NODE_ID) =>
  (await server.admin.dataPlanes({ size: 100, after: null })).rows.find(row => row.id === id)

function freshRecords(): ClusterRecords {
  return createMemoryRecords(() => systemClock.now())
}

describe('sync over sockets', { timeout: 30_000 }, () => {
  it('a new data plane on loopback enrols, gets a snapshot, then deltas', async () => {
    const source = new ModelSource()
    for (let i = 0; i < 2_000; i++) source.commit(aRoute(`r${i}`))
    const { server, port } = await startControlPlane(source, freshRecords())
    const { sink } = await startDataPlane([port], { name: 'new' })
    await sink.reached(2_000)
    assert.equal(sink.snapshots, 1)
    const head = source.commit(aRoute('r1', { paths: ['/changed'] }))
    await sink.reached(head.version)
    assert.equal(sink.snapshots, 1)
    assert.deepEqual(sink.head(), head)
    assert.deepEqual(sink.rows, source.rows)
    await until(async () => (await statusOf(server))?.applied_version === head.version, 'the status shows it')
    const status = await statusOf(server)
    assert.equal(status?.config_hash, head.config_hash)
    assert.equal(status?.hostname, 'dp.test')
    assert.equal(status?.ip, '127.0.0.1')
    assert.equal(status?.sync_status, 'normal')
    assert.deepEqual(status?.labels, { zone: 'a' })
    assert.ok(status!.cert_details!.expiry_timestamp > systemClock.now() / 1000)
  })

  it('through a proxy a data plane enrols and follows, and says why when the proxy does not let it', async t => {
    const source = new ModelSource()
    source.commit(aRoute('a'))
    const { port } = await startControlPlane(source, freshRecords())
    const proxy = await aConnectProxy(t)
    const { sink } = await startDataPlane([port], { name: 'behind-proxy', proxyPort: proxy.port })
    await sink.reached(1)
    await sink.reached(source.commit(aRoute('b')).version)
    // To see the authority, to enrol, to sync.
    assert.deepEqual(
      new Set(proxy.heads.map(head => head.split('\r\n')[0])),
      new Set([`CONNECT 127.0.0.1:${port} HTTP/1.1`]),
    )
    assert.ok(proxy.heads.length >= 3)
    const strict = await aConnectProxy(t, { answer: 'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n' })
    const refused = await startDataPlane([port], { name: 'refused-by-proxy', nodeId: OTHER_ID, proxyPort: strict.port })
    await until(() => refused.client.status().lastError !== null, 'the proxy refused')
    assert.equal(refused.client.status().lastError, 'proxy_server: it answered CONNECT with 407')
  })

  it('a refused version leaves the old one running and is visible, the next one is tried', async () => {
    const source = new ModelSource()
    source.commit(aRoute('a'))
    const { server, port } = await startControlPlane(source, freshRecords())
    const { sink } = await startDataPlane([port], { name: 'refusing' })
    sink.refuse = ({ key, row }) =>
      row!['paths'] === 'bad' ? { entity: 'routes', key, field: 'paths', message: 'expected an array' } : null
    await sink.reached(1)
    source.commit(aRoute('b', { paths: 'bad' }))
    await until(async () => (await statusOf(server))?.last_error !== null, 'the refusal is visible')
    const { last_error, applied_version } = (await statusOf(server))!
    assert.deepEqual(last_error, { entity: 'routes', key: 'b', field: 'paths', message: 'expected an array' })
    assert.equal(applied_version, 1)
    source.commit(aRoute('b', { paths: ['/good'] }))
    await sink.reached(3)
    await until(async () => (await statusOf(server))?.last_error === null, 'the error is gone')
  })

  it('a control plane that comes back on its port is found again, and shows the status it had', async () => {
    const source = new ModelSource()
    const records = freshRecords()
    source.commit(aRoute('a'))
    const first = await startControlPlane(source, records)
    const { sink } = await startDataPlane([first.port], { name: 'restart' })
    await until(async () => (await statusOf(first.server))?.applied_version === 1, 'it acknowledged')
    await first.server.close()
    const head = source.commit(aRoute('b'))
    const second = await startControlPlane(source, records, { port: first.port })
    assert.equal((await statusOf(second.server))?.applied_version, 1)
    await sink.reached(head.version)
    assert.equal(sink.snapshots, 1)
  })

  it('with two control planes on one store the data plane fails over to the second', async () => {
    const source = new ModelSource()
    const records = freshRecords()
    const first = await startControlPlane(source, records)
    const second = await startControlPlane(source, records)
    source.commit(aRoute('a'))
    const { sink, client } = await startDataPlane([first.port, second.port], { name: 'failover' })
    await sink.reached(1)
    assert.equal(client.status().controlPlane, `127.0.0.1:${first.port}`)
    await first.server.close()
    const head = source.commit(aRoute('b'))
    await sink.reached(head.version)
    assert.equal(client.status().controlPlane, `127.0.0.1:${second.port}`)
  })

  it('a data plane of a newer minor version is refused, with its status kept', async () => {
    const source = new ModelSource()
    source.commit(aRoute('a'))
    const { server, port } = await startControlPlane(source, freshRecords())
    const { sink } = await startDataPlane([port], { name: 'newer', version: '3.10.0' })
    await until(async () => (await statusOf(server)) !== undefined, 'it was seen')
    assert.equal((await statusOf(server))?.sync_status, 'kong_version_incompatible')
    assert.equal(sink.head().version, 0)
  })

  it('a slow sink gets a large snapshot in bounded pieces, while others are not held up', async () => {
    const source = new ModelSource()
    const filler = () => systemRandom.bytes(3_000).toString('base64')
    source.commit(...Array.from({ length: 1_500 }, (_, i) => aRoute(`r${i}`, { filler: filler() })))
    const { port } = await startControlPlane(source, freshRecords())
    const slow = new ModelSink()
    let release = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    const applySnapshot = slow.applySnapshot.bind(slow)
    slow.applySnapshot = async (head, batches) => {
      async function* late() {
        for await (const batch of batches) {
          await held
          yield batch
        }
      }
      return applySnapshot(head, late())
    }
    await startDataPlane([port], { name: 'slow', sink: slow })
    const { sink: quick } = await startDataPlane([port], { name: 'quick', nodeId: OTHER_ID })
    await quick.reached(1)
    const head = source.commit(aRoute('more'))
    await quick.reached(head.version)
    assert.equal(slow.head().version, 0)
    release()
    await slow.reached(head.version)
    assert.equal(source.exports, 1)
  })
})

describe('trust', { timeout: 60_000 }, () => {
  it('shared: the same certificate is let in, another is not', async () => {
    const now = Date.now()
    const make = async () => {
      const key = await generateKey('P-384')
      const times = { notBefore: new Date(now), notAfter: new Date(now + 86_400_000) }
      const certificate = selfSigned({ subject: { CN: 'kong_clustering' }, key, bare: true, ...times })
      return { certificate, key: key.privateKey }
    }
    const own = await make()
    const other = await make()
    const source = new ModelSource()
    source.commit(aRoute('a'))
    const { server, port } = await startControlPlane(source, freshRecords(), { trust: { mode: 'shared', ...own } })
    const { sink } = await startDataPlane([port], { trust: { mode: 'shared', ...own } })
    await sink.reached(1)
    const stranger = new WebSocket(`wss://127.0.0.1:${port}/v1/silverback`, 'silverback.v1', {
      cert: other.certificate,
      key: other.key,
      rejectUnauthorized: false,
    })
    stranger.on('error', () => {})
    const [, response] = await once(stranger, 'unexpected-response')
    assert.equal(response.statusCode, 403)
    assert.match(response.headers['x-silverback-reason'], /digest does not match/)
    stranger.terminate()
    assert.equal(server.sessionCount(), 1)
  })

  it('pki: certificates of the authority are let in, others are not', async t => {
    const now = Date.now()
    const times = { notBefore: new Date(now - 1000), notAfter: new Date(now + 86_400_000) }
    const caKey = await generateKey('P-256')
    const ca = selfSigned({ subject: { CN: 'test CA' }, key: caKey, isAuthority: true, ...times })
    const leaf = async (names: readonly string[], usage: 'server' | 'client') => {
      const key = await generateKey('P-256')
      const authority = { certificate: ca, privateKey: caKey.privateKey }
      const certificate = issue({
        authority,
        publicKey: key.publicKey,
        subject: { CN: names[0]! },
        dnsNames: names,
        usages: [usage],
        ...times,
      })
      return { certificate, key: key.privateKey }
    }
    const source = new ModelSource()
    source.commit(aRoute('a'))
    const server = await leaf(['cp.test'], 'server')
    const { port } = await startControlPlane(source, freshRecords(), { trust: { mode: 'pki', ...server, ca, crl: [] } })
    const client = await leaf(['dp.test'], 'client')
    const trust = { mode: 'pki', ...client, ca, serverName: 'cp.test' } as const
    const { sink } = await startDataPlane([port], { trust })
    await sink.reached(1)
    const wrongName = await startDataPlane([port], { trust: { ...trust, serverName: 'other.test' }, nodeId: OTHER_ID })
    await until(() => wrongName.client.status().lastError !== null, 'the name was checked')
    assert.match(wrongName.client.status().lastError!, /other\.test/)
    // The same behind a proxy, where the name to verify is still that of the control plane.
    const { port: proxyPort } = await aConnectProxy(t)
    for (const [serverName, name] of [
      ['other.test', /other\.test/],
      [null, /127\.0\.0\.1/],
    ] as const) {
      const behind = await startDataPlane([port], { trust: { ...trust, serverName }, nodeId: OTHER_ID, proxyPort })
      await until(() => behind.client.status().lastError !== null, 'the name was checked')
      assert.match(behind.client.status().lastError!, name)
    }
    const strangerKey = await generateKey('P-256')
    const stranger = selfSigned({ subject: { CN: 'stranger' }, key: strangerKey, ...times })
    const refused = await startDataPlane([port], {
      trust: { ...trust, certificate: stranger, key: strangerKey.privateKey },
      nodeId: OTHER_ID,
    })
    await until(() => refused.client.status().lastError !== null, 'the stranger was refused')
    assert.match(refused.client.status().lastError!, /incorrect client certificate/)
    assert.equal(refused.sink.head().version, 0)
  })

  it('pki: a revoked certificate is shut out, at once where it is connected', async () => {
    const times = { notBefore: new Date('2020-01-01'), notAfter: new Date('2090-01-01') }
    const caKey = await generateKey('P-256')
    const ca = selfSigned({ subject: { CN: 'test CA' }, key: caKey, isAuthority: true, ...times })
    const authority = { certificate: ca, privateKey: caKey.privateKey }
    const leaf = async (name: string, usage: 'server' | 'client') => {
      const { publicKey, privateKey } = await generateKey('P-256')
      const names = { subject: { CN: name }, dnsNames: [name], usages: [usage] }
      return { certificate: issue({ authority, publicKey, ...names, ...times }), key: privateKey }
    }
    const source = new ModelSource()
    source.commit(aRoute('a'))
    const [own, good, bad] = [
      await leaf('cp.test', 'server'),
      await leaf('good', 'client'),
      await leaf('bad', 'client'),
    ]
    const empty = revocationList({ authority, revoked: [] })
    const trust = { mode: 'pki', ...own, ca, crl: [empty] } as const
    const { server, port } = await startControlPlane(source, freshRecords(), { trust })
    const client = { mode: 'pki', ca, serverName: 'cp.test' } as const
    const stays = await startDataPlane([port], { trust: { ...client, ...good } })
    const goes = await startDataPlane([port], { trust: { ...client, ...bad }, nodeId: OTHER_ID })
    await stays.sink.reached(1)
    await goes.sink.reached(1)
    server.revoke([revocationList({ authority, revoked: [bad.certificate] })])
    await until(() => /CERT_REVOKED/.test(goes.client.status().lastError ?? ''), 'the revoked one was refused')
    source.commit(aRoute('b'))
    await stays.sink.reached(2)
    assert.equal(goes.sink.head().version, 1)
  })

  it('enroll: a connection without a certificate gets no configuration', async () => {
    const source = new ModelSource()
    source.commit(aRoute('a'))
    const { port } = await startControlPlane(source, freshRecords())
    const socket = new WebSocket(`wss://127.0.0.1:${port}/v1/silverback`, 'silverback.v1', {
      rejectUnauthorized: false,
    })
    socket.on('error', () => {})
    const [, response] = await once(socket, 'unexpected-response')
    assert.equal(response.statusCode, 403)
    assert.equal(response.headers['x-silverback-reason'], 'node is not enrolled')
    socket.terminate()
  })

  it('enroll: a valid token admits once, an expired, unknown or used one does not', async () => {
    const source = new ModelSource()
    source.commit(aRoute('a'))
    const trust = { mode: 'enroll', autoApproveLoopback: false } as const
    const { server, port } = await startControlPlane(source, freshRecords(), { trust })
    const good = await server.admin.createToken({ name: null, ttl: 60, uses: 1 })
    const { sink } = await startDataPlane([port], { name: 'token-good', token: good.token })
    await sink.reached(1)
    const used = await startDataPlane([port], { name: 'token-used', token: good.token, nodeId: OTHER_ID })
    await until(() => used.client.status().lastError !== null, 'the used token was refused')
    assert.equal(used.client.status().lastError, 'join token is used up')
    const expired = await server.admin.createToken({ name: null, ttl: -1, uses: null })
    const late = await startDataPlane([port], { name: 'token-late', token: expired.token, nodeId: OTHER_ID })
    await until(() => late.client.status().lastError !== null, 'the expired token was refused')
    assert.match(late.client.status().lastError!, /expired|unknown/)
    const forged = `${good.token.slice(0, -4)}AAAA`
    const wrong = await startDataPlane([port], { name: 'token-wrong', token: forged, nodeId: OTHER_ID })
    await until(() => wrong.client.status().lastError !== null, 'the forged token was refused')
    assert.equal(wrong.client.status().lastError, 'join token is unknown')
    const alien = `sbt1.${'A'.repeat(43)}.${good.token.split('.').slice(2).join('.')}`
    const pinned = await startDataPlane([port], { name: 'token-alien', token: alien, nodeId: OTHER_ID })
    await until(() => pinned.client.status().lastError !== null, 'the fingerprint was compared')
    assert.match(pinned.client.status().lastError!, /the control plane has the CA/)
  })

  it('enroll: without token or loopback rule a node waits for approval', async () => {
    const source = new ModelSource()
    source.commit(aRoute('a'))
    const trust = { mode: 'enroll', autoApproveLoopback: false } as const
    const { server, port } = await startControlPlane(source, freshRecords(), { trust })
    const { sink, client } = await startDataPlane([port], { name: 'waiting' })
    await until(() => client.status().isWaitingForApproval, 'it waits')
    const [node] = (await server.admin.nodes({ size: 10, after: null })).rows
    assert.equal(node?.status, 'pending')
    assert.equal(sink.head().version, 0)
    assert.equal((await server.admin.approve(NODE_ID))?.status, 'approved')
    await sink.reached(1)
  })

  it('enroll: a revoked node is cut off at once, on every control plane, and not let in again', async () => {
    const source = new ModelSource()
    const records = freshRecords()
    source.commit(aRoute('a'))
    const first = await startControlPlane(source, records)
    const second = await startControlPlane(source, records)
    const one = await startDataPlane([first.port], { name: 'revoked-1' })
    const two = await startDataPlane([second.port], { name: 'revoked-2', nodeId: OTHER_ID })
    await one.sink.reached(1)
    await two.sink.reached(1)
    await first.server.admin.revoke(NODE_ID)
    assert.equal(first.server.sessionCount(), 0)
    // Made through the first control plane, seen by the second.
    await first.server.admin.revoke(OTHER_ID)
    await until(() => second.server.sessionCount() === 0, 'the second noticed')
    source.commit(aRoute('b'))
    await until(() => one.client.status().lastError === 'node is revoked', 'it was told why')
    await until(() => two.client.status().lastError === 'node is revoked', 'the other one too')
    assert.equal(one.sink.head().version, 1)
    assert.equal(two.sink.head().version, 1)
  })

  it('enroll: another cluster CA is not trusted, until a token pins it', async () => {
    const source = new ModelSource()
    source.commit(aRoute('a'))
    const first = await startControlPlane(source, freshRecords())
    const before = await startDataPlane([first.port], { name: 'pinned' })
    await before.sink.reached(1)
    await before.client.stop()
    const other = await startControlPlane(source, freshRecords())
    const stranger = await startDataPlane([other.port], { name: 'pinned' })
    await until(() => stranger.client.status().lastError !== null, 'the CA was compared')
    assert.match(stranger.client.status().lastError!, /another cluster CA .* new join token, or remove/)
    assert.equal(stranger.sink.head().version, 0)
    await stranger.client.stop()
    const { token } = await other.server.admin.createToken({ name: null, ttl: 60, uses: 1 })
    const moved = await startDataPlane([other.port], { name: 'pinned', token })
    await moved.sink.reached(1)
  })

  it('enroll: certificates are renewed over the live connection', async () => {
    const source = new ModelSource()
    source.commit(aRoute('a'))
    // The certificate begins five minutes in the past, so two thirds of its span are over at once.
    const { server, port } = await startControlPlane(source, freshRecords(), { nodeLifetimeMs: 60_000 })
    const { sink, client } = await startDataPlane([port], { name: 'renewed' })
    await sink.reached(1)
    const before = client.status().certificateExpiresAt!
    await until(() => client.status().certificateExpiresAt! > before, 'the certificate is a new one')
    assert.equal(server.sessionCount(), 1)
    const head = source.commit(aRoute('b'))
    await sink.reached(head.version)
  })
})
