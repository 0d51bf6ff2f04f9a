/** Who may use the Admin API: tokens and their roles, client certificates, and limits on both. */
import assert from 'node:assert/strict'
import { request as httpsRequest } from 'node:https'
import { after, test } from 'node:test'
import { createAccess } from '../../../src/admin/access.ts'
import { createAdminTokens } from '../../../src/admin/admin-tokens.ts'
import type { AdminOptions } from '../../../src/admin/admin-options.ts'
import { generateKey, issue, selfSigned } from '../../../src/base/certificates.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { systemRandom } from '../../../src/base/random.ts'
import { createMemoryRecords } from '../../../src/cluster/records.ts'
import { manualClock } from '../../kit/config-rows.ts'
import { revocationList } from '../../kit/revocation-list.ts'
import { type Admin, openAdmin } from './admin-fixture.ts'

const STATIC = 'a-token-of-the-settings'
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })

function guarded({ clock = systemClock, rateLimit = 0, readOnlyClients = [] as string[] } = {}) {
  const tokens = createAdminTokens({ records: createMemoryRecords(clock.now), clock, random: systemRandom })
  const auth = { token: STATIC, acceptsCertificates: true, readOnlyClients }
  return { tokens, access: createAccess({ auth, rateLimit, tokens, clock }) }
}

async function anAdmin(part: Partial<AdminOptions>): Promise<Admin> {
  const admin = await openAdmin(part)
  after(() => admin.close())
  return admin
}

test('with admin_auth every path asks for a token, whatever the method', async () => {
  const admin = await anAdmin(guarded())
  for (const ask of [
    'GET /',
    'GET /services',
    'POST /services',
    'DELETE /services/x',
    'GET /nowhere',
    'HEAD /status',
  ]) {
    const answer = await admin.ask(ask, ask.startsWith('POST') ? { name: 's', host: 'h' } : undefined)
    assert.equal(answer.status, 401, ask)
    assert.equal(answer.headers['www-authenticate'], 'Bearer realm="admin"', ask)
    if (!ask.startsWith('HEAD')) {
      const message = "Unauthorized: a token is required, as 'Authorization: Bearer <token>'"
      assert.deepEqual(answer.body, { message }, ask)
    }
  }
  await admin.check([
    { ask: 'OPTIONS /services', status: 204 },
    { ask: 'GET /services', headers: bearer(STATIC), status: 200 },
    { ask: 'GET /services', headers: { 'Kong-Admin-Token': STATIC }, status: 200 },
    {
      ask: 'GET /services',
      headers: bearer(`${STATIC}x`),
      status: 401,
      body: { message: 'Unauthorized: the token is unknown or has expired' },
    },
    { ask: 'GET /services', headers: { Authorization: `Basic ${STATIC}` }, status: 401 },
    { ask: 'GET /services', headers: bearer('sba1.0123456789abcdef.' + 'A'.repeat(43)), status: 401 },
  ])
})

test('a token is shown once, has a role, and ends with its time or when it is deleted', async () => {
  const clock = manualClock()
  const admin = await anAdmin(guarded({ clock }))
  const create = (body: object) =>
    admin.send({
      method: 'POST',
      path: '/admin-tokens',
      headers: { ...bearer(STATIC), 'Content-Type': 'application/json' },
      content: JSON.stringify(body),
    })
  const made = await create({ name: 'dashboard', ttl: 3600 })
  assert.equal(made.status, 201)
  const { token, ...shown } = made.body
  const created_at = Math.floor(clock.now() / 1000)
  assert.deepEqual(shown, {
    id: shown.id,
    name: 'dashboard',
    role: 'read-only',
    created_at,
    expires_at: created_at + 3600,
  })
  assert.match(token, /^sba1\.[0-9a-f]{16}\.[A-Za-z0-9_-]{43}$/)
  const service = { name: 's', host: 'h' }
  await admin.check([
    { ask: 'GET /admin-tokens', headers: bearer(token), status: 200, body: { data: [shown], next: null } },
    { ask: 'GET /services', headers: bearer(token), status: 200 },
    {
      ask: 'POST /services',
      with: service,
      headers: bearer(token),
      status: 403,
      body: { message: "'dashboard' may only read (role read-only)" },
    },
    { ask: 'DELETE /admin-tokens/' + shown.id, headers: bearer(token), status: 403 },
  ])
  const writer = (await create({ name: 'ci', role: 'admin' })).body
  assert.equal(writer.expires_at, null)
  await admin.check([{ ask: 'POST /services', with: service, headers: bearer(writer.token), status: 201 }])
  clock.advance(3_600_000)
  await admin.check([
    { ask: 'GET /services', headers: bearer(token), status: 401 },
    { ask: 'DELETE /admin-tokens/' + writer.id, headers: bearer(STATIC), status: 204 },
    { ask: 'DELETE /admin-tokens/' + writer.id, headers: bearer(STATIC), status: 404 },
    { ask: 'GET /services', headers: bearer(writer.token), status: 401 },
  ])
})

