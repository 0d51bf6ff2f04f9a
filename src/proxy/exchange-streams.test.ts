import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { aGateway } from '../../test/kit/proxy-gateway.ts'
import { aClient, aRawUpstream } from '../../test/kit/raw-http.ts'

const TOTAL_BYTES = 100 * 1024 * 1024
/** What may be under way: socket buffers of client, gateway and upstream. The body itself is five times as large. */
const GROWTH_BYTES_MAX = 20 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Watches what this process, in which the gateway runs, holds on to while `run` does. */
async function growth(run: () => Promise<void>): Promise<number> {
  const held = () => {
    // Buffers found dead by one collection are freed beside the program; the next one waits for that.
    collectGarbage()
    // Twice: buffers that the first finds dead are freed beside it, by a thread that a busy machine may keep waiting; the
    // second waits for that.
    collectGarbage()
    collectGarbage()
    return process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed
  }
  const before = held()
  let most = 0
  const timer = setInterval(() => {
    most = Math.max(most, held() - before)
  }, 250)
  await run()
  clearInterval(timer)
  return most
}

async function aSink(t: TestContext, accept: (socket: Socket) => void): Promise<number> {
  const server = createServer(accept).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as { port: number }).port
}

/** Writes `TOTAL_BYTES` as fast as the other side takes them. */
async function pour(socket: Socket, wrap: (piece: Buffer) => Buffer): Promise<string> {
  const hash = createHash('md5')
  const piece = Buffer.alloc(64 * 1024)
  for (let sent = 0; sent < TOTAL_BYTES; sent += piece.length) {
    piece.writeUInt32BE(sent % 0xffffffff, 0)
    hash.update(piece)
    if (!socket.write(wrap(Buffer.from(piece)))) await once(socket, 'drain')
  }
  return hash.digest('hex')
}

const chunk = (piece: Buffer) =>
  Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])

/** Reads in fits and starts, and hashes what comes after the head. */
function sip(socket: Socket, onEnd: (hash: string, bytes: number) => void): void {
  const hash = createHash('md5')
  let inBody = false
  let bytes = 0
  let pauses = 0
  socket.on('data', (data: Buffer) => {
    let body = data
    if (!inBody) {
      const end = data.indexOf('\r\n\r\n')
      assert.notEqual(end, -1)
      inBody = true
      body = data.subarray(end + 4)
    }
    hash.update(body)
    bytes += body.length
    if (bytes > pauses * 8 * 1024 * 1024) {
      pauses++
      socket.pause()
      setTimeout(() => socket.resume(), 15)
    }
    if (bytes >= TOTAL_BYTES) onEnd(hash.digest('hex'), bytes)
  })
}

test('an answer of 100 MB takes constant memory when the client reads slowly', async t => {
  let sent: Promise<string> | null = null
  const port = await aSink(t, socket => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      sent = pour(socket, chunk)
      void sent.then(() => socket.write('0\r\n\r\n'))
    })
  })
  const gateway = await aGateway(t, { routes: [{ ports: [port] }] })
  const grown = await growth(async () => {
    const socket = connect(gateway.port, '127.0.0.1')
    // HTTP/1.0: the body comes without framing, so that it can be hashed as it is.
    socket.write('GET / HTTP/1.0\r\n\r\n')
    const received = await new Promise<string>(resolve => sip(socket, resolve))
    assert.equal(received, await sent)
    socket.destroy()
  })
  assert.ok(grown < GROWTH_BYTES_MAX, `grew by ${grown} bytes`)
})

for (const requestBuffering of [false, true]) {
  const how = requestBuffering ? 'buffered' : 'streamed'
  test(`a request of 100 MB, ${how}, takes constant memory when the upstream reads slowly`, async t => {
    let received = ''
    const port = await aSink(t, socket => {
      sip(socket, hash => {
        received = hash
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      })
    })
    const gateway = await aGateway(t, { routes: [{ ports: [port], route: { requestBuffering } }] })
    const grown = await growth(async () => {
      const client = await aClient(t, gateway.port)
      client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${TOTAL_BYTES}\r\n\r\n`)
      const sent = await pour(client.socket, piece => piece)
      assert.equal((await client.answer()).body, 'ok')
      assert.equal(received, sent)
    })
    assert.ok(grown < GROWTH_BYTES_MAX, `grew by ${grown} bytes`)
  })
}

test('a WebSocket passes both ways, with bytes sent along with the heads, until either side ends', async t => {
  const upstream = await aRawUpstream(t, () => null)
  upstream.server.removeAllListeners('connection')
  upstream.server.on('connection', (socket: Socket) => {
    socket.on('error', () => {})
    socket.once('data', head => {
      assert.match(head.toString(), /\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n/)
      assert.match(head.toString(), /\r\nSec-WebSocket-Key: k\r\n/)
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s\r\n\r\nhello ',
      )
      socket.on('data', data => socket.write(data))
      socket.on('end', () => socket.end('bye'))
    })
  })
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
  const client = await aClient(t, gateway.port)
  client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n')
  const got = await client.answer()
  assert.deepEqual([got.status, got.headers['upgrade'], got.headers['sec-websocket-accept']], [101, 'websocket', 's'])
  const text = 'x'.repeat(3_000_000)
  client.send(text)
  while (client.unread.length < 6 + text.length) await once(client.socket, 'data')
  assert.equal(client.unread, `hello ${text}`)
  client.socket.end()
  await client.closed()
  assert.ok(client.unread.endsWith('bye'))
  assert.match(gateway.accessLog[0]!, /" 101 /)
  assert.equal(gateway.engine.stats().active, 0)
})

test('an upgrade that the upstream declines is an ordinary answer', async t => {
  const upstream = await aRawUpstream(
    t,
    () => 'HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nUpgrade: x\r\n\r\n',
  )
  const gateway = await aGateway(t, { routes: [{ ports: [upstream.port] }] })
  const client = await aClient(t, gateway.port)
  const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
  for (let i = 0; i < 2; i++) assert.equal((await client.send(upgrade).answer()).status, 426)
})
