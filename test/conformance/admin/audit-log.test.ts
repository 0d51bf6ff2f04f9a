/** What the audit log says of changes made through the Admin API. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createAccess } from '../../../src/admin/access.ts'
import { createAdminTokens } from '../../../src/admin/admin-tokens.ts'
import type { AuditEntry } from '../../../src/admin/audit-entry.ts'
import { createAuditLog } from '../../../src/admin/audit-log.ts'
import { createLogger } from '../../../src/base/logger.ts'
import { systemRandom } from '../../../src/base/random.ts'
import { EMPTY_HEAD } from '../../../src/entities/config.ts'
import { createCatalog } from '../../../src/entities/catalog.ts'
import { createMemoryRecords } from '../../../src/cluster/records.ts'
import { bundledPlugins, pluginSchemas } from '../../../src/plugins/bundled.ts'
import { createRepository } from '../../../src/store/repository.ts'
import type { ChangeObserver } from '../../../src/store/row-changes.ts'
import { openEmbeddedStore } from '../../../src/store/embedded/open-embedded-store.ts'
import type { EntityStore } from '../../../src/store/store.ts'
import { selfSignedPair } from '../../kit/certificate-pair.ts'
import { temporaryFolder } from '../../kit/nodes.ts'
import { manualClock } from '../../kit/config-rows.ts'
import { openAdmin } from './admin-fixture.ts'

const TOKEN = 'a-token-of-the-settings'

interface Faults {
  /** Of entries by themselves. */
  readonly put?: boolean
  /** Of entries in the transaction of their change. */
  readonly record?: boolean
}

async function audited(
  t: TestContext,
  { faults = {}, entriesMax = 1000 }: { faults?: Faults; entriesMax?: number } = {},
) {
  const clock = manualClock()
  const catalog = createCatalog({
    plugins: pluginSchemas({ clusterPolicy: true }),
    extraEntities: bundledPlugins.flatMap(plugin => plugin.entities ?? []),
  })
  const whole = await openEmbeddedStore({ path: `${temporaryFolder(t)}/store.db`, catalog, clock })
  t.after(() => whole.close())
  const full = () => Promise.reject(new Error('disk full'))
  const store: EntityStore = {
    ...whole,
    transaction: work =>
      whole.transaction(tx => {
        if (faults.record) tx.record = full
        return work(tx)
      }),
  }
  const logged: string[] = []
  const logger = createLogger({ level: 'error', write: line => void logged.push(line), now: () => 0 })
  const records = { ...store.records, ...(faults.put ? { put: full } : {}) }
  const audit = createAuditLog({
    records,
    catalog,
    clock,
    random: systemRandom,
    logger,
    retentionDays: 30,
    entriesMax,
  })
  const observer: ChangeObserver = { begin: audit.begin }
  const repository = createRepository({ store, catalog, clock, random: systemRandom, observer })
  const tokens = createAdminTokens({ records: createMemoryRecords(clock.now), clock, random: systemRandom })
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
  return { ask, clock, entries, logged, store }
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

test('the entry of a change of entities comes with its transaction: neither is there without the other', async t => {
  const alone = await audited(t, { faults: { put: true } })
  assert.equal((await alone.ask('POST /services', { name: 's', host: 'a.test' })).status, 201)
  const certificate = selfSignedPair('a.test')
  alone.clock.advance(1)
  assert.equal((await alone.ask('POST /certificates', { ...certificate, snis: ['a.test', 'b.test'] })).status, 201)
  const shown = (await alone.entries()).data.map(({ path, status, changes }) => [path, status, changes.length])
  assert.deepEqual(shown, [
    ['/certificates', 201, 3],
    ['/services', 201, 1],
  ])
  assert.deepEqual(alone.logged, [])

  const refused = await audited(t, { faults: { record: true } })
  assert.equal((await refused.ask('POST /services', { name: 's', host: 'a.test' })).status, 500)
  assert.equal((await refused.ask('GET /services/s')).status, 404)
  assert.deepEqual(await refused.store.head(), EMPTY_HEAD)
})

test('an entry of anything else that cannot be written goes to the error log, and the change stands', async t => {
  const { ask, logged } = await audited(t, { faults: { put: true } })
  assert.equal((await ask('POST /admin-tokens', { name: 'x' })).status, 201)
  assert.match(
    logged.join('\n'),
    /the audit log cannot be written \(disk full\); the entry: \{.*"path":"\/admin-tokens"/,
  )
})

test('one entry lists what fits, and the log keeps no more entries than it may', async t => {
  const { ask, clock, entries, store } = await audited(t, { entriesMax: 3 })
  for (let at = 0; at < 101; at += 1) {
    clock.advance(1)
    assert.equal((await ask('POST /services', { name: `s${at}`, host: 'a.test' })).status, 201)
  }
  // Nobody waits for the oldest to go.
  const count = async () => (await store.records.list('admin_audit_log')).length
  while ((await count()) > 3) await setImmediate()
  assert.deepEqual(
    (await entries()).data.map(({ changes }) => changes[0]!.after!['name']),
    ['s100', 's99', 's98'],
  )
  clock.advance(1)
  const names = Array.from({ length: 120 }, (_, at) => `${'n'.repeat(240)}.${at}.test`)
  assert.equal((await ask('POST /certificates', { ...selfSignedPair('c.test'), snis: names })).status, 201)
  const [{ changes, more_changes }] = (await entries('?size=1')).data as [AuditEntry]
  assert.deepEqual([changes.length, more_changes], [100, 21])
})

test('without admin_audit_log there is none, and the answer says how to get it', async t => {
  const admin = await openAdmin({})
  t.after(() => admin.close())
  const message = 'There is no audit log: it is kept when admin_audit_log is on'
  await admin.check([{ ask: 'GET /audit-log', status: 404, body: { message } }])
})
