/** HTTP/2 and the PROXY protocol on the listeners of the node's own endpoints, on real sockets. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { before, test, type TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { generateKey, selfSigned } from './certificates.ts'
import { systemClock } from './clock.ts'
import { createHttpListener, type HttpListenerOptions, type TlsIdentity } from './http-listener.ts'
import type { ListenAddress } from './listen-address.ts'

const http2: ListenAddress = {
  host: '127.0.0.1',
  port: 0,
  ssl: false,
  http2: true,
  proxyProtocol: false,
  reuseport: false,
  backlog: 16,
  ipv6only: false,
}
const HEADER = 'PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n'
let identity: TlsIdentity

before(async () => {
  const key = await generateKey('P-256')
  const [notBefore, notAfter] = [new Date(systemClock.now() - 60_000), new Date(systemClock.now() + 3_600_000)]
  const cert = selfSigned({ subject: { CN: 'localhost' }, key, notBefore, notAfter, dnsNames: ['localhost'] })
  identity = { cert, key: key.privateKey }
})

function tell(request: IncomingMessage, response: ServerResponse): void {
  let body = ''
  request.setEncoding('utf8').on('data', chunk => (body += chunk))
  request.on('end', () => {
    const text = `${request.httpVersion} ${request.method} ${request.url} ${request.socket.remoteAddress} ${body}`
    response.writeHead(200, ['Content-Type', 'text/plain', 'Content-Length', String(text.length)]).end(text)
  })
}

async function opened(t: TestContext, address: Partial<ListenAddress>, part: Partial<HttpListenerOptions> = {}) {
  const listener = createHttpListener({
    accessLog: null,
    listen: [{ ...http2, ...address }],
    tls: [identity],
    trustsPeer: () => false,
    clock: systemClock,
    onRequest: tell,
    ...part,
  })
  const [bound] = await listener.open()
  t.after(() => listener.close(0))
  return { listener, port: bound!.port }
}

/** What comes back until the end, for bytes as they are. */
async function exchange(socket: Socket, ...pieces: string[]): Promise<string> {
  let text = ''
  socket.setEncoding('latin1').on('data', chunk => (text += chunk))
  socket.on('error', () => {})
  for (const piece of pieces) await new Promise(resolve => socket.write(piece, resolve))
  await once(socket, 'close')
  return text
}

