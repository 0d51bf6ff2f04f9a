/** A control plane that asks who is there: tokens, commands, warnings, and what is left of secrets on disk. */
import assert from 'node:assert/strict'
import { globSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { generateKey, issue, selfSigned } from '../../src/base/certificates.ts'
import { aNode, freePort, temporaryFolder } from '../kit/nodes.ts'
import { revocationList } from '../kit/revocation-list.ts'
import { send } from '../kit/traffic.ts'

const TOKEN = 'f3b1-token-of-the-first-administrator'
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

test('with admin_auth a node asks for a token, its own commands have one, and changes are on record', async t => {
  const [adminPort, clusterPort] = [await freePort(), await freePort()]
  const settings = { role: 'admin', cluster_listen: `127.0.0.1:${clusterPort}`, status_listen: 'off' }
  const node = aNode(t, {
    ...settings,
    admin_listen: `127.0.0.1:${adminPort}`,
    admin_auth: 'on',
    admin_token: TOKEN,
    admin_audit_log: 'on',
  })
  await node.start()
  const admin = `http://127.0.0.1:${adminPort}`
  const post = (path: string, body: object, token: string) =>
    send(admin + path, { method: 'POST', body, headers: bearer(token) })
  assert.equal((await send(`${admin}/services`)).status, 401)
  const made = (await post('/admin-tokens', { name: 'dashboard' }, TOKEN)).json()
  assert.equal((await send(`${admin}/services`, { headers: bearer(made.token) })).status, 200)
  const service = { name: 's', host: 'a.test' }
  assert.equal((await post('/services', service, made.token)).status, 403)
  assert.equal((await post('/services', service, TOKEN)).status, 201)

  const join1 = await node.kong('hybrid', 'token')
  assert.deepEqual([join1.status, join1.stderr], [0, ''])
  assert.match(join1.stdout, /^sbt1\./)

  assert.equal((await node.stop()).status, 0)
  const file = join(node.prefix, 'kong.yml')
  writeFileSync(
    file,
    '_format_version: "3.0"\nservices: [{ name: i, host: i.test, routes: [{ paths: [/i] }, { paths: [/j] }] }]\n',
  )
  const imported = await node.kong('config', 'db_import', file)
  assert.deepEqual([imported.status, imported.stderr], [0, ''])
  await node.start()
  assert.equal((await send(`${admin}/services`, { headers: bearer(made.token) })).status, 200)
  const { data } = (await send(`${admin}/audit-log`, { headers: bearer(made.token) })).json()
  const shown = data.map((entry: { method: string; path: string; actor: { name: string } }) => [
    entry.method,
    entry.path,
    entry.actor.name,
  ])
  assert.deepEqual(shown, [
    ['IMPORT', file, userInfo().username],
    ['POST', '/clustering/tokens', 'admin_token'],
    ['POST', '/services', 'admin_token'],
    ['POST', '/admin-tokens', 'admin_token'],
  ])

  assert.deepEqual(data[0].counts, { services: 1, routes: 2 })

  const root = (await send(admin, { headers: bearer(TOKEN) })).body
  assert.ok(!root.includes(TOKEN))
  for (const name of globSync('**/*', { cwd: node.prefix })) {
    const file = join(node.prefix, name)
    if (!statSync(file).isFile()) continue
    const text = readFileSync(file, 'latin1')
    assert.ok(!text.includes(made.token), `a token made at the Admin API is in ${name}`)
    // The settings of a running node, which its commands read, are for its user's eyes only.
    if (text.includes(TOKEN)) assert.equal(statSync(file).mode & 0o077, 0, name)
  }
})

test('kong start warns loudly of an Admin API that others can reach, and refuses one that nobody could use', async t => {
  const settings = { role: 'admin', cluster_listen: `127.0.0.1:${await freePort()}`, status_listen: 'off' }
  const adminPort = await freePort()
  const open = aNode(t, { ...settings, admin_listen: `0.0.0.0:${adminPort}` })
  const { status, stdout, stderr } = await open.kong('start')
  assert.equal(status, 0, stderr)
  const warning = new RegExp(
    `the Admin API on 0\\.0\\.0\\.0:${adminPort} can be reached from other machines and asks nobody`,
  )
  assert.match(stdout + stderr, warning)
  assert.match(open.errorLog(), warning)
  assert.equal((await open.stop()).status, 0)

  const nobody = await aNode(t, { ...settings, admin_listen: `127.0.0.1:${adminPort}`, admin_auth: 'on' }).kong('start')
  assert.equal(nobody.status, 1)
  assert.match(nobody.stderr, /admin_auth is on, but nobody could log in: set admin_token or admin_client_ca/)
})

test('kong reload takes a client certificate that has been revoked since for nothing', async t => {
  const validity = { notBefore: new Date('2020-01-01'), notAfter: new Date('2090-01-01') }
  const [authorityKey, clientKey] = [await generateKey('P-256'), await generateKey('P-256')]
  const certificate = selfSigned({ subject: { CN: 'ops' }, key: authorityKey, isAuthority: true, ...validity })
  const authority = { certificate, privateKey: authorityKey.privateKey }
  const { publicKey, privateKey: key } = clientKey
  const cert = issue({ authority, publicKey, subject: { CN: 'alice' }, usages: ['client'], ...validity })
  const folder = temporaryFolder(t)
  const [caFile, listFile] = [join(folder, 'ca.pem'), join(folder, 'crl.pem')]
  writeFileSync(caFile, certificate)
  writeFileSync(listFile, revocationList({ authority, revoked: [] }))
  const port = await freePort()
  const node = aNode(t, {
    storage: 'memory',
    proxy_listen: 'off',
    status_listen: 'off',
    admin_listen: `127.0.0.1:${port} http2 ssl`,
    admin_auth: 'on',
    admin_token: TOKEN,
    admin_client_ca: caFile,
    admin_client_crl: listFile,
  })
  await node.start()
  const asked = (headers = {}) =>
    new Promise<number | undefined>((resolve, reject) => {
      const options = { port, path: '/services', cert, key, headers, agent: false as const, rejectUnauthorized: false }
      const outgoing = httpsRequest(options, incoming => resolve(incoming.resume().statusCode))
      outgoing.on('error', reject).end()
    })
  assert.equal(await asked(), 200)
  writeFileSync(listFile, revocationList({ authority, revoked: [cert] }))
  const { status, stderr } = await node.kong('reload')
  assert.equal(status, 0, stderr)
  assert.equal(await asked(), 401)
  assert.equal(await asked(bearer(TOKEN)), 200)
  writeFileSync(listFile, 'no list')
  const refused = await node.kong('reload')
  assert.notEqual(refused.status, 0)
  assert.match(refused.stderr, /admin_client_crl: failed loading revocation list from .*crl\.pem/)
  assert.equal(await asked(), 401, 'the lists of before hold')
})
