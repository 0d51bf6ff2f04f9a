/** A failed start names the setting to change. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadSettings } from '../settings/load.ts'
import { explainStartFailure } from './start-failure.ts'

test('explainStartFailure() names address and setting when the address is taken', () => {
  const env = { KONG_ADMIN_LISTEN: '127.0.0.1:7001', KONG_PROXY_LISTEN: '0.0.0.0:7000, 127.0.0.2:7001' }
  const loaded = loadSettings({ env, searchedFiles: [] })
  assert.ok(loaded.ok)
  const failure = (code: string, address: string, port: number) =>
    explainStartFailure(Object.assign(new Error('listen'), { code, address, port }), loaded.settings)
  assert.equal(
    failure('EADDRINUSE', '127.0.0.1', 7001),
    'admin_listen: address 127.0.0.1:7001 is already in use (choose another with admin_listen, or KONG_ADMIN_LISTEN)',
  )
  assert.match(failure('EADDRINUSE', '127.0.0.2', 7001), /^proxy_listen: /)
  assert.match(failure('EACCES', '0.0.0.0', 7000), /^proxy_listen: address 0\.0\.0\.0:7000 may not be opened/)
  assert.match(failure('EADDRNOTAVAIL', '::9', 1), /^a listener: address \[::9\]:1 is not an address of this machine$/)
  assert.equal(explainStartFailure(new Error('other'), loaded.settings), 'other')
})
