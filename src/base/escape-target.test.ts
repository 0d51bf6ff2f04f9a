/** Tests of escape-target.ts; of the whole on a real socket. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { systemClock } from './clock.ts'
import { escapeTarget } from './escape-target.ts'
import { createHttpListener } from './http-listener.ts'

const escaped = (text: string) => escapeTarget(Buffer.from(text)).toString()

test('escapeTarget() escapes the bytes beyond ASCII of a request line, and nothing else', () => {
  assert.equal(
    escaped('GET /a/ü?b=ö HTTP/1.1\r\nHost: ä\r\n\r\n'),
    'GET /a/%C3%BC?b=%C3%B6 HTTP/1.1\r\nHost: ä\r\n\r\n',
  )
  for (const text of ['', 'GET /a HTTP/1.1\r\n\r\nü', 'ü\n', '{"a":"ü"}\n', 'GET /ü\r\n', 'GET /ü HTTP/1.1']) {
    assert.equal(escaped(text), text)
  }
  assert.equal(escapeTarget(Buffer.from('PUT /\xff HTTP/1.0\n', 'latin1')).toString(), 'PUT /%FF HTTP/1.0\n')
})

test('escapeTargets() takes such targets on one connection, and leaves bodies as they are', async () => {
  const seen: string[] = []
  const listener = createHttpListener({
    accessLog: null,
    listen: [
      {
        host: '127.0.0.1',
        port: 0,
        ssl: false,
        http2: false,
        proxyProtocol: false,
        reuseport: false,
        backlog: 4,
        ipv6only: false,
      },
    ],
    tls: null,
    clock: systemClock,
    escapesTargets: true,
    trustsPeer: () => false,
    async onRequest(request, response) {
      let body = ''
      for await (const chunk of request.setEncoding('utf8')) body += chunk
      seen.push(`${request.url} ${body}`)
      response.end('ok')
    },
  })
  const { port } = (await listener.open())[0]!
  const socket = connect(port, '127.0.0.1').setEncoding('utf8')
  const answered = () =>
    new Promise<void>((resolve, reject) => {
      socket.once('data', () => resolve()).once('error', reject)
    })
  const inBody = 'GET /ü HTTP/1.1\r\n'
  const writes = ['GET /円 HTTP/1.1\r\nHost: x\r\n\r\n', `POST /é HTTP/1.1\r\nHost: x\r\nContent-Length: 18\r\n\r\n`]
  const first = answered()
  socket.write(writes[0]!)
  await first
  const second = answered()
  socket.write(writes[1]!, () => socket.write(inBody))
  await second
  assert.deepEqual(seen, ['/%E5%86%86 ', `/%C3%A9 ${inBody}`])
  socket.destroy()
  await listener.close(0)
})