test('POST /admin-tokens names what is wrong', async () => {
  const admin = await anAdmin({})
  for (const [body, fields] of [
    [{}, { name: 'required field missing' }],
    [{ name: 'x', role: 'root' }, { role: 'expected one of: admin, read-only' }],
    [{ name: 'x', ttl: 1 }, { ttl: 'value should be between 60 and 315360000' }],
    [{ name: 'x', secret: 'y' }, { secret: 'unknown field' }],
    [{ name: 'x'.repeat(129) }, { name: 'length must be at most 128' }],
  ] as const) {
    await admin.check([{ ask: 'POST /admin-tokens', with: body, status: 400, has: { fields } }])
  }
})

test('a client address that guesses is held off, and one that asks too often, too', async () => {
  const clock = manualClock()
  const access = guarded({ clock })
  const guessed = await anAdmin(access)
  const wrong = () => guessed.send({ method: 'GET', path: '/', headers: bearer('wrong') })
  for (let i = 0; i < 20; i++) assert.equal((await wrong()).status, 401)
  const held = await wrong()
  assert.deepEqual([held.status, held.headers['retry-after']], [429, '1'])
  const right = () => guessed.send({ method: 'GET', path: '/', headers: bearer(STATIC) })
  assert.equal((await right()).status, 200, 'whoever shares the address with a guesser is let in')
  clock.advance(1000)
  assert.equal((await wrong()).status, 401, 'one a second')
  for (let i = 0; i < 30; i++) assert.equal((await wrong()).status, 429)
  assert.equal((await right()).status, 429, 'guesses at the token of the settings are looked at twenty times a second')
  const { token } = await access.tokens.create({ name: 'ci', role: 'admin', ttl: null })
  const made = await guessed.send({ method: 'GET', path: '/', headers: bearer(token) })
  assert.equal(made.status, 200, 'a token that nobody can guess is let in whatever others do')
  clock.advance(1000)
  assert.equal((await right()).status, 200)

  const busy = await anAdmin(guarded({ clock, rateLimit: 2 }))
  const ask = async () => (await busy.send({ method: 'GET', path: '/', headers: bearer(STATIC) })).status
  const statuses = []
  for (let i = 0; i < 21; i++) statuses.push(await ask())
  assert.deepEqual(statuses, [...Array.from({ length: 20 }, () => 200), 429])
  clock.advance(500)
  assert.equal(await ask(), 200)
})

test('a client certificate of admin_client_ca stands for a token; of another authority, it does not', async () => {
  const validity = { notBefore: new Date('2020-01-01'), notAfter: new Date('2090-01-01') }
  const anAuthority = async (CN: string) => {
    const key = await generateKey('P-256')
    return {
      certificate: selfSigned({ subject: { CN }, key, isAuthority: true, ...validity }),
      privateKey: key.privateKey,
    }
  }
  const [authority, other] = [await anAuthority('ops'), await anAuthority('ops')]
  const clientOf = async (CN: string, by: typeof authority) => {
    const key = await generateKey('P-256')
    const cert = issue({ authority: by, publicKey: key.publicKey, subject: { CN }, usages: ['client'], ...validity })
    return { cert, key: key.privateKey }
  }
  const serverKey = await generateKey('P-256')
  const server = {
    cert: selfSigned({ subject: { CN: 'admin' }, key: serverKey, ...validity }),
    key: serverKey.privateKey,
  }
  const address = { host: '127.0.0.1', port: 0, ssl: true, http2: false, proxyProtocol: false, reuseport: false }
  const listening = (clientRevocationLists: readonly string[]) =>
    anAdmin({
      ...guarded({ readOnlyClients: ['monitor'] }),
      listen: [{ ...address, backlog: null, ipv6only: false }],
      tls: [server],
      clientAuthorities: [authority.certificate],
      clientRevocationLists,
    })
  const admin = await listening([])
  const ask = (method: string, client: object, headers = {}, { port } = admin) =>
    new Promise<number>((resolve, reject) => {
      const options = {
        port,
        method,
        path: '/tags',
        headers,
        agent: false as const,
        rejectUnauthorized: false,
      }
      const outgoing = httpsRequest({ ...options, ...client }, incoming => {
        incoming.resume()
        incoming.on('end', () => resolve(incoming.statusCode!))
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
  assert.equal(await ask('GET', await clientOf('alice', authority)), 200)
  // 405: admitted, but tags cannot be deleted.
  assert.equal(await ask('DELETE', await clientOf('alice', authority)), 405)
  assert.equal(await ask('GET', await clientOf('monitor', authority)), 200)
  assert.equal(await ask('DELETE', await clientOf('monitor', authority)), 403)
  assert.equal(await ask('GET', await clientOf('alice', other)), 401)
  assert.equal(await ask('GET', {}), 401)
  assert.equal(await ask('GET', {}, bearer(STATIC)), 200)

  const [alice, bob] = [await clientOf('alice', authority), await clientOf('bob', authority)]
  const guardedByLists = await listening([revocationList({ authority, revoked: [bob.cert] })])
  assert.equal(await ask('GET', alice, {}, guardedByLists), 200)
  assert.equal(await ask('GET', bob, {}, guardedByLists), 401)
  assert.equal(await ask('GET', bob, bearer(STATIC), guardedByLists), 200, 'a token is another matter')
  const stale = await listening([revocationList({ authority, revoked: [], until: new Date('2021-01-01') })])
  assert.equal(await ask('GET', alice, {}, stale), 401, 'nobody knows who was revoked since')
  const foreign = await listening([revocationList({ authority: other, revoked: [] })])
  assert.equal(await ask('GET', alice, {}, foreign), 401)
})
