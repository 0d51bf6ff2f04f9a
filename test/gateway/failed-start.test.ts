import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { aNode, freePort, temporaryFolder, type TestNode } from '../kit/nodes.ts'

async function aPlainNode(t: TestContext, settings: Record<string, string>): Promise<TestNode> {
  return aNode(t, {
    storage: 'memory',
    proxy_listen: `127.0.0.1:${await freePort()}`,
    admin_listen: `127.0.0.1:${await freePort()}`,
    status_listen: 'off',
    nginx_worker_processes: '2',
    ...settings,
  })
}

/** Fails with that reason, at once, and leaves no process, no claim on the prefix and no settings. */
async function fails(node: TestNode, reason: RegExp): Promise<void> {
  const { status, stdout, stderr } = await node.kong('start')
  assert.equal(status, 1, stdout)
  assert.match(stderr, reason)
  assert.doesNotMatch(stderr, /^ +at /m, 'no stack for people')
  assert.deepEqual(node.processIds(), [])
  for (const file of ['pids/nginx.pid', '.kong_env']) assert.ok(!existsSync(join(node.prefix, file)), file)
}

test('kong start names the setting when the second address of the proxy is taken', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  const free = await freePort()
  const node = await aPlainNode(t, { proxy_listen: `127.0.0.1:${free}, 127.0.0.1:${port}` })
  await fails(node, new RegExp(`^Error: proxy_listen: address 127\\.0\\.0\\.1:${port} is already in use`))
  const again = createServer().listen(free, '127.0.0.1')
  await once(again, 'listening')
  again.close()
})

test('kong start names the setting when the cluster port is taken', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  const node = aNode(t, {
    role: 'admin',
    admin_listen: `127.0.0.1:${await freePort()}`,
    cluster_listen: `127.0.0.1:${port}`,
    status_listen: 'off',
  })
  await fails(node, new RegExp(`^Error: cluster_listen: address 127\\.0\\.0\\.1:${port} is already in use`))
})

test('kong start names the setting of a certificate that is none, or whose key is another', async t => {
  const folder = temporaryFolder(t)
  const nonsense = join(folder, 'nonsense.pem')
  writeFileSync(nonsense, '-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n')
  const listen = `127.0.0.1:${await freePort()} ssl`
  for (const name of ['ssl', 'admin_ssl']) {
    const where = name === 'ssl' ? 'proxy_listen' : 'admin_listen'
    const node = await aPlainNode(t, {
      [where]: listen,
      [`${name}_cert`]: nonsense,
      [`${name}_cert_key`]: nonsense,
    })
    await fails(node, new RegExp(`${name}_cert`))
  }
})

test('kong start names what a worker cannot read', async t => {
  for (const name of ['error_template_json', 'lua_ssl_trusted_certificate']) {
    const node = await aPlainNode(t, { [name]: '/nowhere/to/be/found' })
    await fails(node, new RegExp(`${name}.*/nowhere/to/be/found`))
  }
})

test('kong start names a declarative file that cannot be read', async t => {
  const node = await aPlainNode(t, { declarative_config: '/nowhere/kong.yml' })
  await fails(node, /declarative_config.*\/nowhere\/kong\.yml/)
  const folder = temporaryFolder(t)
  const folderAsFile = await aPlainNode(t, { declarative_config: folder })
  await fails(folderAsFile, /declarative_config.*EISDIR/)
})

test('kong start says which file of the prefix is in the way', async t => {
  const node = await aPlainNode(t, {})
  writeFileSync(node.prefix, 'a file')
  chmodSync(node.prefix, 0o600)
  const { status, stderr } = await node.kong('start')
  assert.equal(status, 1)
  assert.ok(stderr.includes(node.prefix), stderr)
  assert.doesNotMatch(stderr, /^ +at /m)
})
