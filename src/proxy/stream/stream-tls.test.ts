/** TLS through the stream proxy: ended here, passed on unread, begun anew towards the upstream. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { connect, createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { certificateChain } from '../../../test/kit/certificate-chain.ts'
import { selfSignedPair } from '../../../test/kit/certificate-pair.ts'
import { proxySettings } from '../../../test/kit/proxy-gateway.ts'
import {
  aStreamGateway,
  aTcpClient,
  aTcpServer,
  read,
  readAll,
  ref,
  type StreamGateway,
  until,
} from '../../../test/kit/stream-gateway.ts'

const own = selfSignedPair('gateway.test')
const other = selfSignedPair('upstream.test')
const settings = { tls: { ...proxySettings.tls, defaultCertificates: [own] }, trustedIps: ['127.0.0.1'] }

async function anEcho(t: TestContext): Promise<number> {
  return aTcpServer(t, socket => void socket.pipe(socket))
}

/** A TLS server that says the server name it was asked for, then echoes. */
async function aTlsEcho(t: TestContext, options: TlsOptions = {}): Promise<number> {
  const server = createServer({ ...other, ...options }, socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.write(`[${(socket as TLSSocket & { servername?: string }).servername || '-'}]`)
    socket.pipe(socket)
  })
  const sockets = new Set<TLSSocket>()
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as { port: number }).port
}

async function aTlsClient(t: TestContext, port: number, servername: string): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false })
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return socket
}

function route(gateway: StreamGateway, protocol: string, snis: string[], service: object, more: object = {}) {
  const row = gateway.put('services', { protocol: 'tcp', host: '127.0.0.1', ...service })
  return gateway.put('routes', { protocols: [protocol], snis, service: ref(row), ...more })
}

test('by its server name a connection is decrypted or passed on as it is, on one port', async t => {
  const gateway = await aStreamGateway(t, { settings })
  gateway.put('plugins', { name: 'journal', config: {} })
  route(gateway, 'tls', ['plain.test'], { port: await anEcho(t) })
  route(gateway, 'tls_passthrough', ['*.through.test'], { port: await aTlsEcho(t) })
  const port = await gateway.listen({ ssl: true })

  const decrypted = await aTlsClient(t, port, 'PLAIN.test')
  assert.equal(decrypted.getPeerCertificate().subject.CN, 'gateway.test')
  decrypted.write('hello')
  assert.equal(await read(decrypted), 'hello')
  decrypted.end()

  const passed = await aTlsClient(t, port, 'a.through.test')
  assert.equal(passed.getPeerCertificate().subject.CN, 'upstream.test')
  assert.equal(await read(passed), '[a.through.test]')
  passed.write('unread')
  assert.equal(await read(passed), 'unread')
  passed.end()

  await until(() => gateway.entries.length === 2)
  const session = (name: string) => gateway.entries.find(entry => entry['route'].snis[0] === name)!['session']
  assert.match(session('plain.test').tls.version, /^TLSv1\.3$/)
  assert.equal(session('plain.test').received, 5)
  assert.equal(session('*.through.test').tls, undefined)
})

test('where nothing is decrypted, a route for TLS takes plain connections, and none for UDP does', async t => {
  const gateway = await aStreamGateway(t, { settings })
  const port = await gateway.listen()
  const destinations = [{ port }]
  const udp = route(gateway, 'udp', [], { protocol: 'udp', port: await anEcho(t) }, { snis: null, destinations })
  await readAll((await aTcpClient(t, port)).end('lost')).catch(() => {})
  assert.match(gateway.logged.join(), /no Route found with those values/)
  gateway.put('routes', { ...udp, destinations: [{ port: port + 1 }] })
  route(gateway, 'tls', [], { protocol: 'tls', port: await aTlsEcho(t) }, { snis: null, destinations })
  const client = await aTcpClient(t, port)
  client.end('plain')
  assert.equal(String(await readAll(client)), '[-]plain')
})

test('1 MiB through terminated TLS and TLS to the upstream comes back as it was', async t => {
  const gateway = await aStreamGateway(t, { settings })
  route(gateway, 'tls', ['both.test'], { protocol: 'tls', port: await aTlsEcho(t) })
  const client = await aTlsClient(t, await gateway.listen({ ssl: true }), 'both.test')
  const sent = Buffer.alloc(1024 * 1024, 'silverback ')
  client.end(sent)
  const received = await readAll(client)
  assert.equal(received.compare(Buffer.concat([Buffer.from('[-]'), sent])), 0)
})

