import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test, type TestContext } from 'node:test'
import { connect, type ConnectionOptions } from 'node:tls'
import { CLIENT_HELLO_BYTES_MAX, parseClientHello } from './client-hello.ts'

/** The first bytes that a real client sends. */
async function helloOf(t: TestContext, options: ConnectionOptions): Promise<Buffer> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const client = connect({ port: (server.address() as { port: number }).port, host: '127.0.0.1', ...options })
  client.on('error', () => {})
  const [socket] = await once(server, 'connection')
  const [bytes] = await once(socket, 'data')
  client.destroy()
  socket.destroy()
  return bytes as Buffer
}

const parse = (bytes: Buffer) => parseClientHello(bytes, bytes.length)

/** The same message in records of `size` bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size)
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part)
  }
  return Buffer.concat(records)
}

for (const [what, options, sni] of [
  ['TLS 1.3', { servername: 'A.example' }, 'a.example'],
  ['TLS 1.2', { servername: 'b.example', maxVersion: 'TLSv1.2' }, 'b.example'],
  ['ALPN', { servername: 'c.example', ALPNProtocols: ['h2', 'http/1.1'] }, 'c.example'],
  ['no server name', {}, ''],
] as const) {
  test(`parseClientHello() finds the name in a hello with ${what}, whole, in pieces, in many records`, async t => {
    const hello = await helloOf(t, options as ConnectionOptions)
    assert.deepEqual(parse(hello), { state: 'complete', sni })
    for (let length = 0; length < hello.length; length++)
      assert.deepEqual(parseClientHello(hello, length), { state: 'incomplete' }, `${length} bytes`)
    for (const size of [1, 7, 100]) assert.deepEqual(parse(inRecords(hello, size)), { state: 'complete', sni })
  })
}

const SESSION = Buffer.alloc(1)
const CIPHERS = Buffer.from([0, 2, 0x13, 1])
const COMPRESSION = Buffer.from([1, 0])

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255])
}
function sized(...parts: Buffer[]): Buffer {
  const bytes = Buffer.concat(parts)
  return Buffer.concat([u16(bytes.length), bytes])
}
const extension = (type: number, body: Buffer) => Buffer.concat([u16(type), sized(body)])
const nameExtension = (name: string, type = 0) =>
  extension(0, sized(Buffer.from([type]), sized(Buffer.from(name, 'latin1'))))

function made(...parts: Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.from([3, 3]), Buffer.alloc(32), ...parts])
  const message = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body])
  return Buffer.concat([Buffer.from([22, 3, 1]), sized(message)])
}
const withExtensions = (...extensions: Buffer[]) => made(SESSION, CIPHERS, COMPRESSION, sized(...extensions))

test('parseClientHello() takes a hello without extensions, and other extensions', () => {
  assert.deepEqual(parse(made(SESSION, CIPHERS, COMPRESSION)), { state: 'complete', sni: '' })
  const hello = withExtensions(extension(16, Buffer.from('whatever')), nameExtension('x.y'), extension(99, u16(0)))
  assert.deepEqual(parse(hello), { state: 'complete', sni: 'x.y' })
})

const BAD: readonly [what: string, bytes: Buffer][] = [
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
  ['SSH', Buffer.from('SSH-2.0-x')],
  ['SSL 2', Buffer.from('802e0100020015', 'hex')],
  ['another record', Buffer.from([23, 3, 3, 0, 1, 0])],
  ['another message', Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])],
  ['an empty record', Buffer.from([22, 3, 1, 0, 0])],
  ['a record that is too large', Buffer.from([22, 3, 1, 255, 255])],
  ['a message that is too large', Buffer.from([22, 3, 1, 0, 4, 1, 255, 255, 255])],
  ['another version', made().fill(2, 9, 10)],
  ['a long session', made(Buffer.concat([Buffer.from([33]), Buffer.alloc(33)]), CIPHERS, COMPRESSION)],
  ['no ciphers', made(SESSION, u16(0), COMPRESSION)],
  ['half a cipher', made(SESSION, Buffer.from([0, 3, 1, 2, 3]), COMPRESSION)],
  ['no compression', made(SESSION, CIPHERS, Buffer.from([0]))],
  ['bytes behind the extensions', made(SESSION, CIPHERS, COMPRESSION, u16(0), Buffer.from([1]))],
  ['a cut extension', made(SESSION, CIPHERS, COMPRESSION, sized(Buffer.from([0, 0, 0, 9])))],
  ['an empty name', withExtensions(nameExtension(''))],
  ['a name with a zero', withExtensions(nameExtension('a\0b'))],
  ['a name with a slash', withExtensions(nameExtension('a/b'))],
  ['another type of name', withExtensions(nameExtension('a', 1))],
  ['two names', withExtensions(nameExtension('a'), nameExtension('b'))],
  ['a list of names that is too long', withExtensions(extension(0, Buffer.from([0, 9, 0, 0, 1, 97])))],
]
for (const [what, bytes] of BAD)
  test(`parseClientHello() refuses ${what}`, () => assert.equal(parse(bytes).state, 'refused'))

test('parseClientHello() gives up on a hello that never ends', () => {
  const record = Buffer.concat([
    Buffer.from([22, 3, 1, 0x3f, 0xf0]),
    Buffer.from([1, 0, 0x3f, 0xff]),
    Buffer.alloc(16_372),
  ])
  assert.equal(parse(Buffer.concat([record, Buffer.alloc(CLIENT_HELLO_BYTES_MAX)])).state, 'refused')
})
