/** Certificates made here are read by OpenSSL inside Node, and accepted in a real TLS handshake. */
import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type TLSSocket } from 'node:tls'
import {
  createRequest,
  fingerprint,
  generateKey,
  issue,
  type KeyAlgorithm,
  readRequest,
  selfSigned,
} from './certificates.ts'
import { seededRandom } from './random.ts'

const notBefore = new Date('2026-01-01T00:00:00Z')
const notAfter = new Date('2061-01-01T00:00:00Z')
const ALGORITHMS: readonly KeyAlgorithm[] = ['P-256', 'P-384', 'RSA-2048']

for (const algorithm of ALGORITHMS) {
  test(`selfSigned() makes a certificate that OpenSSL reads and verifies when the key is ${algorithm}`, async () => {
    const key = await generateKey(algorithm)
    const pem = selfSigned({
      subject: { C: 'DE', O: 'Example', CN: 'name.example' },
      key,
      notBefore,
      notAfter,
      dnsNames: ['name.example', 'localhost'],
      ipAddresses: ['127.0.0.1', '::1', '2001:db8::ff00:42:8329', '::ffff:10.0.0.1'],
      usages: ['server', 'client'],
    })
    const certificate = new X509Certificate(pem)
    assert.equal(certificate.subject, 'C=DE\nO=Example\nCN=name.example')
    assert.equal(certificate.issuer, certificate.subject)
    assert.equal(certificate.ca, false)
    assert.ok(certificate.verify(certificate.publicKey))
    assert.ok(certificate.checkPrivateKey(createPrivateKey(key.privateKey)))
    assert.equal(certificate.checkHost('localhost'), 'localhost')
    assert.equal(certificate.checkIP('::1'), '::1')
    assert.equal(certificate.checkIP('10.0.0.9'), undefined)
    assert.deepEqual(certificate.subjectAltName?.split(', '), [
      'DNS:name.example',
      'DNS:localhost',
      'IP Address:127.0.0.1',
      'IP Address:0:0:0:0:0:0:0:1',
      'IP Address:2001:DB8:0:0:0:FF00:42:8329',
      'IP Address:0:0:0:0:0:FFFF:A00:1',
    ])
    assert.equal(new Date(certificate.validFrom).getTime(), notBefore.getTime())
    assert.equal(new Date(certificate.validTo).getTime(), notAfter.getTime())
    assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
    assert.match(fingerprint(pem), /^[0-9a-f]{64}$/)
  })
}

test('selfSigned() writes no extension and the given serial number when bare', async () => {
  const key = await generateKey('P-384')
  const pem = selfSigned({ subject: { CN: 'kong_clustering' }, key, notBefore, notAfter, bare: true, serial: '0f01' })
  const certificate = new X509Certificate(pem)
  assert.equal(certificate.subject, 'CN=kong_clustering')
  assert.equal(certificate.subjectAltName, undefined)
  assert.equal(certificate.serialNumber, '0F01')
  assert.ok(certificate.verify(certificate.publicKey))
})

test('issue() makes certificates that both ends of a TLS connection accept when they trust the authority', async () => {
  const authorityKey = await generateKey('P-256')
  const random = seededRandom(7)
  const authority = {
    certificate: selfSigned({
      subject: { CN: 'authority' },
      key: authorityKey,
      notBefore,
      notAfter,
      isAuthority: true,
      random,
    }),
    privateKey: authorityKey.privateKey,
  }
  assert.equal(new X509Certificate(authority.certificate).ca, true)
  const keys = { server: await generateKey('P-256'), client: await generateKey('P-384') }
  const make = (side: 'server' | 'client') =>
    issue({
      authority,
      publicKey: keys[side].publicKey,
      subject: { CN: `${side}.example` },
      notBefore,
      notAfter,
      dnsNames: [`${side}.example`],
      uris: [`urn:node:${side}`],
      usages: [side],
      random,
    })
  const server = createServer({
    cert: make('server'),
    key: keys.server.privateKey,
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'secureConnection')
  const socket = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    servername: 'server.example',
    ca: authority.certificate,
    cert: make('client'),
    key: keys.client.privateKey,
  })
  try {
    await once(socket, 'secureConnect')
    assert.ok(socket.authorized)
    const [peer] = (await accepted) as [TLSSocket]
    assert.ok(peer.authorized)
    assert.equal(peer.getPeerX509Certificate()?.subjectAltName, 'DNS:client.example, URI:urn:node:client')
    peer.destroy()
  } finally {
    socket.destroy()
    server.close()
  }
})

test('readRequest() returns name and key of a request, and throws when a single byte is changed', async () => {
  for (const algorithm of ALGORITHMS) {
    const key = await generateKey(algorithm)
    const pem = createRequest({ subject: { CN: 'data plane' }, key })
    const request = readRequest(pem)
    assert.deepEqual(request, { commonName: 'data plane', publicKey: key.publicKey, algorithm })
    const bytes = Buffer.from(pem.replace(/-----[A-Z ]+-----/g, ''), 'base64')
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at] = changed[at]! ^ 0x01
      const text = `-----BEGIN CERTIFICATE REQUEST-----\n${changed.toString('base64')}\n-----END CERTIFICATE REQUEST-----`
      // The parameters of the signature algorithm are not covered by it, nor used.
      let read: ReturnType<typeof readRequest> | null = null
      try {
        read = readRequest(text)
      } catch {}
      assert.ok(read === null || read.publicKey === key.publicKey, `${algorithm}: byte ${at} went unnoticed`)
    }
  }
})

test('readRequest() throws when the text is no request, too large, or signed by another key', async () => {
  const [one, other] = [await generateKey('P-256'), await generateKey('P-256')]
  const stolen = createRequest({
    subject: { CN: 'x' },
    key: { publicKey: one.publicKey, privateKey: other.privateKey },
  })
  assert.throws(() => readRequest(stolen), /signature/)
  assert.throws(() => readRequest('x'.repeat(20_000)), /too large/)
  for (const text of ['', 'MIIB', '-----BEGIN CERTIFICATE REQUEST-----\nMA==\n-----END CERTIFICATE REQUEST-----']) {
    assert.throws(() => readRequest(text))
  }
})
