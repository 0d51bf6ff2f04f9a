/** Clients that cost more than they ask for: floods, bombs, games with windows; by the numbers they became known under. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import {
  aFrameClient,
  block,
  END_HEADERS,
  END_STREAM,
  type FrameClient,
  frame,
  GET,
  POST,
  setting,
  uint32,
} from '../../../test/kit/http2-frames.ts'
import { aGateway, type GatewayOptions } from '../../../test/kit/proxy-gateway.ts'
import { aRawUpstream, okAnswer } from '../../../test/kit/raw-http.ts'

const CALM = 11
const WHOLE = END_STREAM | END_HEADERS
const get = (id: number) => frame('HEADERS', WHOLE, id, block(GET))
const post = (id: number) => frame('HEADERS', END_HEADERS, id, block(POST))
/** Waits for an answer that never comes. */
const silent = { access: () => new Promise<undefined>(() => {}) }

async function aHttp2Gateway(t: TestContext, options: GatewayOptions = {}, answer: string | null = okAnswer('hello')) {
  const upstream = await aRawUpstream(t, () => answer)
  const gateway = await aGateway(t, { http2: true, routes: [{ ports: [upstream.port] }], ...options })
  return { ...gateway, upstream, client: await aFrameClient(t, gateway.port) }
}

/** Sends until the peer ends the connection; returns with what and after how many. */
async function flood(client: FrameClient, limit: number, make: (count: number) => Buffer): Promise<string> {
  const gone = once(client.socket, 'close')
  let sent = 0
  while (sent < limit && !client.isClosed) {
    const batch: Buffer[] = []
    for (let i = 0; i < 100; i++) batch.push(make(sent++))
    if (!client.socket.write(Buffer.concat(batch))) await Promise.race([once(client.socket, 'drain'), gone])
    await new Promise(resolve => setImmediate(resolve))
  }
  if (sent >= limit && !client.isClosed) return 'survived'
  const last = client.frames.findLast(({ type }) => type === 'GOAWAY')
  return last === undefined ? 'closed' : `GOAWAY ${last.payload.readUInt32BE(4)}`
}

/** Cut off with the right words, or, when the flood was still coming, by a reset connection that lost them. */
function assertCutOff(verdict: string): void {
  assert.ok(verdict === `GOAWAY ${CALM}` || verdict === 'closed', verdict)
}

test('rapid reset (CVE-2023-44487): a client that only opens and resets is cut off', async t => {
  const { client, upstream, engine } = await aHttp2Gateway(t, {}, null)
  const verdict = await flood(client, 20_000, count => {
    const id = count * 2 + 1
    return Buffer.concat([get(id), frame('RST_STREAM', 0, id, uint32(8))])
  })
  assertCutOff(verdict)
  assert.ok(engine.stats().requests < 1000, `${engine.stats().requests} requests were begun`)
  assert.ok(upstream.connections < 1000)
})

test('rapid reset (CVE-2023-44487): one who cancels now and then is not', async t => {
  const { client } = await aHttp2Gateway(t)
  for (let id = 1; id < 2000; id += 4) {
    client.send(get(id), frame('RST_STREAM', 0, id, uint32(8)), get(id + 2))
    await client.next(({ type, flags, id: one }) => one === id + 2 && type === 'DATA' && (flags & END_STREAM) !== 0)
  }
  assert.equal(client.isClosed, false)
})

const MADE_YOU_RESET: Readonly<Record<string, (id: number) => Buffer>> = {
  'a window increment of 0': id => frame('WINDOW_UPDATE', 0, id, uint32(0)),
  'a window overflow': id => frame('WINDOW_UPDATE', 0, id, uint32(2 ** 31 - 1)),
  'a PRIORITY frame of a wrong size': id => frame('PRIORITY', 0, id, 'abc'),
  'DATA on a half-closed stream': id => frame('DATA', 0, id, 'x'),
  'HEADERS on a half-closed stream': id => get(id),
}
for (const [what, frameOf] of Object.entries(MADE_YOU_RESET)) {
  test(`MadeYouReset (CVE-2025-8671): ${what} costs as much as a reset`, async t => {
    const { client, engine } = await aHttp2Gateway(t, {}, null)
    const verdict = await flood(client, 20_000, count => Buffer.concat([get(count * 2 + 1), frameOf(count * 2 + 1)]))
    assertCutOff(verdict)
    assert.ok(engine.stats().requests < 1000, `${engine.stats().requests} requests were begun`)
  })
}

