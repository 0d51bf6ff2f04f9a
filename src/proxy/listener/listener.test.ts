import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { test, type TestContext } from 'node:test'
import { connect, createSecureContext, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { certificateChain } from '../../../test/kit/certificate-chain.ts'
import { selfSignedPair } from '../../../test/kit/certificate-pair.ts'
import { aGateway, localAddress, proxySettings } from '../../../test/kit/proxy-gateway.ts'
import { aClient, aRawUpstream, exchangeRaw, okAnswer, RawClient } from '../../../test/kit/raw-http.ts'

const pair = selfSignedPair('localhost')
const otherPair = selfSignedPair('b.test')
const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const tlsSettings = { tls: { ...proxySettings.tls, defaultCertificates: [pair] } }

async function aTlsClient(t: TestContext, port: number, servername: string): Promise<TLSSocket> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2', 'http/1.1'],
  })
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

test('a TLS listener serves the certificate of the SNI, else the default, and speaks HTTP/1.1', async t => {
  const upstream = await aRawUpstream(t, request => okAnswer(request))
  const seen: string[] = []
  const gateway = await aGateway(t, {
    ssl: true,
    settings: tlsSettings,
    routes: [
      {
        ports: [upstream.port],
        plugins: [{ log: exchange => void seen.push(JSON.stringify(exchange.serialize()['request'])) }],
      },
    ],
    secureContext: sni => (sni === 'b.test' ? createSecureContext(otherPair) : null),
  })
  for (const [sni, commonName] of [
    ['a.test', 'localhost'],
    ['b.test', 'b.test'],
  ] as const) {
    const socket = await aTlsClient(t, gateway.port, sni)
    assert.equal(socket.getPeerCertificate().subject.CN, commonName)
    assert.equal(socket.alpnProtocol, 'http/1.1')
    const client = new RawClient(socket)
    for (let i = 0; i < 3; i++) assert.match((await client.send(get).answer()).body, /\r\nX-Forwarded-Proto: https\r\n/)
  }
  assert.equal(upstream.connections, 1)
  assert.match(JSON.parse(seen[0]!).tls.version, /^TLSv1\.3$/)
})

test('a TLS listener survives clients that do not speak TLS', async t => {
  const gateway = await aGateway(t, { ssl: true, settings: tlsSettings })
  const plain = await aClient(t, gateway.port)
  plain.send(get)
  await plain.closed()
  const client = new RawClient(await aTlsClient(t, gateway.port, 'a.test'))
  assert.equal((await client.send(get).answer()).status, 404)
})

async function aTlsUpstream(
  t: TestContext,
  identity: { readonly cert: string; readonly key: string } = pair,
): Promise<{ port: number; names: (string | false | null)[]; connections: number }> {
  const server = createTlsServer({ cert: identity.cert, key: identity.key }, socket => {
    upstream.connections++
    upstream.names.push((socket as TLSSocket & { servername: string | false | null }).servername)
    socket.on('error', () => {})
    socket.on('data', () => socket.write(okAnswer('secret')))
  })
  const upstream = { port: 0, names: [] as (string | false | null)[], connections: 0 }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  upstream.port = (server.address() as { port: number }).port
  return upstream
}

const plainTls = { poolKey: 'k', cert: null, key: null, verify: null, verifyDepth: null, ca: null }

test('an upstream is spoken to by TLS, kept alive, and told the host', async t => {
  const upstream = await aTlsUpstream(t)
  const service = { tls: true, protocol: 'https', tlsOptions: plainTls, retries: 0 }
  const routes = [{ ports: [upstream.port], service, route: { preserveHost: true } }]
  const gateway = await aGateway(t, { routes })
  const client = await aClient(t, gateway.port)
  for (let i = 0; i < 3; i++) {
    assert.equal((await client.send('GET / HTTP/1.1\r\nHost: b.test:99\r\n\r\n').answer()).body, 'secret')
  }
  assert.deepEqual(upstream.names, ['b.test'])
})

