/** What RFC 9113 calls an error, and what it does not, frame by frame; the cases are those of h2spec and some more. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  aFrameClient,
  block,
  END_HEADERS,
  END_STREAM,
  type FrameClient,
  frame,
  GET,
  PADDED,
  POST,
  PRIORITIZED,
  setting,
  uint32,
} from '../../../test/kit/http2-frames.ts'
import { aGateway } from '../../../test/kit/proxy-gateway.ts'
import { aRawUpstream, okAnswer } from '../../../test/kit/raw-http.ts'

const PROTOCOL = 1
const FLOW_CONTROL = 3
const CLOSED = 5
const SIZE = 6
const REFUSED = 7
const COMPRESSION = 9

const WHOLE = END_STREAM | END_HEADERS
const withFields = (...fields: [string, string][]) => [...GET, ...fields]
const without = (name: string) => GET.filter(([one]) => one !== name)

type Case = readonly [what: string, verdict: string, send: (client: FrameClient) => void]
const goAway = (code: number) => `GOAWAY ${code}`
const reset = (code: number) => `RST_STREAM ${code}`
/** For what must come together, before it can be answered. */
const request = (id: number) => frame('HEADERS', WHOLE, id, block(GET))
const open = (client: FrameClient) => client.headers(1, POST, END_HEADERS)