test('CONTINUATION flood (CVE-2024-27983): a header block without end is cut off', async t => {
  const { client } = await aHttp2Gateway(t)
  client.send(frame('HEADERS', END_STREAM, 1, block(GET)))
  assertCutOff(await flood(client, 10_000, () => frame('CONTINUATION', 0, 1, block([['a', 'x'.repeat(1000)]]))))
})

test('CONTINUATION flood (CVE-2024-27983): so is one of empty frames', async t => {
  const { client } = await aHttp2Gateway(t)
  client.send(frame('HEADERS', END_STREAM, 1, block(GET)))
  assertCutOff(await flood(client, 10_000, () => frame('CONTINUATION', 0, 1)))
})

test('CONTINUATION flood (CVE-2024-27983): a connection lost inside a block leaves nothing behind', async t => {
  const { client, engine } = await aHttp2Gateway(t)
  client.send(frame('HEADERS', END_STREAM, 1, block(GET)), frame('CONTINUATION', 0, 1))
  client.send(frame('PING', 1, 0))
  client.socket.resetAndDestroy()
  while (engine.stats().active > 0) await new Promise(resolve => setImmediate(resolve))
})

const FLOODS: Readonly<Record<string, (count: number) => Buffer>> = {
  'ping flood (CVE-2019-9512)': () => frame('PING', 0, 0, '12345678'),
  'settings flood (CVE-2019-9515)': () => frame('SETTINGS', 0, 0, setting(3, 100)),
  'empty settings flood (CVE-2019-9515)': () => frame('SETTINGS', 0, 0),
  'priority flood (CVE-2019-9513)': count =>
    frame('PRIORITY', 0, count * 2 + 1, Buffer.concat([uint32(0), Buffer.from([1])])),
  'empty frames flood (CVE-2019-9518)': count => (count === 0 ? post(1) : frame('DATA', 0, 1)),
  'empty headers flood (CVE-2019-9516)': count =>
    count === 0 ? post(1) : frame('HEADERS', END_HEADERS, count * 2 + 1),
  'reset flood (CVE-2019-9514)': count => frame('HEADERS', WHOLE, count * 2 + 1, block([['X', 'y']])),
  'window update flood': () => frame('WINDOW_UPDATE', 0, 0, uint32(1)),
  'flood of unknown frames': () => frame(0x42, 0, 0, 'x'),
  'flood of late DATA': count =>
    count === 0 ? Buffer.concat([get(1), frame('RST_STREAM', 0, 1, uint32(8))]) : frame('DATA', 0, 1, 'x'),
}
for (const [what, make] of Object.entries(FLOODS)) {
  test(`${what} is cut off`, async t => {
    const { client } = await aHttp2Gateway(t)
    assertCutOff(await flood(client, 50_000, make))
  })
}

test('HPACK bomb: fields that a table blows up are counted, not kept', async t => {
  const { client, upstream } = await aHttp2Gateway(t)
  const large = Buffer.concat([
    Buffer.from([0x40, 1]),
    Buffer.from('a'),
    Buffer.from([0x7f, 0x80 | ((3900 - 127) & 127), (3900 - 127) >> 7]),
    Buffer.alloc(3900, 'x'),
  ])
  // 16,000 times the same 3,900 bytes: 62 MB in one frame.
  client.send(frame('HEADERS', WHOLE, 1, Buffer.concat([block(GET), large])))
  assert.equal(await client.verdict(), '200')
  client.send(frame('HEADERS', WHOLE, 3, Buffer.concat([block(GET), Buffer.alloc(16_000, 0xbe)])))
  assert.equal(await client.verdict(), '400')
  assert.equal(upstream.requests.length, 1)
  // The table is what the client believes it to be: the connection is good for more.
  client.send(frame('HEADERS', WHOLE, 5, Buffer.concat([block(GET), Buffer.from([0xbe])])))
  assert.equal(await client.verdict(), '200')
  assert.match(upstream.requests[1]!, /\r\na: x{3900}\r\n/)
})

