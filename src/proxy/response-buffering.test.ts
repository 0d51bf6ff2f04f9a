/** `response_buffering`: the upstream of a slow client is free as soon as it has said all; without it, it waits. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { aGateway } from '../../test/kit/proxy-gateway.ts'
import { AnswerSpool } from './upstream/answer-spool.ts'

/** More than the buffers of all sockets on the way and what is kept in memory. */
const BODY_BYTES = 48 * 1024 * 1024
const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')

interface Upstream {
  readonly port: number
  /** Resolves when the kernel has taken the whole of the large answer. */
  readonly said: Promise<void>
  connections: number
}

async function anUpstream(t: TestContext, body: Buffer, frame: 'length' | 'chunks' | 'close'): Promise<Upstream> {
  let saidAll = () => {}
  const said = new Promise<void>(resolve => (saidAll = resolve))
  const upstream = { port: 0, said, connections: 0 }
  const server = createServer(socket => {
    upstream.connections++
    socket.on('error', () => {})
    socket.on('data', request => {
      if (!String(request).startsWith('GET /large'))
        return socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      if (frame === 'length') {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`)
        return socket.write(body, () => saidAll())
      }
      if (frame === 'close') return socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), body]), saidAll)
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      for (let at = 0; at < body.length; at += 1_000_000) {
        const piece = body.subarray(at, at + 1_000_000)
        socket.write(`${piece.length.toString(16)}\r\n`)
        socket.write(piece)
        socket.write('\r\n')
      }
      return socket.write('0\r\n\r\n', () => saidAll())
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  upstream.port = (server.address() as { port: number }).port
  return upstream
}

/** A client that reads nothing until it is told to; then all, to the end of the body. */
async function aSlowClient(t: TestContext, port: number) {
  const socket: Socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.pause()
  return {
    socket,
    async read(): Promise<Buffer> {
      const pieces: Buffer[] = []
      socket.on('data', (piece: Buffer) => pieces.push(piece))
      socket.resume()
      await once(socket, 'end')
      return Buffer.concat(pieces)
    },
  }
}

function unchunked(bytes: Buffer): Buffer {
  const pieces: Buffer[] = []
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    if (size === 0) return Buffer.concat(pieces)
    pieces.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = lineEnd + 2 + size + 2
  }
}

async function aGatewayFor(t: TestContext, upstream: Upstream, responseBuffering: boolean) {
  return aGateway(t, { routes: [{ ports: [upstream.port], route: { responseBuffering } }] })
}

for (const frame of ['length', 'chunks', 'close'] as const) {
  test(`an upstream has said all (by ${frame}) before its slow client read a byte, and the client gets all of it`, async t => {
    const body = randomBytes(BODY_BYTES)
    const upstream = await anUpstream(t, body, frame)
    const gateway = await aGatewayFor(t, upstream, true)
    const client = await aSlowClient(t, gateway.port)
    client.socket.write(`GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    await upstream.said
    const bytes = await client.read()
    const headEnd = bytes.indexOf('\r\n\r\n') + 4
    const isChunked = bytes.toString('latin1', 0, headEnd).includes('chunked')
    const got = bytes.subarray(headEnd)
    assert.equal(md5(isChunked ? unchunked(got) : got), md5(body))
  })
}

test('without response_buffering the upstream waits for its client', async t => {
  const body = randomBytes(BODY_BYTES)
  const upstream = await anUpstream(t, body, 'length')
  const gateway = await aGatewayFor(t, upstream, false)
  const client = await aSlowClient(t, gateway.port)
  client.socket.write(`GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
  let isSaid = false
  void upstream.said.then(() => (isSaid = true))
  const other = await aSlowClient(t, gateway.port)
  for (let i = 0; i < 50; i++) {
    other.socket.write(get('/small'))
    await once(other.socket.resume(), 'data')
  }
  assert.equal(isSaid, false)
  const bytes = await client.read()
  assert.equal(md5(bytes.subarray(bytes.indexOf('\r\n\r\n') + 4)), md5(body))
})

const hasProc = existsSync('/proc/self/fd')

test('a client that goes away leaves no file open', {
  skip: !hasProc && 'open files are counted in /proc',
}, async t => {
  const openFiles = () => readdirSync('/proc/self/fd').length
  const upstream = await anUpstream(t, randomBytes(BODY_BYTES), 'length')
  const gateway = await aGatewayFor(t, upstream, true)
  const client = await aSlowClient(t, gateway.port)
  client.socket.write(get('/large'))
  await upstream.said
  const before = openFiles()
  client.socket.resetAndDestroy()
  while (openFiles() >= before) await nextTurn()
})

test('pieces come out of a spool as they went in, across memory and file', t => {
  const folder = mkdtempSync(join(tmpdir(), 'spool-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const spool = new AnswerSpool(folder)
  const pieces = Array.from({ length: 40 }, (_, i) => Buffer.alloc(1 + ((i * 7919) % 100_000), i))
  const got: Buffer[] = []
  const take = () => {
    const bytes = spool.take()
    if (bytes !== null) got.push(Buffer.from(bytes))
    return bytes !== null
  }
  for (const [index, piece] of pieces.entries()) {
    spool.add(piece, 0, piece.length)
    if (index % 5 === 4) take()
    if (index === 20) while (take()) assert.ok(got.length > 0)
  }
  while (take()) assert.ok(got.length > 0)
  assert.ok(spool.isEmpty)
  assert.equal(md5(Buffer.concat(got)), md5(Buffer.concat(pieces)))
  spool.close()
  spool.close()
})

test('memory for slow clients is limited together: the rest goes to files, and none of it is lost or kept', t => {
  const folder = mkdtempSync(join(tmpdir(), 'spool-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const source = Buffer.alloc(100_000)
  for (let round = 0; round < 2; round++) {
    const before = process.memoryUsage().arrayBuffers
    const spools = Array.from({ length: 400 }, () => new AnswerSpool(folder))
    for (const [index, spool] of spools.entries()) spool.add(source.fill(index), 0, source.length)
    assert.ok(process.memoryUsage().arrayBuffers - before < 45 * 1024 * 1024)
    for (const [index, spool] of spools.entries()) {
      let length = 0
      for (let bytes = spool.take(); bytes !== null; bytes = spool.take()) {
        assert.ok(bytes.every(byte => byte === index % 256))
        length += bytes.length
      }
      assert.equal(length, 100_000)
      spool.close()
    }
  }
})
