/** Listeners with `proxy_protocol`, on sockets. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { connect } from 'node:tls'
import { selfSignedPair } from '../../../test/kit/certificate-pair.ts'
import { aGateway, type GatewayOptions, proxySettings } from '../../../test/kit/proxy-gateway.ts'
import { aClient, aRawUpstream, okAnswer, RawClient } from '../../../test/kit/raw-http.ts'

const HEADER = 'PROXY TCP4 203.0.113.7 192.0.2.1 5555 80\r\n'
const V2 = Buffer.from(
  '0d0a0d0a000d0a515549540a2111000ccb007107c0000201 15b3 0050'.replaceAll(' ', ''),
  'hex',
).toString('latin1')
const get = 'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nX-Real-IP: 2.2.2.2\r\n\r\n'
const trusting = { trustedIps: ['127.0.0.1'], realIpHeader: 'proxy_protocol' }

async function aProxy(t: TestContext, options: Partial<GatewayOptions> = {}) {
  const upstream = await aRawUpstream(t, request => okAnswer(request))
  return aGateway(t, { proxyProtocol: true, routes: [{ ports: [upstream.port] }], ...options })
}

for (const [what, header] of [
  ['1', HEADER],
  ['2', V2],
] as const) {
  for (const rawAccept of [true, false]) {
    test(`the client is whom PROXY version ${what} names, for each request (raw accept: ${rawAccept})`, async t => {
      const gateway = await aProxy(t, { settings: trusting, rawAccept })
      const client = await aClient(t, gateway.port)
      for (let i = 0; i < 2; i++) {
        const { body } = await client.send((i === 0 ? header : '') + get).answer()
        assert.match(body, /\r\nX-Real-IP: 203\.0\.113\.7\r\n/)
        assert.match(body, /\r\nX-Forwarded-For: 1\.1\.1\.1, 127\.0\.0\.1\r\n/)
      }
      assert.match(gateway.accessLog[0]!, /^203\.0\.113\.7 - /)
    })
  }
}

test('a PROXY header may come byte by byte', async t => {
  const gateway = await aProxy(t, { settings: trusting })
  const client = await aClient(t, gateway.port)
  client.socket.setNoDelay(true)
  for (const byte of HEADER) {
    client.send(byte)
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.match((await client.send(get).answer()).body, /\r\nX-Real-IP: 203\.0\.113\.7\r\n/)
})

test('a PROXY header of a peer that is not trusted, or without real_ip_header, names nobody', async t => {
  for (const settings of [{ realIpHeader: 'proxy_protocol' }, { trustedIps: [] }]) {
    const gateway = await aProxy(t, { settings })
    const { body } = await (await aClient(t, gateway.port)).send(HEADER + get).answer()
    assert.match(body, /\r\nX-Real-IP: 127\.0\.0\.1\r\n/)
  }
})

test('a connection without PROXY header is closed and logged, and does not count as open any more', async t => {
  const gateway = await aProxy(t)
  const client = await aClient(t, gateway.port)
  await client.send(get).closed()
  assert.equal(client.received, '')
  assert.match(gateway.logged.join(), /closed for its PROXY header: no PROXY header/)
  await gateway.engine.drain(10_000)
})

test('a connection that sends half a PROXY header is closed after client_header_timeout', async t => {
  const gateway = await aProxy(t, { client: { headTimeoutMs: 50 } })
  await (await aClient(t, gateway.port)).send(HEADER.slice(0, 20)).closed()
  assert.match(gateway.logged.join(), /no PROXY header in time/)
})

test('over TLS the PROXY header comes before the handshake, at once with it or apart', async t => {
  const pair = selfSignedPair('localhost')
  const settings = { ...trusting, tls: { ...proxySettings.tls, defaultCertificates: [pair] } }
  const gateway = await aProxy(t, { ssl: true, settings })
  for (const isApart of [false, true]) {
    const plain = (await aClient(t, gateway.port)).socket
    plain.removeAllListeners('data')
    plain.setEncoding()
    plain.cork()
    plain.write(HEADER)
    if (isApart) {
      plain.uncork()
      await new Promise(resolve => setImmediate(resolve))
    }
    const secure = connect({ socket: plain, rejectUnauthorized: false, servername: 'localhost' })
    setImmediate(() => plain.uncork())
    await once(secure, 'secureConnect')
    const { body } = await new RawClient(secure).send(get).answer()
    assert.match(body, /\r\nX-Real-IP: 203\.0\.113\.7\r\n/)
    assert.match(body, /\r\nX-Forwarded-Proto: https\r\n/)
  }
})