test('window game (CVE-2019-9517): a client that does not open its window is given no more than what is at hand', async t => {
  const total = 64 * 1024 * 1024
  const upstream = await aRawUpstream(t, (_request, socket) => {
    const piece = Buffer.alloc(1024 * 1024, 'x')
    let left = total
    const write = () => {
      while (left > 0 && !socket.destroyed) {
        left -= piece.length
        if (!socket.write(piece)) return void socket.once('drain', write)
      }
    }
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`)
    write()
    return null
  })
  const { port } = await aGateway(t, { http2: true, routes: [{ ports: [upstream.port] }] })
  const client = await aFrameClient(t, port, [setting(4, 10)])
  client.headers(1)
  await client.next(({ type }) => type === 'DATA')
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < 200; i++) {
    client.send(frame('WINDOW_UPDATE', 0, 1, uint32(1)))
    await client.next(({ type }) => type === 'DATA')
  }
  const grown = process.memoryUsage().arrayBuffers - before
  assert.ok(grown < 8 * 1024 * 1024, `${grown} bytes more are held`)
})

test('window game: a stalled stream is ended in time, and the rest goes on', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('x'.repeat(1000)))
  const { port } = await aGateway(t, {
    http2: true,
    routes: [{ ports: [upstream.port] }],
    client: { sendTimeoutMs: 100 },
  })
  const client = await aFrameClient(t, port, [setting(4, 0)])
  client.headers(1)
  assert.equal(await client.verdict(), '200')
  assert.equal(await client.verdict(), 'RST_STREAM 8')
  client.send(frame('SETTINGS', 0, 0, setting(4, 65_535)))
  client.headers(3)
  assert.equal(await client.verdict(), '200')
})

test('what a stalled request may keep here is its window, no more', async t => {
  const upstream = await aRawUpstream(t, () => null)
  const { port } = await aGateway(t, { http2: true, routes: [{ ports: [upstream.port], plugins: [silent] }] })
  const client = await aFrameClient(t, port)
  client.send(post(1))
  for (let i = 0; i < 20; i++) client.send(frame('DATA', 0, 1, Buffer.alloc(16_384)))
  assert.equal(await client.verdict(), 'RST_STREAM 3')
})

test('a preface that never ends, and a head that never ends, run into the time for heads', async t => {
  const { port } = await aGateway(t, { http2: true, client: { headTimeoutMs: 100 } })
  const client = await aFrameClient(t, port)
  client.send(frame('HEADERS', WHOLE, 1, block(GET)).subarray(0, 12))
  await client.closed()
  const half = await aFrameClient(t, port)
  half.send(frame('HEADERS', END_STREAM, 1, block(GET)))
  await half.closed()
})

test('a body that never ends runs into the time for bodies', async t => {
  const { client } = await aHttp2Gateway(t, { client: { bodyTimeoutMs: 100 } })
  client.send(post(1), frame('DATA', 0, 1, 'x'))
  assert.equal(await client.verdict(), '408')
})

test('an idle connection is told to go, then ended', async t => {
  const { client } = await aHttp2Gateway(t, { client: { keepaliveTimeoutMs: 100 } })
  client.headers(1)
  assert.equal(await client.verdict(), '200')
  const goAway = await client.next(({ type }) => type === 'GOAWAY')
  assert.deepEqual([goAway.payload.readUInt32BE(0), goAway.payload.readUInt32BE(4)], [1, 0])
  await client.closed()
})