async function ask(session: ClientHttp2Session, headers: object, body?: string): Promise<string> {
  const stream = session.request({ ':path': '/', ...headers }, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  let text = ''
  stream.setEncoding('utf8').on('data', chunk => (text += chunk))
  await once(stream, 'close')
  return text
}

function overTls(t: TestContext, port: number, header = ''): ClientHttp2Session {
  const raw = connect(port, '127.0.0.1')
  raw.write(header)
  const ca = String(identity.cert)
  const socket = connectTls({ socket: raw, ca, servername: 'localhost', ALPNProtocols: ['h2'] })
  const session = connectHttp2('https://localhost', { createConnection: () => socket })
  t.after(() => session.destroy())
  return session
}

const GET = 'GET /one HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

test('a TLS address with http2 speaks what the client chooses', async t => {
  const { port } = await opened(t, { ssl: true })
  const session = overTls(t, port)
  const post = { ':method': 'POST', ':path': '/two?a=b' }
  assert.equal(await ask(session, post, 'a body'), '2.0 POST /two?a=b 127.0.0.1 a body')
  assert.equal(await ask(session, {}), '2.0 GET / 127.0.0.1 ')
  const one = connectTls({ port, host: '127.0.0.1', ca: String(identity.cert), servername: 'localhost' })
  assert.match(await exchange(one, GET), /^HTTP\/1\.1 200 [\s\S]*1\.1 GET \/one 127\.0\.0\.1 $/)
})

test('a TLS address without http2 does not offer it', async t => {
  const { port } = await opened(t, { ssl: true, http2: false })
  const options = { port, host: '127.0.0.1', ca: String(identity.cert), servername: 'localhost' }
  const socket = connectTls({ ...options, ALPNProtocols: ['h2', 'http/1.1'] })
  await once(socket, 'secureConnect')
  assert.equal(socket.alpnProtocol, 'http/1.1')
  socket.destroy()
})

test('an address with http2 takes prior knowledge and HTTP/1.1 on one port, in pieces too', async t => {
  const { port } = await opened(t, {}, { escapesTargets: true })
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  t.after(() => session.destroy())
  assert.equal(await ask(session, {}), '2.0 GET / 127.0.0.1 ')
  const one = () => connect(port, '127.0.0.1')
  assert.match(await exchange(one(), GET), /1\.1 GET \/one 127\.0\.0\.1 $/)
  assert.match(await exchange(one(), 'P', 'UT /two HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /1\.1 PUT \/two/)
  // Bytes that were read before the server had the connection are looked at like the others.
  assert.match(await exchange(one(), GET.replace('/one', '/\xe5')), /^HTTP\/1\.1 200 [\s\S]*1\.1 GET \/%C3%A5 /)
})

test('proxy_protocol tells the address of the client of a trusted peer, whatever follows it', async t => {
  const trusting = { trustsPeer: (address: string) => address === '127.0.0.1' }
  const { port } = await opened(t, { proxyProtocol: true }, trusting)
  const one = connect(port, '127.0.0.1')
  assert.match(await exchange(one, HEADER.slice(0, 9), HEADER.slice(9) + GET), /1\.1 GET \/one 192\.0\.2\.7 $/)
  const two = connect(port, '127.0.0.1')
  two.write(HEADER)
  const plain = connectHttp2('http://localhost', { createConnection: () => two })
  t.after(() => plain.destroy())
  assert.equal(await ask(plain, {}), '2.0 GET / 192.0.2.7 ')
  const tls = await opened(t, { proxyProtocol: true, ssl: true }, trusting)
  assert.equal(await ask(overTls(t, tls.port, HEADER), {}), '2.0 GET / 192.0.2.7 ')
  const tls1 = await opened(t, { proxyProtocol: true, ssl: true, http2: false }, trusting)
  const raw = connect(tls1.port, '127.0.0.1')
  raw.write(HEADER)
  const secure = connectTls({ socket: raw, ca: String(identity.cert), servername: 'localhost' })
  assert.match(await exchange(secure, GET), /1\.1 GET \/one 192\.0\.2\.7 $/)
})

test('proxy_protocol believes no peer that is not trusted, and closes a connection without a header', async t => {
  const { port } = await opened(t, { proxyProtocol: true, http2: false })
  assert.match(await exchange(connect(port, '127.0.0.1'), HEADER + GET), /1\.1 GET \/one 127\.0\.0\.1 $/)
  assert.equal(await exchange(connect(port, '127.0.0.1'), GET), '')
})

test('a head beyond the limit is refused in HTTP/2 as well', async t => {
  const { port } = await opened(t, {})
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  t.after(() => session.destroy())
  await once(session, 'remoteSettings')
  assert.equal(session.remoteSettings.maxHeaderListSize, 32 * 1024)
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x-${i}`, 'v']))
  const stream = session.request({ ':path': '/', ...many }, { endStream: true })
  const [error] = await once(stream, 'error')
  assert.match(String(error.code), /ERR_HTTP2/)
})

test('close() finishes the HTTP/2 request in flight, and cuts what has said nothing', async t => {
  let held: ServerResponse | null = null
  let arrived = () => {}
  const inFlight = new Promise<void>(resolve => (arrived = resolve))
  const lines: string[] = []
  const { port, listener } = await opened(
    t,
    {},
    {
      accessLog: line => lines.push(line),
      onRequest: (_request, response) => {
        held = response
        arrived()
      },
    },
  )
  const silent = connect(port, '127.0.0.1')
  await once(silent, 'connect')
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  const answer = ask(session, { 'user-agent': 'me' })
  await inFlight
  const closing = listener.close(60_000)
  await once(silent.resume(), 'close')
  held!.writeHead(200, ['Content-Length', '4']).end('late')
  assert.equal(await answer, 'late')
  await closing
  assert.match(lines.join(), /^127\.0\.0\.1 - - \[.*\] "GET \/ HTTP\/2\.0" 200 4 "-" "me"$/)
})
