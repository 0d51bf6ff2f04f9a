/** What the audit log says of changes made through the Admin API. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAccess } from '../../../src/admin/access.ts'
import { createAdminTokens } from '../../../src/admin/admin-tokens.ts'
import { type AuditEntry, createAuditLog } from '../../../src/admin/audit-log.ts'
import { createLogger } from '../../../src/base/logger.ts'
import { systemRandom } from '../../../src/base/random.ts'
import { createCatalog } from '../../../src/entities/catalog.ts'
import { createMemoryRecords } from '../../../src/cluster/records.ts'
import { bundledPlugins, pluginSchemas } from '../../../src/plugins/bundled.ts'
import { createRepository } from '../../../src/store/repository.ts'
import type { ChangeObserver } from '../../../src/store/row-changes.ts'
import { openEmbeddedStore } from '../../../src/store/embedded/open-embedded-store.ts'
import { temporaryFolder } from '../../kit/nodes.ts'
import { manualClock } from '../../kit/config-rows.ts'
import { openAdmin } from './admin-fixture.ts'

const TOKEN = 'a-token-of-the-settings'

async function audited(t: import('node:test').TestContext, { isBroken = false } = {}) {
  const clock = manualClock()
  const catalog = createCatalog({
    plugins: pluginSchemas({ clusterPolicy: true }),
    extraEntities: bundledPlugins.flatMap(plugin => plugin.entities ?? []),
  })
  const store = await openEmbeddedStore({ path: `${temporaryFolder(t)}/store.db`, catalog, clock })
  t.after(() => store.close())
  const logged: string[] = []
  const logger = createLogger({ level: 'error', write: line => void logged.push(line), now: () => 0 })
  const records = createMemoryRecords(clock.now)
  const put: typeof records.put = isBroken ? () => Promise.reject(new Error('disk full')) : records.put
  const audit = createAuditLog({
    records: { ...records, put },
    catalog,
    clock,
    random: systemRandom,
    logger,
    retentionDays: 30,
  })
  const observer: ChangeObserver = { listener: audit.noteChanges }
  const repository = createRepository({ store, catalog, clock, random: systemRandom, observer })
  const tokens = createAdminTokens({ records, clock, random: systemRandom })
  const auth = { token: TOKEN, acceptsCertificates: false, readOnlyClients: [] }
  const access = createAccess({ auth, rateLimit: 0, tokens, clock })
  const admin = await openAdmin({ store, catalog, repository, tokens, access, audit, clock })
  t.after(() => admin.close())
  const headers = { Authorization: `Bearer ${TOKEN}` }
  const ask = (line: string, body?: unknown) => {
    const [method, path] = line.split(' ') as [string, string]
    if (body === undefined) return admin.send({ method, path, headers })
    const content = JSON.stringify(body)
    return admin.send({ method, path, headers: { ...headers, 'Content-Type': 'application/json' }, content })
  }
  const entries = async (query = '') =>
    (await ask(`GET /audit-log${query}`)).body as { data: AuditEntry[]; next: string | null }
  return { ask, clock, entries, logged }
}

test('each change has an entry with who, when, what, before and after; newest first; reads and refusals have none', async t => {
  const { ask, clock, entries } = await audited(t)
  const { body: created } = await ask('POST /services', { name: 's', host: 'a.test' })
  clock.advance(1000)
  const { body: updated } = await ask('PATCH /services/s', { host: 'b.test' })
  await ask('GET /services/s')
  await ask('POST /schemas/services/validate', { name: 'x', host: 'a.test' })
  await ask('POST /services', { name: 's', host: 'again.test' })
  await ask('POST /services', { nonsense: true })
  clock.advance(1000)
  await ask('DELETE /services/s')
  const { data } = await entries()
  const shown = data.map(({ method, path, status, changes }) => [method, path, status, changes])
  const id = created.id
  assert.deepEqual(shown, [
    ['DELETE', '/services/s', 204, [{ entity: 'services', id, action: 'delete', before: updated, after: null }]],
    ['PATCH', '/services/s', 200, [{ entity: 'services', id, action: 'update', before: created, after: updated }]],
    ['POST', '/services', 201, [{ entity: 'services', id, action: 'create', before: null, after: created }]],
  ])
  const [last] = data
  assert.deepEqual(last!.actor, { kind: 'token', name: 'admin_token', id: null, role: 'admin' })
  assert.equal(last!.client_ip, '127.0.0.1')
  assert.equal(last!.at, clock.now() / 1000)
  const first = await entries('?size=2')
  assert.equal(first.data.length, 2)
  const second = (await ask(`GET ${first.next}`)).body as { data: AuditEntry[]; next: null }
  assert.deepEqual([...first.data, ...second.data], data)
})

test('no secret is in the log', async t => {
  const { ask, entries } = await audited(t)
  await ask('POST /consumers', { username: 'c' })
  await ask('POST /consumers/c/key-auth', { key: 'SECRET-1' })
  await ask('POST /plugins', {
    name: 'rate-limiting',
    config: { second: 1, policy: 'redis', redis: { host: 'h', password: 'SECRET-2' } },
  })
  await ask('POST /admin-tokens', { name: 'x' })
  const { data } = await entries()
  assert.equal(data.length, 4)
  assert.doesNotMatch(JSON.stringify(data), /SECRET|sba1/)
  assert.match(JSON.stringify(data), /"key":"\*{6}"/)
})

test('an entry that cannot be written goes to the error log, and the change stands', async t => {
  const { ask, logged } = await audited(t, { isBroken: true })
  assert.equal((await ask('POST /services', { name: 's', host: 'a.test' })).status, 201)
  assert.equal((await ask('GET /services/s')).status, 200)
  assert.match(logged.join('\n'), /the audit log cannot be written \(disk full\); the entry: \{.*"path":"\/services"/)
})

test('without admin_audit_log there is none, and the answer says how to get it', async t => {
  const admin = await openAdmin({})
  t.after(() => admin.close())
  const message = 'There is no audit log: it is kept when admin_audit_log is on'
  await admin.check([{ ask: 'GET /audit-log', status: 404, body: { message } }])
})
