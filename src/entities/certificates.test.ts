/** Certificates, their keys and authorities, with certificates made here. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { before, test } from 'node:test'
import { generateKey, type KeyPairPem, selfSigned } from '../base/certificates.ts'
import { seededRandom } from '../base/random.ts'
import { createCatalog } from './catalog.ts'

const catalog = createCatalog()
const random = seededRandom(2)
const nowMs = Date.UTC(2026, 0, 1)
const context = { operation: 'insert', nowMs, uuid: random.uuid, randomBytes: random.bytes } as const
let keys: { rsa: KeyPairPem; ec: KeyPairPem; other: KeyPairPem }

before(async () => {
  const [rsa, ec, other] = await Promise.all([generateKey('RSA-2048'), generateKey('P-256'), generateKey('P-256')])
  keys = { rsa, ec, other }
})

function certify(key: KeyPairPem, change: { isAuthority?: boolean; notAfter?: Date } = {}): string {
  const notBefore = new Date(Date.UTC(2025, 0, 1))
  return selfSigned({ subject: { CN: 'a.test' }, notBefore, notAfter: new Date(Date.UTC(2027, 0, 1)), key, ...change })
}
function errorsOf(entity: string, input: Record<string, unknown>) {
  const result = catalog.validateRow(entity, input, context)
  return result.ok ? null : result.errors
}

test('validateRow() accepts a certificate when its key fits', () => {
  assert.equal(
    errorsOf('certificates', { cert: certify(keys.ec), key: keys.ec.privateKey, snis: ['a.test', '*.b.test'] }),
    null,
  )
})
test('validateRow() refuses a certificate when the key is another', () => {
  assert.deepEqual(errorsOf('certificates', { cert: certify(keys.ec), key: keys.other.privateKey }), {
    '@entity': ['certificate does not match key'],
  })
})
test('validateRow() wants both halves of an alternative certificate', () => {
  const input = { cert: certify(keys.ec), key: keys.ec.privateKey, cert_alt: certify(keys.rsa) }
  assert.deepEqual(errorsOf('certificates', input), {
    '@entity': ["all or none of these fields must be set: 'cert_alt', 'key_alt'"],
  })
  assert.equal(errorsOf('certificates', { ...input, key_alt: keys.rsa.privateKey }), null)
})
test('validateRow() refuses an alternative of the same type', () => {
  const input = {
    cert: certify(keys.ec),
    key: keys.ec.privateKey,
    cert_alt: certify(keys.other),
    key_alt: keys.other.privateKey,
  }
  assert.deepEqual(errorsOf('certificates', input), {
    '@entity': [
      'certificate and alternative certificate need to have different type (e.g. RSA and ECDSA), ' +
        'the provided certificates were both of the same type',
    ],
  })
})
test('validateRow() says that PEM is unreadable without quoting it', () => {
  const errors = errorsOf('certificates', { cert: 'secret text', key: 'secret text' })
  assert.match(String(errors?.['cert']), /^invalid certificate: /)
  assert.match(String(errors?.['key']), /^invalid key: /)
  assert.doesNotMatch(JSON.stringify(errors), /secret text/)
})
test('validateRow() does not look into certificates that are vault references', () => {
  assert.equal(errorsOf('certificates', { cert: '{vault://env/cert}', key: '{vault://env/key}' }), null)
})

test('validateRow() computes the digest when an authority is valid', () => {
  const cert = certify(keys.ec, { isAuthority: true })
  const result = catalog.validateRow('ca_certificates', { cert }, context)
  assert.ok(result.ok)
  assert.equal(result.row['cert_digest'], new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase())
})
test('validateRow() refuses what is no authority, has expired or is several', () => {
  const authority = certify(keys.ec, { isAuthority: true })
  const cases: readonly [cert: string, text: string][] = [
    [certify(keys.ec), 'certificate does not appear to be a CA because it is missing the "CA" basic constraint'],
    [
      certify(keys.ec, { isAuthority: true, notAfter: new Date(Date.UTC(2025, 5, 1)) }),
      'certificate expired, "Not After" time is in the past',
    ],
    [`${authority}\n${authority}`, 'please submit only one certificate at a time'],
  ]
  for (const [cert, text] of cases) assert.deepEqual(errorsOf('ca_certificates', { cert }), { '@entity': [text] })
})

test('validateRow() checks that the halves of a PEM key belong together', () => {
  const { publicKey, privateKey } = keys.ec
  const pemError = (pem: object) => errorsOf('keys', { kid: 'a', pem })
  assert.equal(pemError({ public_key: publicKey, private_key: privateKey }), null)
  assert.equal(pemError({ public_key: publicKey }), null)
  assert.deepEqual(pemError({ public_key: keys.other.publicKey, private_key: privateKey }), {
    pem: 'public key does not match private key',
  })
  assert.deepEqual(pemError({ public_key: privateKey }), { pem: 'could not load public key' })
  assert.deepEqual(pemError({ private_key: publicKey }), { pem: 'could not load private key' })
})
