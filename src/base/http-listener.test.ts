/** Tests of http-listener.ts on real sockets. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { get, type IncomingMessage, type ServerResponse } from 'node:http'
import { get as getTls } from 'node:https'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { generateKey, selfSigned } from './certificates.ts'
import { systemClock } from './clock.ts'
import { createHttpListener, type HttpListenerOptions } from './http-listener.ts'
import type { ListenAddress } from './listen-address.ts'

const plain: ListenAddress = {
  host: '127.0.0.1',
  port: 0,
  ssl: false,
  http2: false,
  proxyProtocol: false,
  reuseport: false,
  backlog: 16,
  ipv6only: false,
}

const listenerFor = (part: Partial<HttpListenerOptions>) =>
  createHttpListener({
    accessLog: null,
    listen: [plain],
    tls: null,
    trustsPeer: () => false,
    clock: systemClock,
    onRequest: (_request, response) => response.end('ok'),
    ...part,
  })

function read(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    response.setEncoding('utf8').on('data', chunk => (text += chunk))
    response.on('end', () => resolve(text)).on('error', reject)
  })
}

function fetchText(options: { port: number } | { socketPath: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ ...options, agent: false }, response => read(response).then(resolve, reject)).on('error', reject)
  })
}

test('open() listens on every address and tells the ports', async () => {
  const listener = listenerFor({ listen: [plain, plain] })
  const bound = await listener.open()
  assert.equal(new Set(bound.map(({ port }) => port)).size, 2)
  for (const { port } of bound) assert.equal(await fetchText({ port }), 'ok')
  await listener.close(0)
  await assert.rejects(fetchText({ port: bound[0]!.port }))
})

test('open() leaves nothing open when one address is taken', async () => {
  const first = listenerFor({})
  const [taken] = await first.open()
  const free = listenerFor({})
  const [released] = await free.open()
  await free.close(0)
  const second = listenerFor({ listen: [released!, { ...taken!, reuseport: true }] })
  await assert.rejects(second.open(), { code: 'EADDRINUSE' })
  await assert.rejects(fetchText({ port: released!.port }), { code: 'ECONNREFUSED' })
  await first.close(0)
})

test('open() serves TLS with the given certificate', async () => {
  const key = await generateKey('P-256')
  const [notBefore, notAfter] = [new Date(systemClock.now() - 60_000), new Date(systemClock.now() + 3_600_000)]
  const cert = selfSigned({ subject: { CN: 'node.test' }, key, notBefore, notAfter, dnsNames: ['node.test'] })
  const listener = listenerFor({ listen: [{ ...plain, ssl: true }], tls: [{ cert, key: key.privateKey }] })
  const [bound] = await listener.open()
  const text = await new Promise<string>((resolve, reject) => {
    const options = { port: bound!.port, ca: cert, servername: 'node.test', agent: false }
    getTls(options, response => read(response).then(resolve, reject)).on('error', reject)
  })
  assert.equal(text, 'ok')
  await listener.close(0)
  await assert.rejects(listenerFor({ listen: [{ ...plain, ssl: true }] }).open(), /needs a certificate/)
})

test('open() takes over the socket file of a process that is gone, and no other', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'listen-'))
  const path = join(folder, 'admin.sock')
  const address = { ...plain, host: `unix:${path}` }
  const first = listenerFor({ listen: [address] })
  await first.open()
  assert.equal(await fetchText({ socketPath: path }), 'ok')
  await assert.rejects(listenerFor({ listen: [address] }).open(), { code: 'EADDRINUSE' })
  // Closing removes the file by its name, so under another one it is left behind as after a kill.
  renameSync(path, `${path}.old`)
  await first.close(0)
  writeFileSync(path, 'somebody’s file')
  await assert.rejects(listenerFor({ listen: [address] }).open(), { code: 'EADDRINUSE' })
  assert.equal(readFileSync(path, 'utf8'), 'somebody’s file')
  renameSync(`${path}.old`, path)
  const second = listenerFor({ listen: [address] })
  await second.open()
  assert.equal(await fetchText({ socketPath: path }), 'ok')
  await second.close(0)
  rmSync(folder, { recursive: true })
})

test('close() waits for the request in flight and for nothing else', async () => {
  let held: ServerResponse | null = null
  let arrived = () => {}
  const inFlight = new Promise<void>(resolve => (arrived = resolve))
  const onRequest = (_request: IncomingMessage, response: ServerResponse) => {
    held = response
    arrived()
  }
  const listener = listenerFor({ onRequest })
  const [bound] = await listener.open()
  const idle = connect(bound!.port, '127.0.0.1')
  await new Promise(resolve => idle.once('connect', resolve))
  const answer = fetchText({ port: bound!.port })
  await inFlight
  let closed = false
  const closing = listener.close(60_000).then(() => (closed = true))
  await new Promise(resolve => idle.once('close', resolve).resume())
  assert.equal(closed, false)
  held!.end('late')
  assert.equal(await answer, 'late')
  await closing
})

test('close() cuts the request that outlasts its grace', async () => {
  let arrived = () => {}
  const inFlight = new Promise<void>(resolve => (arrived = resolve))
  const listener = listenerFor({ onRequest: () => arrived() })
  const [bound] = await listener.open()
  const answer = assert.rejects(fetchText({ port: bound!.port }), { code: 'ECONNRESET' })
  await inFlight
  await listener.close(10)
  await answer
})

test('a request that cannot be parsed gets the answer of refuse()', async () => {
  const refuse = (status: number) => ({ headers: ['X-A: b'], body: `refused ${status}` })
  const listener = listenerFor({ refuse })
  const [bound] = await listener.open()
  const ask = (text: string) =>
    new Promise<string>(resolve => {
      let answer = ''
      const socket = connect(bound!.port, '127.0.0.1', () => socket.write(text))
      socket.setEncoding('utf8').on('data', chunk => (answer += chunk))
      socket.on('close', () => resolve(answer))
    })
  assert.match(await ask('NONSENSE\r\n\r\n'), /^HTTP\/1\.1 400 .*\r\nX-A: b\r\n[\s\S]*refused 400$/)
  assert.match(await ask('BREW / HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1\.1 405 [\s\S]*refused 405$/)
  const big = 'x'.repeat(33 * 1024)
  assert.match(await ask(`GET / HTTP/1.1\r\nHost: a\r\nX: ${big}\r\n\r\n`), /^HTTP\/1\.1 431 [\s\S]*refused 431$/)
  await listener.close(0)
})
