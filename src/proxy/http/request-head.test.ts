import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NEED_MORE } from './head-scanner.ts'
import { CHUNKED, RequestHead } from './request-head.ts'

function parse(text: string, fieldsMax = 100): { result: number; head: RequestHead } {
  const head = new RequestHead(fieldsMax)
  const bytes = Buffer.from(text, 'latin1')
  return { result: head.parse(bytes, 0, bytes.length), head }
}

const get = (lines: string) => `GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`
const post = (lines: string) => `POST / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`

const REFUSALS: readonly (readonly [what: string, text: string, status: number])[] = [
  ['lower-case method', 'get / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['empty method', ' / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['method with digits', 'G3T / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['method without end', 'A'.repeat(40), 400],
  ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 405],
  ['TRACE', 'TRACE / HTTP/1.1\r\nHost: a\r\n\r\n', 405],
  ['two spaces before target', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['two spaces before version', 'GET /  HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['tab for a space', 'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['space in target', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['NUL in target', 'GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['DEL in target', 'GET /a\x7fb HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['no target', 'GET HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['HTTP/0.9', 'GET /\r\n\r\n', 400],
  ['asterisk form', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['authority form', 'GET a.test:80 HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['absolute form of another scheme', 'GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['absolute form without authority', 'GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['absolute form with user', 'GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['absolute form without Host', 'GET http://a/ HTTP/1.1\r\n\r\n', 400],
  ['broken escape in path', 'GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['cut escape in path', 'GET /a%4 HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['escaped NUL in path', 'GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['path above root', 'GET /a/../../b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['path above root by escapes', 'GET /%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['HTTP/2.0', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505],
  ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', 505],
  ['HTTP/0.9 named', 'GET / HTTP/0.9\r\nHost: a\r\n\r\n', 505],
  ['version in lower case', 'GET / http/1.1\r\nHost: a\r\n\r\n', 400],
  ['version with more digits', 'GET / HTTP/1.10\r\nHost: a\r\n\r\n', 400],
  ['space after version', 'GET / HTTP/1.1 \r\nHost: a\r\n\r\n', 400],
  ['bare LF after request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n', 400],
  ['bare CR in request line', 'GET / HTTP/1.1\rHost: a\r\n\r\n', 400],
  ['bare LF after a field', 'GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n', 400],
  ['bare CR in a value', get('X: a\rb\r\n'), 400],
  ['bare LF as end of head', 'GET / HTTP/1.1\r\nHost: a\r\n\nGET', 400],
  ['bare CR as end of head', 'GET / HTTP/1.1\r\nHost: a\r\n\rX', 400],
  ['bare LF before request', '\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['many empty lines before request', `${'\r\n'.repeat(5)}GET / HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
  ['folded line', get('X: a\r\n b\r\n'), 400],
  ['folded line by tab', get('X: a\r\n\tb\r\n'), 400],
  ['space before first field', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n', 400],
  ['space before colon', get('X : a\r\n'), 400],
  ['tab before colon', get('X\t: a\r\n'), 400],
  ['no colon', get('X\r\n'), 400],
  ['empty name', get(': a\r\n'), 400],
  ['NUL in name', get('X\0: a\r\n'), 400],
  ['byte above 127 in name', get('X\xe4: a\r\n'), 400],
  ['separator in name', get('X(a): a\r\n'), 400],
  ['NUL in value', get('X: a\0b\r\n'), 400],
  ['DEL in value', get('X: a\x7f\r\n'), 400],
  ['escape in value', get('X: \x1b[31m\r\n'), 400],
  ['missing Host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['two Hosts', get('Host: a\r\n'), 400],
  ['two Hosts in HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n', 400],
  ['empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
  ['Host with path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
  ['Host with user', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', 400],
  ['Host with space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
  ['Host list', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', 400],
  ['Host with bad port', 'GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n', 400],
  ['Host with large port', 'GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n', 400],
  ['Host with open bracket', 'GET / HTTP/1.1\r\nHost: [::1\r\n\r\n', 400],
  ['Host with junk in brackets', 'GET / HTTP/1.1\r\nHost: [a.test]\r\n\r\n', 400],
  ['two Content-Lengths', post('Content-Length: 5\r\nContent-Length: 6\r\n'), 400],
  ['two equal Content-Lengths', post('Content-Length: 5\r\ncontent-length: 5\r\n'), 400],
  ['Content-Length list', post('Content-Length: 5, 5\r\n'), 400],
  ['empty Content-Length', post('Content-Length:\r\n'), 400],
  ['signed Content-Length', post('Content-Length: +5\r\n'), 400],
  ['negative Content-Length', post('Content-Length: -5\r\n'), 400],
  ['hexadecimal Content-Length', post('Content-Length: 0x5\r\n'), 400],
  ['fractional Content-Length', post('Content-Length: 5.0\r\n'), 400],
  ['Content-Length with space inside', post('Content-Length: 5 5\r\n'), 400],
  ['huge Content-Length', post('Content-Length: 99999999999999999999\r\n'), 400],
  ['Transfer-Encoding and Content-Length', post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'), 400],
  ['Transfer-Encoding, then Content-Length', post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n'), 400],
  ['two Transfer-Encodings', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'), 400],
  ['chunked twice', post('Transfer-Encoding: chunked, chunked\r\n'), 501],
  ['gzip, chunked', post('Transfer-Encoding: gzip, chunked\r\n'), 501],
  ['chunked, identity', post('Transfer-Encoding: chunked, identity\r\n'), 501],
  ['identity', post('Transfer-Encoding: identity\r\n'), 501],
  ['xchunked', post('Transfer-Encoding: xchunked\r\n'), 501],
  ['chunked with parameter', post('Transfer-Encoding: chunked;q=1\r\n'), 501],
  ['quoted chunked', post('Transfer-Encoding: "chunked"\r\n'), 501],
  ['chunked behind vertical tab', post('Transfer-Encoding: \x0bchunked\r\n'), 400],
  ['chunked behind no-break space', post('Transfer-Encoding: \xa0chunked\r\n'), 501],
  ['empty Transfer-Encoding', post('Transfer-Encoding:\r\n'), 501],
  ['a tab around chunked', post('Transfer-Encoding: chunked\t\r\n'), 400],
  ['a fragment', 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a fragment behind a query', 'GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a path above the root by encoded slashes', 'GET /a/..%2f..%2Fb HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['Transfer-Encoding in HTTP/1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
  ['unknown expectation', post('Expect: 200-ok\r\n'), 417],
  ['two expectations', post('Expect: 100-continue\r\nExpect: 100-continue\r\n'), 417],
]

for (const [what, text, status] of REFUSALS) {
  test(`parse() refuses with ${status} when given ${what}`, () => {
    const { result, head } = parse(text)
    assert.equal(result, -status, head.reason)
    assert.notEqual(head.reason, '')
  })
}

test('parse() refuses with 494 when there are more fields than allowed', () => {
  const lines = Array.from({ length: 40 }, (_, i) => `X-${i}: ${i}\r\n`).join('')
  assert.equal(parse(get(lines), 40).result, -494)
  const { result, head } = parse(get(lines), 41)
  assert.ok(result > 0)
  assert.equal(head.find('x-39'), '39')
  assert.equal(head.known(1), 'a')
})

test('parse() needs more when given any true prefix of a request', () => {
  const text = '\r\nPOST /a?b=c HTTP/1.1\r\nHost: a.test:81\r\nX-Y:  v \r\nContent-Length: 5\r\n\r\n'
  for (let length = 0; length < text.length; length++) {
    assert.equal(parse(text.slice(0, length)).result, NEED_MORE, JSON.stringify(text.slice(0, length)))
  }
  const { result, head } = parse(`${text}rest`)
  assert.equal(result, text.length)
  assert.equal(head.method, 'POST')
  assert.equal(head.target, '/a?b=c')
  assert.equal(head.hostname, 'a.test')
  assert.equal(head.hostPort, 81)
  assert.equal(head.bodyLength, 5)
  assert.equal(head.find('x-y'), 'v')
  assert.equal(head.text, text.slice(2))
})

const HOSTS: readonly (readonly [host: string, hostname: string, port: number])[] = [
  ['a', 'a', 0],
  ['A.Test', 'A.Test', 0],
  ['a:80', 'a', 80],
  ['a:', 'a', 0],
  ['127.0.0.1:8000', '127.0.0.1', 8000],
  ['[::1]', '[::1]', 0],
  ['[::ffff:1.2.3.4]:9', '[::ffff:1.2.3.4]', 9],
  ['x_y.test', 'x_y.test', 0],
]

for (const [host, hostname, port] of HOSTS) {
  test(`parse() splits the host when given ${host}`, () => {
    const { head } = parse(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    assert.deepEqual([head.host, head.hostname, head.hostPort], [host, hostname, port])
  })
}

test('parse() lets the authority of an absolute target replace Host', () => {
  const { head } = parse('GET http://b.test:8/x?y HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.deepEqual([head.host, head.hostname, head.hostPort, head.target], ['b.test:8', 'b.test', 8, '/x?y'])
  assert.equal(parse('GET HTTP://b.test?y HTTP/1.1\r\nHost: a\r\n\r\n').head.target, '/?y')
})

test('parse() forgets the request before when used again', () => {
  const head = new RequestHead(10)
  const feed = (text: string) => assert.ok(head.parse(Buffer.from(text, 'latin1'), 0, text.length) > 0, head.reason)
  feed('POST / HTTP/1.1\r\nHost: a:1\r\nTransfer-Encoding: chunked\r\nConnection: close, upgrade\r\n\r\n')
  assert.equal(head.bodyLength, CHUNKED)
  feed('GET / HTTP/1.1\r\nHost: b\r\n\r\n')
  assert.deepEqual([head.bodyLength, head.keepAlive, head.hostPort, head.count], [0, true, 0, 1])
  feed('GET / HTTP/1.0\r\n\r\n')
  assert.deepEqual([head.host, head.hostname, head.minor, head.keepAlive], ['', '', 0, false])
})

const KEEP_ALIVE: readonly (readonly [version: string, connection: string, expected: boolean])[] = [
  ['1.1', '', true],
  ['1.1', 'Connection: close\r\n', false],
  ['1.1', 'Connection: X, CLOSE\r\n', false],
  ['1.1', 'Connection: keep-alive\r\nConnection: close\r\n', false],
  ['1.0', '', false],
  ['1.0', 'Connection: Keep-Alive\r\n', true],
  ['1.0', 'Connection: keep-alive, close\r\n', false],
]

for (const [version, lines, expected] of KEEP_ALIVE) {
  test(`parse() ${expected ? 'keeps' : 'ends'} HTTP/${version} when sent ${JSON.stringify(lines)}`, () => {
    assert.equal(parse(`GET / HTTP/${version}\r\nHost: a\r\n${lines}\r\n`).head.keepAlive, expected)
  })
}

test('parse() lets only WebSocket upgrade', () => {
  const upgrade = (lines: string) => parse(get(lines)).head.upgradesToWebsocket
  assert.equal(upgrade('Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n'), true)
  assert.equal(upgrade('Connection: Upgrade\r\nUpgrade: h2c\r\n'), false)
  assert.equal(upgrade('Upgrade: websocket\r\n'), false)
  assert.equal(upgrade('Connection: Upgrade\r\n'), false)
})

test('isNamed() compares without case and nothing else', () => {
  const { head } = parse(get('X-^~: 1\r\nX-~^: 2\r\nX_A: 3\r\n'))
  assert.equal(head.find('x-^~'), '1')
  assert.equal(head.find('x-~^'), '2')
  assert.equal(head.find('x-a'), undefined)
})
