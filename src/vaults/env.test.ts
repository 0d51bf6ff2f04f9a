/** The `env` vault: how secrets are named among the environment variables. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import env from './env.ts'

const environment = { PG_PASSWORD: 'now', PG_PASSWORD_PREVIOUS: 'before', SSL_KEY_ONE: 'one', EMPTY: '' }

test('prepare() finds variables by upper-case name, with dashes as underscores, when they exist', async () => {
  const find = env.prepare({ prefix: null }, { environment })
  assert.equal(await find({ resource: 'pg-password', version: null }), 'now')
  assert.equal(await find({ resource: 'pg_password', version: 1 }), 'now')
  assert.equal(await find({ resource: 'PG-password', version: 2 }), 'before')
  assert.equal(await find({ resource: 'empty', version: null }), '')
  assert.equal(await find({ resource: 'nothing', version: null }), null)
})

test('prepare() puts the prefix before the name when it is configured', async () => {
  const find = env.prepare({ prefix: 'ssl-' }, { environment })
  assert.equal(await find({ resource: 'key-one', version: null }), 'one')
  assert.equal(await find({ resource: 'pg-password', version: null }), null)
})
