import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseListen } from '../settings/listen-address.ts'
import { listenerUrl } from './admin-client.ts'

for (const [text, url] of [
  ['off', null],
  ['127.0.0.1:8001, 127.0.0.1:8444 ssl', 'http://127.0.0.1:8001'],
  ['127.0.0.1:8444 ssl, 127.0.0.1:8001', 'http://127.0.0.1:8001'],
  ['[::]:8444 ssl http2', 'https://[::1]:8444'],
  ['0.0.0.0:8001', 'http://127.0.0.1:8001'],
  ['unix:/a.sock', 'unix:/a.sock'],
  ['10.0.0.1:8001 proxy_protocol, 127.0.0.1:8444 ssl', 'https://127.0.0.1:8444'],
] as const)
  test(`listenerUrl() of '${text}' is ${url}`, () => assert.equal(listenerUrl(parseListen(text, 'http')!), url))

test('listenerUrl() says so when only load balancers can speak to the node', () => {
  const listeners = parseListen('10.0.0.1:8001 proxy_protocol', 'http')!
  assert.throws(() => listenerUrl(listeners), /an address without proxy_protocol.*beside 10\.0\.0\.1:8001$/)
})
