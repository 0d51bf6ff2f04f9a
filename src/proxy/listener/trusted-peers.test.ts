import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTrustedPeers } from './trusted-peers.ts'

const TRUSTED = ['10.0.0.0/8', '::1', '192.0.2.7']

/** As nginx's realip module: the last address; recursively, the last that is not trusted. */
const CASES: readonly (readonly [values: readonly string[], recursive: boolean, client: string])[] = [
  [['198.51.100.1'], false, '198.51.100.1'],
  [['198.51.100.1, 10.0.0.2'], false, '10.0.0.2'],
  [['198.51.100.1, 10.0.0.2'], true, '198.51.100.1'],
  [['198.51.100.1, 203.0.113.9, 10.0.0.2'], true, '203.0.113.9'],
  [['198.51.100.1', '10.0.0.2', '192.0.2.7'], true, '198.51.100.1'],
  [['10.0.0.3, 10.0.0.2'], true, '10.0.0.3'],
  [['198.51.100.1:4711'], false, '198.51.100.1'],
  [['[2001:db8::1]:4711, ::1'], true, '2001:db8::1'],
  [['2001:db8::1'], false, '2001:db8::1'],
  [['nonsense'], false, '10.0.0.1'],
  [['198.51.100.1, nonsense, 10.0.0.2'], true, '10.0.0.2'],
  [[''], false, '10.0.0.1'],
]

for (const [values, realIpRecursive, client] of CASES) {
  test(`clientIp() is ${client} when given ${values.join(' / ')}${realIpRecursive ? ', recursively' : ''}`, () => {
    const peers = createTrustedPeers({ trustedIps: TRUSTED, realIpHeader: 'X-Forwarded-For', realIpRecursive })
    assert.equal(peers.clientIp('10.0.0.1', values), client)
  })
}

test('isTrusted() takes addresses and ranges of both families, and nothing that is no address', () => {
  const peers = createTrustedPeers({ trustedIps: TRUSTED, realIpHeader: 'X-Real-IP', realIpRecursive: false })
  for (const address of ['10.255.0.1', '::1', '192.0.2.7']) assert.ok(peers.isTrusted(address), address)
  for (const address of ['11.0.0.1', '::2', '192.0.2.8', '', 'unix:']) assert.ok(!peers.isTrusted(address), address)
})
