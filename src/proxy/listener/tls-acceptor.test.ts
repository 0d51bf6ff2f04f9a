/** Certificates and sessions of TLS listeners, by real clients. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { connect, type ConnectionOptions, createSecureContext, type TLSSocket } from 'node:tls'
import { selfSignedPair } from '../../../test/kit/certificate-pair.ts'
import { aGateway, type Gateway, type GatewayOptions, proxySettings } from '../../../test/kit/proxy-gateway.ts'
import { aRawUpstream, okAnswer, RawClient } from '../../../test/kit/raw-http.ts'

const [rsa, ecdsa] = [selfSignedPair('default-rsa', 'rsa'), selfSignedPair('default-ecdsa')]
const [namedRsa, namedEcdsa] = [selfSignedPair('named-rsa', 'rsa'), selfSignedPair('named-ecdsa')]
const both = [namedEcdsa, namedRsa]
const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

async function aTlsGateway(t: TestContext, options: Partial<GatewayOptions> = {}): Promise<Gateway> {
  const ciphers = 'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256'
  const tls = { ...proxySettings.tls, defaultCertificates: [rsa, ecdsa], sessionTickets: true, ciphers }
  const own = { ciphers, honorCipherOrder: true }
  const context = createSecureContext({ ...own, cert: both.map(({ cert }) => cert), key: both.map(({ key }) => key) })
  const secureContext = (name: string) => (name === 'named.test' ? context : null)
  return aGateway(t, { ssl: true, settings: { tls }, secureContext, hasCertificatePairs: true, ...options })
}

async function aClient(t: TestContext, port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return socket
}

for (const [servername, prefix] of [
  ['named.test', 'named'],
  ['else.test', 'default'],
] as const) {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`of two certificates for ${servername} the one is shown that the client can use (${version})`, async t => {
      const gateway = await aTlsGateway(t)
      const CASES: readonly [sigalgs: string, ciphers: string, kind: string][] = [
        ['ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256', '', 'ecdsa'],
        ['rsa_pss_rsae_sha256:rsa_pkcs1_sha256', '', 'rsa'],
        ['ecdsa_secp256r1_sha256', '', 'ecdsa'],
        // An old client that could check the signature, but has no cipher for it.
        [
          'ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256',
          'ECDHE-RSA-AES128-GCM-SHA256',
          version === 'TLSv1.2' ? 'rsa' : 'ecdsa',
        ],
      ]
      for (const [sigalgs, ciphers, kind] of CASES) {
        const range = { minVersion: version, maxVersion: version }
        const own = ciphers === '' ? {} : { ciphers: `TLS_AES_128_GCM_SHA256:${ciphers}` }
        const client = await aClient(t, gateway.port, { servername, sigalgs, ...range, ...own })
        assert.equal(client.getPeerCertificate().subject.CN, `${prefix}-${kind}`)
        assert.equal((await new RawClient(client).send(get).answer()).status, 404)
      }
    })
  }
}

/** Connects twice; true if the second connection went on with the session of the first. */
async function resumes(t: TestContext, first: Gateway, second: Gateway, options: ConnectionOptions): Promise<boolean> {
  const client = await aClient(t, first.port, options)
  const sessions: Buffer[] = []
  client.on('session', session => sessions.push(session))
  await new RawClient(client).send(get).answer()
  const held = client.getSession()
  client.destroy()
  // TLS 1.2 has it with the handshake, TLS 1.3 afterwards.
  const session = sessions.at(-1) ?? held
  if (session === undefined) return false
  return (await aClient(t, second.port, { ...options, session })).isSessionReused()
}

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  for (const servername of ['else.test', 'named.test']) {
    test(`a session goes on with another worker that has the same keys (${maxVersion}, ${servername})`, async t => {
      const [one, two] = [await aTlsGateway(t), await aTlsGateway(t)]
      const options = { servername, maxVersion }
      assert.equal(await resumes(t, one, one, options), true)
      assert.equal(await resumes(t, one, two, options), false)
      for (const { engine } of [one, two]) engine.setTicketKeys(Buffer.alloc(48, 7))
      assert.equal(await resumes(t, one, two, options), true)
      two.engine.setTicketKeys(Buffer.concat([Buffer.alloc(48, 8), Buffer.alloc(48, 7)]))
      assert.equal(await resumes(t, one, two, options), true, 'with keys of before a rotation')
      assert.equal(await resumes(t, two, one, options), false, 'new tickets are made with the new ones')
      assert.equal(await resumes(t, two, two, options), true)
      two.engine.setTicketKeys(Buffer.alloc(48, 8))
      assert.equal(await resumes(t, one, two, options), false)
    })
  }
}

test('without ssl_session_tickets there is nothing to go on with', async t => {
  const tls = { ...proxySettings.tls, defaultCertificates: [rsa, ecdsa], sessionTickets: false }
  const gateway = await aTlsGateway(t, { settings: { tls }, hasCertificatePairs: false })
  const client = await aClient(t, gateway.port, { servername: 'else.test', maxVersion: 'TLSv1.2' })
  assert.equal(client.getTLSTicket(), undefined)
})

test('a client that sends no TLS, or half of its first message, holds up neither others nor a drain', async t => {
  const gateway = await aTlsGateway(t)
  const client = await aClient(t, gateway.port, { servername: 'named.test' })
  const { connect: connectPlain } = await import('node:net')
  const plain = connectPlain(gateway.port, '127.0.0.1').on('error', () => {})
  plain.write('GET / HTTP/1.1\r\n\r\n')
  await once(plain, 'close')
  const half = connectPlain(gateway.port, '127.0.0.1').on('error', () => {})
  half.write(Buffer.from([22, 3, 1, 1]))
  assert.equal((await new RawClient(client).send(get).answer()).status, 404)
  half.destroy()
  client.destroy()
  await gateway.engine.drain(60_000)
})

test('a client that offers HTTP/1.0 alone, or nothing, is served', async t => {
  const gateway = await aTlsGateway(t)
  for (const ALPNProtocols of [['http/1.0'], ['http/1.1'], ['unknown', 'http/1.1'], []]) {
    const client = await aClient(t, gateway.port, { ALPNProtocols })
    assert.equal((await new RawClient(client).send(get).answer()).status, 404)
  }
})

test('a client that reads slowly over TLS gets all of a large answer, and its connection goes on', async t => {
  const body = 'x'.repeat(800_000)
  const upstream = await aRawUpstream(t, () => okAnswer(body))
  const gateway = await aTlsGateway(t, { routes: [{ ports: [upstream.port] }] })
  const client = await aClient(t, gateway.port, {})
  const raw = new RawClient(client)
  for (let i = 0; i < 2; i++) {
    raw.send(get)
    client.pause()
    await new Promise(resolve => setImmediate(resolve))
    client.resume()
    assert.ok((await raw.answer()).body === body)
  }
  raw.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  assert.ok((await raw.answer()).body === body)
  if (!client.closed) await once(client, 'close')
})