test('a name that no route has, or something that is no TLS, ends the connection', async t => {
  const gateway = await aStreamGateway(t, { settings })
  route(gateway, 'tls', ['plain.test'], { port: await anEcho(t) })
  const port = await gateway.listen({ ssl: true })
  await assert.rejects(aTlsClient(t, port, 'else.test'))
  const plain = await aTcpClient(t, port)
  await readAll(plain.end('GET / HTTP/1.1\r\n\r\n')).catch(() => {})
  assert.match(gateway.logged.join(), /no Route found with those values.*else\.test/)
  assert.match(gateway.logged.join(), /closed before it was routed: no TLS/)
  assert.equal(gateway.engine.stats().streamActive, 0)
})

test('the name for the upstream is that of host_header, or of the client with preserve_host, else none', async t => {
  const gateway = await aStreamGateway(t, { settings })
  const upstream = gateway.put('upstreams', { name: 'pool' })
  gateway.put('targets', { upstream: ref(upstream), target: `127.0.0.1:${await aTlsEcho(t)}` })
  const made = route(gateway, 'tls', ['a.test'], { protocol: 'tls', host: 'pool' })
  const port = await gateway.listen({ ssl: true })
  const name = async () => read(await aTlsClient(t, port, 'a.test'))
  assert.equal(await name(), '[-]')
  gateway.put('upstreams', { ...upstream, host_header: 'other.test' })
  assert.equal(await name(), '[other.test]')
  gateway.put('routes', { ...made, preserve_host: true })
  assert.equal(await name(), '[a.test]')
})

test('where the service says nothing of tls_verify, the settings of the stream proxy count', async t => {
  const chain = await certificateChain('upstream.test', 0)
  for (const [authorities, expected] of [
    [chain.authority, '[upstream.test]'],
    [other.cert, ''],
  ] as const) {
    const upstreams = { ...proxySettings.tls.upstreams, stream: { verify: true, verifyDepth: 1, authorities } }
    const gateway = await aStreamGateway(t, { settings: { tls: { ...proxySettings.tls, upstreams } } })
    const upstream = gateway.put('upstreams', { name: 'pool', host_header: 'upstream.test' })
    gateway.put('targets', { upstream: ref(upstream), target: `127.0.0.1:${await aTlsEcho(t, chain)}` })
    const port = await gateway.listen()
    route(gateway, 'tls', [], { protocol: 'tls', host: 'pool', retries: 0 }, { snis: null, destinations: [{ port }] })
    assert.equal(String(await readAll((await aTcpClient(t, port)).end())), expected)
  }
})

test('tls_verify refuses a stranger, and a chain that is longer than tls_verify_depth', async t => {
  const gateway = await aStreamGateway(t, { settings })
  const chain = await certificateChain('upstream.test', 2)
  const right = gateway.put('ca_certificates', { cert: chain.authority })
  const wrong = gateway.put('ca_certificates', { cert: (await certificateChain('else.test', 0)).authority })
  const upstream = gateway.put('upstreams', { name: 'pool', host_header: 'upstream.test' })
  gateway.put('targets', { upstream: ref(upstream), target: `127.0.0.1:${await aTlsEcho(t, chain)}` })
  const service = gateway.put('services', { protocol: 'tls', host: 'pool', tls_verify: true, retries: 0 })
  gateway.put('routes', { protocols: ['tls'], snis: ['a.test'], service: ref(service) })
  const port = await gateway.listen({ ssl: true })
  const CASES = [
    [right, 2, '[upstream.test]'],
    [right, 1, ''],
    [right, null, ''],
    [wrong, 2, ''],
  ] as const
  for (const [authority, tls_verify_depth, expected] of CASES) {
    gateway.put('services', { ...service, ca_certificates: [authority['id']], tls_verify_depth })
    const client = await aTlsClient(t, port, 'a.test')
    assert.equal(String(await readAll(client.end())), expected, `depth ${tls_verify_depth}`)
  }
  await until(() => gateway.accessLog.length === 4)
  assert.deepEqual(
    gateway.accessLog.map(line => / TCP (\d+) /.exec(line)![1]),
    ['200', '502', '502', '502'],
  )
  assert.match(gateway.logged.join(), /2 intermediate authorities, and tls_verify_depth allows 1/)
})

test('a PROXY header may come before the ClientHello', async t => {
  const gateway = await aStreamGateway(t, { settings })
  route(gateway, 'tls', ['a.test'], { port: await anEcho(t) }, { sources: [{ ip: '203.0.113.7' }] })
  const plain = await aTcpClient(t, await gateway.listen({ ssl: true, proxyProtocol: true }))
  plain.write('PROXY TCP4 203.0.113.7 192.0.2.1 5555 80\r\n')
  const client = connect({ socket: plain, servername: 'a.test', rejectUnauthorized: false })
  t.after(() => client.destroy())
  await once(client, 'secureConnect')
  client.write('hello')
  assert.equal(await read(client), 'hello')
})
