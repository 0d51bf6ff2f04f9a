import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { generateKey, issue, selfSigned } from '../../src/base/certificates.ts'
import { aCluster, aDataPlane, type Cluster, temporaryFolder, type TestNode } from '../kit/nodes.ts'
import { admin, anUpstream, eventually, send } from '../kit/traffic.ts'

type DataPlane = Cluster['dataPlanes'][number]
type ControlPlane = Cluster['controlPlane']

/** A control plane with the route /r, on which data planes are started by the test. */
async function aGuardedCluster(t: TestContext, cp: Record<string, string> = { cluster_auto_approve: 'off' }) {
  const upstream = await anUpstream(t)
  const { controlPlane } = await aCluster(t, { dataPlanes: 0, cp })
  await admin(controlPlane.admin, 'POST', '/services', { name: 's', url: upstream.url })
  await admin(controlPlane.admin, 'POST', '/services/s/routes', { name: 'r', paths: ['/r'] })
  const join = async (settings: Record<string, string> = {}): Promise<DataPlane> => {
    const plane = await aDataPlane(t, controlPlane.clusterPort, settings)
    return plane.start().then(() => plane)
  }
  return { controlPlane, join }
}

const statusOf = async (plane: DataPlane, path: string) =>
  (await send(`http://127.0.0.1:${plane.proxyPort}${path}`)).status
const serves = (plane: DataPlane, path = '/r') =>
  eventually(`200 at ${path}\n${plane.errorLog()}`, async () => (await statusOf(plane, path)) === 200)
const idOf = (plane: DataPlane) => readFileSync(join(plane.prefix, 'kong.id'), 'utf8').trim()
async function logs(plane: TestNode, pattern: RegExp, timeoutMs = 15_000): Promise<void> {
  await eventually(`${pattern} in the log`, async () => pattern.test(plane.errorLog()), timeoutMs).catch(
    (error: Error) => {
      throw new Error(`${error.message}\n${plane.errorLog()}`)
    },
  )
}

async function run(node: TestNode, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await node.kong(...args)
  assert.equal(status, 0, stderr)
  return stdout.trim()
}

const list = async (node: TestNode) =>
  JSON.parse(await run(node, 'hybrid', 'list', '--json')) as { id: string; status: string; hostname: string }[]
const nodesSeen = async ({ admin }: ControlPlane) =>
  Object.keys((await send(`${admin}/clustering/status`)).json() as object)

/** Refused data planes never got a byte of configuration. */
async function hasNothing(plane: DataPlane): Promise<void> {
  assert.equal(await statusOf(plane, '/r'), 503)
  assert.equal((await send(`http://127.0.0.1:${plane.statusPort}/status/ready`)).status, 503)
}

test('a data plane without token waits, is listed, and serves once it is approved; revoked, it is cut off', async t => {
  const { controlPlane, join } = await aGuardedCluster(t)
  const plane = await join()
  const id = idOf(plane)
  const [waiting] = await eventually('the node in the list', async () => {
    const nodes = await list(controlPlane)
    return nodes.length > 0 && nodes
  })
  assert.deepEqual([waiting!.id, waiting!.status], [id, 'pending'])
  const table = await run(controlPlane, 'hybrid', 'list')
  assert.match(table, /^id +status +hostname +ip +key_fingerprint\n/)
  assert.match(table, new RegExp(`^${id} +pending `, 'm'))
  await logs(plane, /waits for approval \(kong hybrid approve\).*key_fingerprint/)
  await hasNothing(plane)
  assert.deepEqual(await nodesSeen(controlPlane), [])

  assert.equal(await run(controlPlane, 'hybrid', 'approve', id.slice(0, 8)), `node ${id} is approved`)
  await serves(plane)
  assert.deepEqual(await nodesSeen(controlPlane), [id])
  assert.equal((await list(controlPlane))[0]!.status, 'approved')

  assert.equal(await run(controlPlane, 'hybrid', 'revoke', id), `node ${id} is revoked`)
  await logs(plane, /revoked/, 2_000)
  await admin(controlPlane.admin, 'POST', '/services/s/routes', { name: 'later', paths: ['/later'] })
  const attempts = () => plane.errorLog().split('revoked').length
  const before = attempts()
  await eventually('another attempt to be refused', async () => attempts() > before)
  assert.equal(await statusOf(plane, '/later'), 404, 'no change arrives any more')
  assert.equal(await statusOf(plane, '/r'), 200, 'what it had goes on')
  plane.killAll()
  await plane.start()
  assert.equal(await statusOf(plane, '/r'), 200, 'after a restart as well')
  await logs(plane, /refused.*revoked/)
  assert.equal((await list(controlPlane))[0]!.status, 'revoked')
  const { status, stderr } = await controlPlane.kong('hybrid', 'approve', '00000000')
  assert.equal(status, 1)
  assert.match(stderr, /^Error: .*00000000/)
})

