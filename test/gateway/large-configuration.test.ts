import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { aDataPlane, aNode, freePort, type TestNode, temporaryFolder } from '../kit/nodes.ts'
import { admin, anUpstream, eventually, send, Traffic, type Upstream } from '../kit/traffic.ts'

const SERVICES = 2_000
const CONSUMERS = 6_000
/**
 * Of text that does not compress, in each consumer: 94 MiB in all, so that nobody can hold it without being seen. Texts of
 * this length and more are slow as keys of maps (base/map-key.ts).
 */
const CUSTOM_ID_LENGTH = 16_384
const TOTAL_MIB = (CONSUMERS * CUSTOM_ID_LENGTH) / 2 ** 20

/** 16,000 entities: services with a route each, consumers with a key each. */
function writeConfiguration(path: string, upstream: Upstream): void {
  const services = Array.from({ length: SERVICES }, (_, i) => ({
    name: `service-${i}`,
    url: upstream.url,
    routes: [{ name: `route-${i}`, paths: [`/route-${i}`], strip_path: false }],
  }))
  const guarded = {
    name: 'guarded',
    url: upstream.url,
    routes: [{ name: 'guarded', paths: ['/guarded'], plugins: [{ name: 'key-auth' }] }],
  }
  const consumers = Array.from({ length: CONSUMERS }, (_, i) => ({
    username: `consumer-${i}`,
    // That of the last one is sent upstream, where heads of this size are refused.
    custom_id: i === CONSUMERS - 1 ? 'short' : noise(i),
    keyauth_credentials: [{ key: `key-${i}` }],
  }))
  writeFileSync(path, JSON.stringify({ _format_version: '3.0', services: [...services, guarded], consumers }))
}

function noise(seed: number): string {
  const bytes = createHash('shake256', { outputLength: (CUSTOM_ID_LENGTH * 3) / 4 })
    .update(String(seed))
    .digest()
  return bytes.toString('base64url')
}

async function serves(proxyPort: number): Promise<boolean> {
  const url = `http://127.0.0.1:${proxyPort}`
  const guarded = await send(`${url}/guarded`, { headers: { apikey: `key-${CONSUMERS - 1}` } })
  return guarded.status === 200 && (await send(`${url}/route-${SERVICES - 1}`)).status === 200
}

/** MiB that the main process of a node has taken at most. */
function peakMemory(node: TestNode): number {
  const status = readFileSync(`/proc/${node.mainProcessId()}/status`, 'latin1')
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)![1]) / 1024
}

test('16,000 entities of 94 MiB reach a data plane under traffic, and no main process holds them', async t => {
  const upstream = await anUpstream(t)
  const adminPort = await freePort()
  const clusterPort = await freePort()
  const controlPlane = aNode(t, {
    role: 'admin',
    admin_listen: `127.0.0.1:${adminPort}`,
    cluster_listen: `127.0.0.1:${clusterPort}`,
    status_listen: 'off',
  })
  await controlPlane.start()
  const url = `http://127.0.0.1:${adminPort}`
  await admin(url, 'POST', '/services', { name: 'first', url: upstream.url })
  await admin(url, 'POST', '/services/first/routes', { name: 'first', paths: ['/first'] })
  const plane = await aDataPlane(t, clusterPort)
  await plane.start()
  await eventually(
    'the first route',
    async () => (await send(`http://127.0.0.1:${plane.proxyPort}/first`)).status === 200,
  )
  const before = { controlPlane: peakMemory(controlPlane), dataPlane: peakMemory(plane) }

  const traffic = new Traffic(t, `http://127.0.0.1:${plane.proxyPort}/first`, { clients: 2 })
  t.after(() => traffic.stop())
  const file = join(temporaryFolder(t), 'large.json')
  writeConfiguration(file, upstream)
  const imported = await controlPlane.kong('config', 'db_import', file)
  assert.equal(imported.status, 0, `${imported.stdout}${imported.stderr}`)
  await eventually('the whole configuration', () => serves(plane.proxyPort), 120_000)
  await traffic.stop()
  assert.deepEqual(traffic.failures, [])

  // Each may take what passes through it at a time, and what its collector has not yet looked at; measured
  // were 40 to 130 MiB, however large the configuration. More than twice its size means that somebody holds it.
  const grown = {
    controlPlane: peakMemory(controlPlane) - before.controlPlane,
    dataPlane: peakMemory(plane) - before.dataPlane,
  }
  t.diagnostic(`grown by ${JSON.stringify(grown)} MiB`)
  for (const [name, mebibytes] of Object.entries(grown)) {
    assert.ok(mebibytes < 2 * TOTAL_MIB, `the ${name} grew by ${mebibytes.toFixed(0)} MiB for ${TOTAL_MIB}`)
  }
})