const FRAMES: readonly Case[] = [
  ['a frame above the maximum size', goAway(SIZE), c => c.send(frame('DATA', 0, 1, Buffer.alloc(16_385)))],
  ['an unknown frame is ignored', '200', c => void c.send(frame(0x16, 0xff, 3, 'x')).headers(1)],
  [
    'an unknown frame inside a header block',
    goAway(PROTOCOL),
    c => void c.headers(1, GET, END_STREAM).send(frame(0x16, 0, 0)),
  ],
  ['HEADERS on stream 0', goAway(PROTOCOL), c => void c.headers(0)],
  ['an even stream id', goAway(PROTOCOL), c => void c.headers(2)],
  ['a stream id that goes back', goAway(PROTOCOL), c => void c.headers(5, POST, END_HEADERS).headers(3)],
  ['DATA on stream 0', goAway(PROTOCOL), c => void c.send(frame('DATA', END_STREAM, 0, 'x'))],
  ['DATA on an idle stream', goAway(PROTOCOL), c => void c.send(frame('DATA', END_STREAM, 1, 'x'))],
  ['RST_STREAM on an idle stream', goAway(PROTOCOL), c => void c.send(frame('RST_STREAM', 0, 1, uint32(8)))],
  ['RST_STREAM on stream 0', goAway(PROTOCOL), c => void c.send(frame('RST_STREAM', 0, 0, uint32(8)))],
  ['RST_STREAM of a wrong size', goAway(SIZE), c => void open(c).send(frame('RST_STREAM', 0, 1, 'xyz'))],
  ['WINDOW_UPDATE on an idle stream', goAway(PROTOCOL), c => void c.send(frame('WINDOW_UPDATE', 0, 1, uint32(8)))],
  ['WINDOW_UPDATE of a wrong size', goAway(SIZE), c => void c.send(frame('WINDOW_UPDATE', 0, 0, 'xyz'))],
  ['a connection window increment of 0', goAway(PROTOCOL), c => void c.send(frame('WINDOW_UPDATE', 0, 0, uint32(0)))],
  ['a stream window increment of 0', reset(PROTOCOL), c => void open(c).send(frame('WINDOW_UPDATE', 0, 1, uint32(0)))],
  [
    'a connection window above 2^31-1',
    goAway(FLOW_CONTROL),
    c => void c.send(frame('WINDOW_UPDATE', 0, 0, uint32(2 ** 31 - 1))),
  ],
  [
    'a stream window above 2^31-1',
    reset(FLOW_CONTROL),
    c => void open(c).send(frame('WINDOW_UPDATE', 0, 1, uint32(2 ** 31 - 1))),
  ],
  ['CONTINUATION without HEADERS', goAway(PROTOCOL), c => void c.send(frame('CONTINUATION', END_HEADERS, 1))],
  [
    'CONTINUATION of another stream',
    goAway(PROTOCOL),
    c => void c.headers(1, GET, END_STREAM).send(frame('CONTINUATION', END_HEADERS, 3)),
  ],
  [
    'DATA inside a header block',
    goAway(PROTOCOL),
    c => void c.headers(1, GET, END_STREAM).send(frame('DATA', 0, 1, 'x')),
  ],
  [
    'a header block in several frames',
    '200',
    c =>
      void c
        .headers(1, GET.slice(0, 2), END_STREAM)
        .send(
          frame('CONTINUATION', 0, 1, block(GET.slice(2, 3))),
          frame('CONTINUATION', END_HEADERS, 1, block(GET.slice(3))),
        ),
  ],
  ['PUSH_PROMISE by a client', goAway(PROTOCOL), c => void c.send(frame('PUSH_PROMISE', END_HEADERS, 1, uint32(2)))],
  ['a PING of a wrong size', goAway(SIZE), c => void c.send(frame('PING', 0, 0, 'short'))],
  ['a PING on a stream', goAway(PROTOCOL), c => void c.send(frame('PING', 0, 1, '12345678'))],
  ['a GOAWAY on a stream', goAway(PROTOCOL), c => void c.send(frame('GOAWAY', 0, 1, '12345678'))],
  ['a GOAWAY too short', goAway(SIZE), c => void c.send(frame('GOAWAY', 0, 0, '1234'))],
  ['PRIORITY on stream 0', goAway(PROTOCOL), c => void c.send(frame('PRIORITY', 0, 0, 'abcde'))],
  ['PRIORITY of a wrong size', reset(SIZE), c => void open(c).send(frame('PRIORITY', 0, 1, 'abc'))],
  [
    'PRIORITY on an idle stream',
    '200',
    c => void c.send(frame('PRIORITY', 0, 1, Buffer.concat([uint32(3), Buffer.from([1])]))).headers(1),
  ],
  [
    'a stream that depends on itself',
    '200',
    c =>
      void c
        .send(frame('PRIORITY', 0, 1, Buffer.concat([uint32(1), Buffer.from([1])])))
        .send(frame('HEADERS', WHOLE | PRIORITIZED, 1, Buffer.concat([uint32(1), Buffer.from([9]), block(GET)]))),
  ],
  ['SETTINGS on a stream', goAway(PROTOCOL), c => void c.send(frame('SETTINGS', 0, 1))],
  ['SETTINGS of a wrong size', goAway(SIZE), c => void c.send(frame('SETTINGS', 0, 0, 'xyz'))],
  ['a SETTINGS acknowledgement with payload', goAway(SIZE), c => void c.send(frame('SETTINGS', 1, 0, setting(3, 1)))],
  ['SETTINGS_ENABLE_PUSH of 2', goAway(PROTOCOL), c => void c.send(frame('SETTINGS', 0, 0, setting(2, 2)))],
  ['a window size above 2^31-1', goAway(FLOW_CONTROL), c => void c.send(frame('SETTINGS', 0, 0, setting(4, 2 ** 31)))],
  ['a frame size below 16384', goAway(PROTOCOL), c => void c.send(frame('SETTINGS', 0, 0, setting(5, 16_383)))],
  ['a frame size above 2^24-1', goAway(PROTOCOL), c => void c.send(frame('SETTINGS', 0, 0, setting(5, 2 ** 24)))],
  ['an unknown setting is ignored', '200', c => void c.send(frame('SETTINGS', 0, 0, setting(0x99, 7))).headers(1)],
  [
    'a window that settings make too large',
    goAway(FLOW_CONTROL),
    c =>
      void open(c).send(
        frame('WINDOW_UPDATE', 0, 1, uint32(2 ** 31 - 1 - 65_535)),
        frame('SETTINGS', 0, 0, setting(4, 65_536)),
      ),
  ],
  [
    'padding longer than a DATA frame',
    goAway(PROTOCOL),
    c => void open(c).send(frame('DATA', PADDED | END_STREAM, 1, '\x05abc')),
  ],
  [
    'padding longer than a HEADERS frame',
    goAway(PROTOCOL),
    c => void c.send(frame('HEADERS', WHOLE | PADDED, 1, Buffer.concat([Buffer.from([200]), block(GET)]))),
  ],
  [
    'padding',
    '200',
    c =>
      void c.send(
        frame('HEADERS', END_HEADERS | PADDED, 1, Buffer.concat([Buffer.from([3]), block(POST), Buffer.alloc(3)])),
        frame('DATA', PADDED | END_STREAM, 1, '\x02body\0\0'),
      ),
  ],
  ['DATA after the end of a stream', reset(CLOSED), c => void c.send(request(1), frame('DATA', END_STREAM, 1, 'x'))],
  ['HEADERS after the end of a stream', reset(CLOSED), c => void c.send(request(1), request(1))],
  ['an invalid header block', goAway(COMPRESSION), c => void c.send(frame('HEADERS', WHOLE, 1, Buffer.from([0x80])))],
  ['HEADERS before SETTINGS are acknowledged', '200', c => void c.send(frame('SETTINGS', 0, 0)).headers(1)],
]

