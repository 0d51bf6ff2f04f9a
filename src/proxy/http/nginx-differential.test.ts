import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { seededRandom } from '../../base/random.ts'
import { anNginx, lacks } from '../../../test/kit/http-peers.ts'
import { RequestHead } from './request-head.ts'

const LINES: readonly string[] = [
  'Host: a',
  'Host: b',
  'Host:',
  'Host: a/b',
  'Content-Length: 0',
  'Content-Length: +0',
  'Content-Length: 0, 0',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: identity',
  'X-A: b',
  'X-A : b',
  ' X-A: b',
  'X-A: a\0b',
  'Connection: close',
  'Expect: 100-continue',
]
const STARTS: readonly string[] = [
  'GET / HTTP/1.1',
  'GET /a%20b?c=%zz HTTP/1.1',
  'GET /%zz HTTP/1.1',
  'GET /a/../../b HTTP/1.1',
  'GET /%00 HTTP/1.1',
  'GET / HTTP/2.0',
  'GET / HTTP/1.0',
  'GET  / HTTP/1.1',
  'get / HTTP/1.1',
  'FOO_BAR-X / HTTP/1.1',
  'OPTIONS * HTTP/1.1',
  'CONNECT a:1 HTTP/1.1',
  'TRACE / HTTP/1.1',
  'GET http://b.test/x HTTP/1.1',
  'GET /\xe4 HTTP/1.1',
  'GET /a#b HTTP/1.1',
]

async function statusFrom(port: number, text: string): Promise<number> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.end(text, 'latin1')
  let received = ''
  socket.on('data', data => {
    received += data.toString('latin1')
  })
  await new Promise(resolve => socket.on('close', resolve))
  return Number(/^HTTP\/1\.1 (\d+)/.exec(received.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, ''))?.[1] ?? 0)
}

test('parse() takes no request that nginx refuses', {
  skip: lacks('nginx'),
}, async t => {
  // Its own answer to everything, so that only its parser decides.
  const port = await anNginx(t, 'return 200 ok;')
  const seed = 20261123
  const random = seededRandom(seed)
  const pick = (list: readonly string[]) => list[Math.floor(random.next() * list.length)]!
  let taken = 0
  for (let i = 0; i < 600; i++) {
    const lines = Array.from({ length: Math.floor(random.next() * 3) }, () => pick(LINES))
    const text = `${[random.next() < 0.3 ? STARTS[0]! : pick(STARTS), random.next() < 0.8 ? 'Host: a' : 'X: y', ...lines].join('\r\n')}\r\n\r\n`
    const bytes = Buffer.from(text, 'latin1')
    const head = new RequestHead(100)
    if (head.parse(bytes, 0, bytes.length) <= 0) continue
    taken++
    assert.equal(await statusFrom(port, text), 200, `seed ${seed}: ${JSON.stringify(text)}`)
  }
  assert.ok(taken > 100, `only ${taken} were taken`)
})