test('a join token admits as often as it says, until it expires, and its secret is nowhere to be read', async t => {
  const { controlPlane, join: start } = await aGuardedCluster(t)
  const token = await run(controlPlane, 'hybrid', 'token', '--uses', '1', '--name', 'rollout', '--ttl', '600')
  const plane = await start({ cluster_join_token: token, log_level: 'debug' })
  await serves(plane)

  const second = await start({ cluster_join_token: token })
  await logs(second, /no connection to control plane: 127.0.0.1:\d+: join token is used up/)
  await hasNothing(second)

  const late = JSON.parse(await run(controlPlane, 'hybrid', 'token', '--json')) as { id: string; token: string }
  const store = new DatabaseSync(join(controlPlane.prefix, 'silverback.db'))
  store.exec(
    `update cluster_records set value = json_set(value, '$.expires_at', 1700000000) where "key" = '${late.id}'`,
  )
  store.close()
  const third = await start({ cluster_join_token: late.token })
  await logs(third, /no connection to control plane: 127.0.0.1:\d+: join token has expired/)
  await hasNothing(third)

  const table = await run(controlPlane, 'hybrid', 'list', '--tokens')
  assert.match(table, /^id +name +expires_at +uses_left$/m)
  assert.match(table, /rollout +\S+Z +0$/m)
  assert.match(table, /\(expired\) +any$/m)
  await run(controlPlane, 'hybrid', 'token', '--delete', late.id)
  assert.doesNotMatch(await run(controlPlane, 'hybrid', 'list', '--tokens'), new RegExp(late.id))

  await run(plane, 'reload')
  const secrets = [token, late.token].map(text => text.split('.').at(-1)!)
  const shown = await send(`${controlPlane.admin}/`)
  const tokens = await send(`${controlPlane.admin}/clustering/tokens`)
  for (const secret of secrets) {
    assert.equal(secret.length, 43)
    for (const body of [shown.body, tokens.body]) assert.ok(!body.includes(secret))
    for (const node of [controlPlane, plane, second, third]) {
      for (const file of filesIn(node.prefix)) {
        assert.ok(!readFileSync(file, 'latin1').includes(secret), `a token secret is in ${file}`)
      }
    }
  }
})

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map(name => join(folder, name))
    .filter(path => statSync(path).isFile())
}

test('a data plane refuses the control plane of another cluster than its token names, and says nothing to it', async t => {
  const { controlPlane, join: start } = await aGuardedCluster(t)
  const { controlPlane: stranger } = await aCluster(t, { dataPlanes: 0, cp: { cluster_auto_approve: 'off' } })
  const plane = await start({ cluster_join_token: await run(stranger, 'hybrid', 'token') })
  await logs(plane, /control plane has the CA [0-9a-f]{64}, the join token says [0-9a-f]{64}/)
  await hasNothing(plane)
  assert.deepEqual(await list(controlPlane), [])

  const malformed = await start({ cluster_join_token: 'sbt1.nonsense' })
  await logs(malformed, /join token is malformed/)
  assert.doesNotMatch(malformed.errorLog(), /nonsense/)
})

async function sharedCertificate(node: TestNode, folder: string, name: string): Promise<Record<string, string>> {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)]
  await run(node, 'hybrid', 'gen_cert', cert, key)
  return { cluster_mtls: 'shared', cluster_cert: cert, cluster_cert_key: key }
}

test('cluster_mtls = shared admits whoever has the certificate of kong hybrid gen_cert, and nobody else', async t => {
  const folder = temporaryFolder(t)
  const maker = await aDataPlane(t, 1)
  const ours = await sharedCertificate(maker, folder, 'ours')
  const { controlPlane, join: start } = await aGuardedCluster(t, ours)
  const plane = await start(ours)
  await serves(plane)

  const other = await start(await sharedCertificate(maker, folder, 'other'))
  // Both sides compare: this one sees first that the control plane is a stranger.
  await logs(other, /certificate/)
  await hasNothing(other)
  assert.deepEqual(await nodesSeen(controlPlane), [idOf(plane)])
  const { status, stderr } = await controlPlane.kong('hybrid', 'token')
  assert.equal(status, 1)
  assert.match(stderr, /^Error: .*enroll/, 'tokens are of another mode')
})

test('cluster_mtls = pki admits certificates of its authority, and checks the name of the control plane', async t => {
  const folder = temporaryFolder(t)
  const times = { notBefore: new Date('2020-01-01'), notAfter: new Date('2090-01-01') }
  const anAuthority = async () => {
    const key = await generateKey('P-256')
    const certificate = selfSigned({ subject: { CN: 'company CA' }, key, isAuthority: true, ...times })
    return { certificate, privateKey: key.privateKey }
  }
  const authority = await anAuthority()
  const settingsFor = async (name: string, by = authority) => {
    const key = await generateKey('P-256')
    const certificate = issue({
      authority: by,
      publicKey: key.publicKey,
      subject: { CN: name },
      dnsNames: [name],
      usages: ['server', 'client'],
      ...times,
    })
    const paths = ['crt', 'key', 'ca'].map(kind => join(folder, `${name}.${kind}`))
    for (const [at, text] of [certificate, key.privateKey, authority.certificate].entries()) {
      writeFileSync(paths[at]!, text, { mode: 0o600 })
    }
    const [cluster_cert, cluster_cert_key, cluster_ca_cert] = paths as [string, string, string]
    return { cluster_mtls: 'pki', cluster_cert, cluster_cert_key, cluster_ca_cert }
  }
  const { controlPlane, join: start } = await aGuardedCluster(t, await settingsFor('control.test'))
  const named = { cluster_server_name: 'control.test' }
  const plane = await start({ ...(await settingsFor('one.test')), ...named })
  await serves(plane)

  const stranger = await start({ ...(await settingsFor('stranger.test', await anAuthority())), ...named })
  await logs(stranger, /refused|certificate|alert/)
  await hasNothing(stranger)

  const misled = await start({ ...(await settingsFor('two.test')), cluster_server_name: 'elsewhere.test' })
  await logs(misled, /elsewhere\.test/)
  await hasNothing(misled)
  assert.deepEqual(await nodesSeen(controlPlane), [idOf(plane)])
})