const MESSAGES: readonly Case[] = [
  ['an upper-case field name', reset(PROTOCOL), c => void c.headers(1, withFields(['X-Test', 'a']))],
  ['an empty field name', reset(PROTOCOL), c => void c.headers(1, withFields(['', 'a']))],
  ['a field name with a space', reset(PROTOCOL), c => void c.headers(1, withFields(['x y', 'a']))],
  ['a field value with a line break', reset(PROTOCOL), c => void c.headers(1, withFields(['x', 'a\r\nhost: b']))],
  ['a field value with NUL', reset(PROTOCOL), c => void c.headers(1, withFields(['x', 'a\0b']))],
  ['a field value that begins with a space', reset(PROTOCOL), c => void c.headers(1, withFields(['x', ' a']))],
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'].map(
    name => [`the field ${name}`, reset(PROTOCOL), c => void c.headers(1, withFields([name, 'x']))] as Case,
  ),
  ['TE other than trailers', reset(PROTOCOL), c => void c.headers(1, withFields(['te', 'gzip']))],
  ['TE trailers', '200', c => void c.headers(1, withFields(['te', 'trailers']))],
  ...[':method', ':scheme', ':path'].flatMap(name => [
    [`no ${name}`, reset(PROTOCOL), c => void c.headers(1, without(name))] as Case,
    [`${name} twice`, reset(PROTOCOL), c => void c.headers(1, [GET.find(([one]) => one === name)!, ...GET])] as Case,
    [`an empty ${name}`, reset(PROTOCOL), c => void c.headers(1, [...without(name), [name, '']])] as Case,
  ]),
  [
    'a pseudo-header after other fields',
    reset(PROTOCOL),
    c => void c.headers(1, [...GET.slice(0, 3), ['x', 'y'], GET[3]!]),
  ],
  ['an unknown pseudo-header', reset(PROTOCOL), c => void c.headers(1, [...GET, [':protocol', 'websocket']])],
  ['the pseudo-header of answers', reset(PROTOCOL), c => void c.headers(1, [...GET, [':status', '200']])],
  ['a pseudo-header in trailers', reset(PROTOCOL), c => void open(c).headers(1, [[':method', 'GET']])],
  ['trailers that do not end', reset(PROTOCOL), c => void open(c).headers(1, [['x', 'y']], END_HEADERS)],
  ['trailers', '200', c => void open(c).headers(1, [['x', 'y']])],
  [
    'a body longer than Content-Length',
    reset(PROTOCOL),
    c => void c.headers(1, [...POST, ['content-length', '1']], END_HEADERS).send(frame('DATA', END_STREAM, 1, 'xy')),
  ],
  [
    'a body shorter than Content-Length',
    reset(PROTOCOL),
    c => void c.headers(1, [...POST, ['content-length', '3']], END_HEADERS).send(frame('DATA', END_STREAM, 1, 'xy')),
  ],
  ['Content-Length without body', reset(PROTOCOL), c => void c.headers(1, [...POST, ['content-length', '3']])],
  [
    'Content-Length of 0 and an empty DATA frame',
    '200',
    c => void c.headers(1, [...POST, ['content-length', '0']], END_HEADERS).send(frame('DATA', END_STREAM, 1)),
  ],
  ['Content-Length that is no number', '400', c => void c.headers(1, [...POST, ['content-length', '+1']], END_HEADERS)],
  [
    'two Content-Lengths',
    '400',
    c => void c.headers(1, [...POST, ['content-length', '1'], ['content-length', '1']], END_HEADERS),
  ],
  ['Host instead of :authority', '200', c => void c.headers(1, [...without(':authority'), ['host', 'a.test']])],
  ['Host that differs from :authority', '400', c => void c.headers(1, withFields(['host', 'b.test']))],
  ['neither Host nor :authority', '400', c => void c.headers(1, without(':authority'))],
  [
    'an :authority with user information',
    '400',
    c => void c.headers(1, [...without(':authority'), [':authority', 'u@a.test']]),
  ],
  ['a path in absolute form', '400', c => void c.headers(1, [...without(':path'), [':path', 'http://b.test/']])],
  [
    'a path longer than a line',
    '414',
    c => void c.headers(1, [...without(':path'), [':path', `/${'x'.repeat(9000)}`]]),
  ],
  ['a path with a space', '400', c => void c.headers(1, [...without(':path'), [':path', '/a b']])],
  [
    'a path with a line break',
    reset(PROTOCOL),
    c => void c.headers(1, [...without(':path'), [':path', '/ HTTP/1.1\r\nx: y']]),
  ],
  ['a method with a space', '400', c => void c.headers(1, [...without(':method'), [':method', 'GET /x']])],
  [
    'CONNECT',
    '405',
    c =>
      void c.headers(1, [
        [':method', 'CONNECT'],
        [':authority', 'a.test:80'],
      ]),
  ],
  ['TRACE', '405', c => void c.headers(1, [...without(':method'), [':method', 'TRACE']])],
  [
    'more fields than allowed',
    '400',
    c => void c.headers(1, withFields(...Array.from({ length: 100 }, (_, i) => [`x-${i}`, 'y'] as [string, string]))),
  ],
  [
    'fields larger than allowed',
    '400',
    c =>
      void c
        .headers(1, withFields(['a', 'x'.repeat(8000)]), END_STREAM)
        .send(
          ...Array.from({ length: 4 }, (_, i) =>
            frame('CONTINUATION', i === 3 ? END_HEADERS : 0, 1, block([['b', 'x'.repeat(8000)]])),
          ),
        ),
  ],
]

