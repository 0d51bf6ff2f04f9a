/** Certificates by id or by one of their SNIs. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { generateKey, selfSigned } from '../../../src/base/certificates.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { type Admin, openAdmin } from './admin-fixture.ts'

let admin: Admin
let pair: { cert: string; key: string }
before(async () => {
  admin = await openAdmin()
  const key = await generateKey('P-256')
  const [notBefore, notAfter] = [new Date(systemClock.now() - 60_000), new Date(systemClock.now() + 3_600_000)]
  pair = { cert: selfSigned({ subject: { CN: 'a.test' }, key, notBefore, notAfter }), key: key.privateKey }
})
after(() => admin.close())

test('a certificate answers to each of its names, and lists them in order', async () => {
  const { status, body, text } = await admin.ask('POST /certificates', { ...pair, snis: ['b.test', 'a.test'] })
  assert.equal(status, 201, text)
  assert.deepEqual(body.snis, ['a.test', 'b.test'])
  await admin.check([
    { ask: `GET /certificates/${body.id}`, status: 200, has: { snis: ['a.test', 'b.test'] } },
    { ask: 'GET /certificates/b.test', status: 200, has: { id: body.id } },
    { ask: 'GET /certificates/nope.test', status: 404, body: { message: 'SNI not found' } },
    { ask: 'PATCH /certificates/nope.test', with: { tags: ['x'] }, status: 404, body: { message: 'SNI not found' } },
    { ask: 'PATCH /certificates/a.test', with: { tags: ['x'] }, status: 200, has: { id: body.id, tags: ['x'] } },
    {
      ask: 'PATCH /certificates/a.test',
      with: { snis: ['a.test', 'c.test'] },
      status: 200,
      has: { snis: ['a.test', 'c.test'] },
    },
    { ask: 'GET /certificates/b.test', status: 404 },
    { ask: 'GET /certificates/a.test/snis', status: 200, has: { data: [{}, {}], next: null } },
    { ask: 'GET /certificates/a.test/snis/c.test', status: 200, has: { name: 'c.test' } },
    { ask: 'GET /snis/c.test', status: 200, has: { certificate: { id: body.id } } },
    { ask: 'DELETE /certificates/c.test', status: 204 },
    { ask: 'GET /snis/a.test', status: 404 },
  ])
})

test('PUT under an unknown name makes the certificate with it', async () => {
  await admin.check([
    { ask: 'PUT /certificates/new.test', with: pair, status: 200, has: { snis: ['new.test'] } },
    {
      ask: 'PUT /certificates/new.test',
      with: { ...pair, snis: ['more.test'] },
      status: 200,
      has: { snis: ['more.test', 'new.test'] },
    },
    { ask: 'GET /certificates/more.test', status: 200, has: { snis: ['more.test', 'new.test'] } },
    { ask: 'PUT /certificates/more.test', with: pair, status: 200, has: { snis: ['more.test'] } },
  ])
})

test('a name belongs to one certificate, and key and certificate to each other', async () => {
  const { body } = await admin.ask('POST /certificates', { ...pair, snis: ['taken.test'] })
  const other = await generateKey('P-256')
  const taken = `snis: taken.test already associated with existing certificate '${body.id}'`
  await admin.check([
    {
      ask: 'POST /certificates',
      with: { ...pair, snis: ['taken.test'] },
      status: 400,
      has: { code: 2, message: `schema violation (${taken})` },
    },
    { ask: 'POST /certificates', with: { ...pair, snis: ['x.test', 'x.test'] }, status: 400, has: { code: 2 } },
    { ask: 'POST /certificates', with: { cert: pair.cert, key: other.privateKey }, status: 400, has: { code: 2 } },
    { ask: 'POST /certificates', with: { cert: 'nonsense', key: pair.key }, status: 400, has: { code: 2 } },
    {
      ask: 'POST /certificates',
      with: { key: pair.key },
      status: 400,
      has: { fields: { cert: 'required field missing' } },
    },
  ])
})
