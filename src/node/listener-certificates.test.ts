/** Tests of the certificates that listeners get from the settings. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSecureContext } from 'node:tls'
import { selfSignedPair } from '../../test/kit/certificate-pair.ts'
import type { Settings } from '../settings/definition.ts'
import { listenerCertificates } from './proxy-settings-from.ts'

test('listenerCertificates() keeps the last certificate of each type of key, so that a listener can use them', () => {
  const pairs = [selfSignedPair('a.test', 'rsa'), selfSignedPair('b.test', 'ec'), selfSignedPair('c.test', 'rsa')]
  const settings = { ssl_cert: pairs.map(({ cert }) => cert), ssl_cert_key: pairs.map(({ key }) => key) }
  const kept = listenerCertificates(settings as unknown as Settings, 'proxy')
  assert.deepEqual(new Set(kept.map(({ cert }) => cert)), new Set([pairs[1]!.cert, pairs[2]!.cert]))
  createSecureContext({ cert: kept.map(({ cert }) => cert), key: kept.map(({ key }) => key) })
})