for (const [kind, cases] of [
  ['frames', FRAMES],
  ['messages', MESSAGES],
] as const) {
  test(`HTTP/2 ${kind}`, async t => {
    const upstream = await aRawUpstream(t, () => okAnswer('hello'))
    const { port } = await aGateway(t, { http2: true, routes: [{ ports: [upstream.port] }] })
    for (const [what, verdict, send] of cases) {
      await t.test(`${what}: ${verdict}`, async t => {
        const client = await aFrameClient(t, port)
        send(client)
        assert.equal(await client.verdict(), verdict)
        if (verdict.startsWith('GOAWAY')) await client.closed()
      })
    }
  })
}

test('a stream above the number allowed is refused, and may be tried again', async t => {
  const upstream = await aRawUpstream(t, () => null)
  const { port } = await aGateway(t, { http2: true, routes: [{ ports: [upstream.port] }] })
  const client = await aFrameClient(t, port)
  for (let id = 1; id <= 257; id += 2) client.headers(id)
  const refused = await client.next(({ type }) => type === 'RST_STREAM')
  assert.deepEqual([refused.id, refused.payload.readUInt32BE(0)], [257, REFUSED])
})

test('frames and the preface may come a byte at a time', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('hello'))
  const { port } = await aGateway(t, { http2: true, routes: [{ ports: [upstream.port] }] })
  const client = await aFrameClient(t, port)
  client.socket.setNoDelay(true)
  const bytes = Buffer.concat([frame('HEADERS', END_HEADERS, 1, block(POST)), frame('DATA', END_STREAM, 1, 'body')])
  for (const byte of bytes) {
    client.send(Buffer.from([byte]))
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.equal(await client.verdict(), '200')
  assert.match(upstream.requests[0]!, /\r\n\r\nbody$|4\r\nbody\r\n0\r\n\r\n$/)
})

test('a listener without http2 does not know the preface', async t => {
  const { port } = await aGateway(t, {})
  await assert.rejects(aFrameClient(t, port))
})
