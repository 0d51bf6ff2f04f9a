/** Kong's syntax of listeners. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatListen, listenUsage, parseEndpoint, parseListen } from './listen-address.ts'

const address = { ssl: false, http2: false, proxyProtocol: false, reuseport: false, backlog: null, ipv6only: true }

const GOOD: readonly [text: string, expected: readonly object[]][] = [
  ['off', []],
  ['off, 1.2.3.4:80', []],
  ['0.0.0.0:8000', [{ ...address, host: '0.0.0.0', port: 8000 }]],
  ['[::]:80 ipv6only=off', [{ ...address, host: '::', port: 80, ipv6only: false }]],
  [
    'name.example:1 deferred bind so_keepalive=on',
    [
      {
        ...address,
        host: 'name.example',
        port: 1,
        deferred: true,
        keepalive: { isOn: true, idleS: null, intervalS: null, count: null },
      },
    ],
  ],
  [
    '127.0.0.1:8443 http2 ssl  reuseport backlog=16384 proxy_protocol so_keepalive=30m:1:10 ,[::1]:0',
    [
      {
        ...address,
        host: '127.0.0.1',
        port: 8443,
        http2: true,
        ssl: true,
        reuseport: true,
        backlog: 16384,
        proxyProtocol: true,
        keepalive: { isOn: true, idleS: 1800, intervalS: 1, count: 10 },
      },
      { ...address, host: '::1', port: 0 },
    ],
  ],
]
for (const [text, expected] of GOOD) {
  test(`parseListen() reads ${text}`, () => assert.deepEqual(parseListen(text, 'http'), expected))
}

const BAD = [
  '',
  '8000',
  '0.0.0.0',
  ':80',
  '1.2.3.4:80 sl',
  '1.2.3.4:99999',
  '::1:80',
  '[1.2.3.4]:80',
  '1.2.3:80',
  '1.2.3.4:80,',
  'a:80 udp',
  'a:80 backlog=x',
  'a:80 so_keepalive=x::',
  'http://a:80',
  'unix:relative',
  `unix:/${'a'.repeat(107)}`,
]
for (const text of BAD) test(`parseListen() refuses '${text}'`, () => assert.equal(parseListen(text, 'http'), null))

test('parseListen() takes the path of a socket', () => {
  const [socket] = parseListen(`unix:/${'a'.repeat(106)}`, 'http')!
  assert.equal(socket!.port, 0)
  assert.equal(formatListen(socket!), `unix:/${'a'.repeat(106)}`)
})

test('parseListen() takes the flags of its subsystem only', () => {
  assert.equal(parseListen('1.2.3.4:53 udp', 'stream')?.length, 1)
  assert.equal(parseListen('1.2.3.4:53 http2', 'stream'), null)
  assert.match(
    listenUsage('stream'),
    /^must be of form: \[off\] \| <ip>:<port> \[udp\] \[ssl\] .* \[\.{3} next entry \.{3}\]$/,
  )
})

test('parseEndpoint() refuses what is no host with a port', () => {
  assert.deepEqual(parseEndpoint('[2001:db8::1]:443'), { host: '2001:db8::1', port: 443 })
  for (const text of ['a', 'a:', ':1', 'a b:1', 'a/b:1', '[zz]:1', '256.1.1.1:1'])
    assert.equal(parseEndpoint(text), null, text)
})

test('formatListen() prints an address as Kong lists it', () => {
  const [one, two] = parseListen('127.0.0.1:8443 http2 ssl reuseport backlog=5, [::1]:80', 'http')!
  assert.equal(formatListen(one!), '127.0.0.1:8443 ssl reuseport backlog=5')
  assert.equal(formatListen(two!), '[::1]:80')
})