for (const [what, ca, host, status] of [
  ['nobody vouches for', null, 'localhost', 502],
  ['its own authority vouches for', [pair.cert], 'localhost', 200],
  ['is for another name', [pair.cert], 'b.test', 502],
] as const) {
  test(`an upstream is answered for with ${status} when its certificate ${what} and tls_verify is on`, async t => {
    const upstream = await aTlsUpstream(t)
    const service = { tls: true, protocol: 'https', tlsOptions: { ...plainTls, verify: true, ca }, retries: 0 }
    const gateway = await aGateway(t, { routes: [{ ports: [upstream.port], service, route: { preserveHost: true } }] })
    const got = await exchangeRaw(t, gateway.port, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    assert.equal(got.status, status)
  })
}

test('an upstream whose chain is longer than tls_verify_depth is answered for with 502, and gets no request', async t => {
  const chain = await certificateChain('localhost', 2)
  const upstream = await aTlsUpstream(t, chain)
  for (const [verifyDepth, status] of [
    [2, 200],
    [1, 502],
    [null, 502],
  ] as const) {
    const tlsOptions = { ...plainTls, verify: true, verifyDepth, ca: [chain.authority] }
    const service = { tls: true, protocol: 'https', tlsOptions, retries: 0 }
    const gateway = await aGateway(t, { routes: [{ ports: [upstream.port], service, route: { preserveHost: true } }] })
    assert.equal((await exchangeRaw(t, gateway.port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')).status, status)
  }
})

test('where the service says nothing of tls_verify, the settings count', async t => {
  const chain = await certificateChain('localhost', 1)
  const upstream = await aTlsUpstream(t, chain)
  const ask = async (trust: object, verify: boolean | null, host = 'localhost') => {
    const upstreams = { ...proxySettings.tls.upstreams, http: { ...proxySettings.tls.upstreams.http, ...trust } }
    const service = { tls: true, protocol: 'https', tlsOptions: { ...plainTls, verify }, retries: 0 }
    const gateway = await aGateway(t, {
      routes: [{ ports: [upstream.port], service, route: { preserveHost: true } }],
      settings: { tls: { ...proxySettings.tls, upstreams } },
    })
    return (await exchangeRaw(t, gateway.port, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).status
  }
  const trust = { verify: true, authorities: chain.authority }
  assert.equal(await ask({ verify: false }, null), 200)
  assert.equal(await ask(trust, null), 200)
  assert.equal(await ask(trust, null, 'else.test'), 502)
  assert.equal(await ask({ ...trust, verifyDepth: 0 }, null), 502)
  assert.equal(await ask({ verify: true }, null), 502)
  assert.equal(await ask({ verify: true }, false), 200)
})

test('TLS to an upstream that does not speak it is answered for with 502', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('plain'))
  upstream.server.on('connection', socket => socket.on('data', () => socket.end('HTTP/1.1 400 Bad\r\n\r\n')))
  const service = { tls: true, protocol: 'https', tlsOptions: plainTls, retries: 0 }
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port], service }] })
  assert.equal((await exchangeRaw(t, gateway.port, get)).status, 502)
})

test('attach() serves a bound handle that does not listen yet', async t => {
  const bound = createServer()
  bound.listen(0, '127.0.0.1')
  await once(bound, 'listening')
  const handle = (bound as Server & { _handle: object })._handle
  const gateway = await aGateway(t, {})
  const port = await gateway.engine.attach(handle, localAddress)
  assert.equal((await exchangeRaw(t, port, get)).status, 404)
})

/** A gateway that keeps its answers until `answer` is called, with room for two connections. */
async function aFullGateway(t: TestContext) {
  const waiting: (() => void)[] = []
  const upstream = await aRawUpstream(t, (_, socket) => {
    waiting.push(() => socket.write(okAnswer('ok')))
    return null
  })
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }], settings: { connectionsMax: 2 } })
  const busy = async () => {
    const before = gateway.engine.stats().writing
    const client = (await aClient(t, gateway.port)).send(get)
    while (gateway.engine.stats().writing === before) await new Promise(resolve => setImmediate(resolve))
    return client
  }
  const answer = async (count: number) => {
    while (waiting.length < count) await new Promise(resolve => setImmediate(resolve))
    for (const one of waiting.splice(0)) one()
  }
  return { gateway, busy, answer }
}

test('connections above the limit are closed at once, and counted no more when gone', async t => {
  const { gateway, busy, answer } = await aFullGateway(t)
  const first = await busy()
  const second = await busy()
  const third = await aClient(t, gateway.port)
  await third.closed()
  await answer(2)
  assert.equal((await second.answer()).status, 200)
  first.socket.destroy()
  while (gateway.engine.stats().active > 1) await new Promise(resolve => setImmediate(resolve))
  const fourth = await busy()
  await answer(1)
  assert.equal((await fourth.answer()).status, 200)
})

test('at the limit a connection that only waits is closed for a new one', async t => {
  const { gateway, busy, answer } = await aFullGateway(t)
  const first = await busy()
  const idle = await aClient(t, gateway.port)
  const third = await busy()
  await idle.closed()
  await answer(2)
  for (const client of [first, third]) assert.equal((await client.answer()).status, 200)
})
