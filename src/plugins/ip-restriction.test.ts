/** ip-restriction: allow, deny, ranges of both families, refusals. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeExchange, fakeTools, prepared } from '../../test/kit/plugin-exchange.ts'
import ipRestriction from './ip-restriction.ts'

const cases: [config: object, clientIp: string, passes: boolean][] = [
  [{ deny: ['127.0.0.1'] }, '127.0.0.1', false],
  [{ deny: ['127.0.0.1'] }, '127.0.0.2', true],
  [{ allow: ['10.0.0.0/8'] }, '10.255.0.1', true],
  [{ allow: ['10.0.0.0/8'] }, '11.0.0.1', false],
  [{ allow: ['10.1.2.3/8'] }, '10.9.9.9', true],
  [{ allow: ['0.0.0.0/0'] }, '203.0.113.9', true],
  [{ allow: ['0.0.0.0/0'] }, '2001:db8::1', false],
  [{ allow: ['10.0.0.0/8'], deny: ['10.0.0.66'] }, '10.0.0.66', false],
  [{ allow: ['10.0.0.0/8'], deny: ['10.0.0.66'] }, '10.0.0.67', true],
  [{ allow: ['2001:db8::/32'] }, '2001:db8:1::5', true],
  [{ allow: ['2001:db8::/32'] }, '2001:db9::5', false],
  [{ deny: ['::1'] }, '::1', false],
  [{ allow: [], deny: ['::1'] }, '192.0.2.9', true],
]
for (const [config, clientIp, passes] of cases) {
  test(`ip-restriction ${passes ? 'passes' : 'refuses'} ${clientIp} when configured ${JSON.stringify(config)}`, async () => {
    const handlers = prepared(ipRestriction, config)
    for (let i = 0; i < 2; i++) {
      const reply = await new FakeExchange({ clientIp }).access(handlers)
      const message = `IP address not allowed: ${clientIp}`
      assert.deepEqual(reply, passes ? undefined : { status: 403, body: { message }, negotiate: true })
    }
  })
}

test('ip-restriction answers status and message when they are set, and logs the refusal', async () => {
  const tools = fakeTools()
  const handlers = prepared(ipRestriction, { allow: ['10.0.0.0/8'], status: 405, message: 'nah' }, tools)
  assert.deepEqual(await new FakeExchange().access(handlers), {
    status: 405,
    body: { message: 'nah' },
    negotiate: true,
  })
  assert.match(tools.logged.join(), /\[warn\].*nah/)
})

test('ip-restriction refuses a client without an address', async () => {
  for (const config of [{ allow: ['10.0.0.0/8'] }, { deny: ['10.0.0.0/8'] }]) {
    const reply = await new FakeExchange({ clientIp: 'unix:' }).access(prepared(ipRestriction, config))
    assert.equal(reply?.status, 403)
    const message = 'Cannot identify the client IP address, unix domain sockets are not supported.'
    assert.deepEqual(reply?.body, { message })
  }
})
