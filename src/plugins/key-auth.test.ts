/** key-auth: where keys are found, what refusals say, what reaches the upstream. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeExchange, fakeTools, prepared, type FakeExchangeOptions } from '../../test/kit/plugin-exchange.ts'
import keyAuth from './key-auth.ts'

const alice = { id: 'a11ce000-0000-4000-8000-000000000001', username: 'alice', custom_id: 'c1' }
const anon = { id: 'a11ce000-0000-4000-8000-000000000002', username: 'anon' }
const credential = { id: 'cred', key: 'k1', consumer: { id: alice.id } }
const orphan = { id: 'orphan', key: 'k2', consumer: { id: 'gone' } }
const tools = () => fakeTools({ rows: { consumers: [alice, anon], keyauth_credentials: [credential, orphan] } })

const json = { 'content-type': 'application/json' }
const form = { 'content-type': 'application/x-www-form-urlencoded' }
const multipart = { 'content-type': 'multipart/form-data; boundary=XX' }
const part = (name: string, value: string) =>
  `--XX\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
const noKey = 'No API key found in request'
const twice = 'Duplicate API key found'

const cases: [name: string, config: object, request: FakeExchangeOptions, outcome: 'alice' | string][] = [
  ['header', {}, { headers: { apikey: 'k1' } }, 'alice'],
  ['header in other case', {}, { headers: { ApiKey: 'k1' } }, 'alice'],
  ['query', {}, { query: 'apikey=k1' }, 'alice'],
  ['header before query', {}, { headers: { apikey: 'wrong' }, query: 'apikey=k1' }, 'Unauthorized'],
  ['no key', {}, {}, noKey],
  ['empty header', {}, { headers: { apikey: '' } }, noKey],
  ['empty query argument', {}, { query: 'apikey=' }, noKey],
  ['argument without value', {}, { query: 'apikey' }, noKey],
  [
    'argument without value, then the next name',
    { key_names: ['apikey', 'other'] },
    { query: 'apikey&other=k1' },
    'alice',
  ],
  ['unknown key', {}, { headers: { apikey: 'nope' } }, 'Unauthorized'],
  ['key of a consumer that is gone', {}, { headers: { apikey: 'k2' } }, 'Unauthorized'],
  ['repeated header', {}, { headers: { apikey: ['k1', 'k1'] } }, twice],
  ['repeated argument', {}, { query: 'apikey=k1&apikey=k1' }, twice],
  ['header disabled', { key_in_header: false }, { headers: { apikey: 'k1' } }, noKey],
  ['query disabled', { key_in_query: false }, { query: 'apikey=k1' }, noKey],
  ['second name', { key_names: ['x', 'apikey'] }, { headers: { apikey: 'k1' } }, 'alice'],
  ['first name decides', { key_names: ['x', 'apikey'] }, { headers: { apikey: 'k1', x: 'no' } }, 'Unauthorized'],
  ['body not looked at', {}, { headers: json, body: '{"apikey":"k1"}' }, noKey],
  ['JSON body', { key_in_body: true }, { headers: json, body: '{"apikey":"k1"}' }, 'alice'],
  ['JSON list', { key_in_body: true }, { headers: json, body: '{"apikey":["k1","k1"]}' }, twice],
  ['JSON number', { key_in_body: true }, { headers: json, body: '{"apikey":5}' }, noKey],
  ['not JSON', { key_in_body: true }, { headers: json, body: '{' }, noKey],
  ['form body', { key_in_body: true }, { headers: form, body: 'a=b&apikey=k1' }, 'alice'],
  ['repeated in the form', { key_in_body: true }, { headers: form, body: 'apikey=k1&apikey=k1' }, twice],
  ['multipart body', { key_in_body: true }, { headers: multipart, body: `${part('apikey', 'k1')}--XX--\r\n` }, 'alice'],
  [
    'body of another type',
    { key_in_body: true },
    { headers: { 'content-type': 'text/plain' }, body: 'apikey=k1' },
    noKey,
  ],
  ['header with key_in_body', { key_in_body: true }, { headers: { apikey: 'k1' } }, 'alice'],
  ['OPTIONS', {}, { method: 'OPTIONS' }, noKey],
]

for (const [name, config, request, outcome] of cases) {
  test(`key-auth answers as Kong when the request has: ${name}`, async () => {
    const exchange = new FakeExchange({ method: 'POST', ...request })
    const reply = await exchange.access(prepared(keyAuth, config, tools()))
    if (outcome === 'alice') {
      assert.equal(reply, undefined)
      assert.equal(exchange.consumer, alice)
      assert.equal(exchange.credential, credential)
      assert.equal(exchange.isAnonymous, false)
    } else {
      assert.deepEqual(reply, {
        status: 401,
        body: { message: outcome },
        headers: { 'WWW-Authenticate': 'Key' },
        negotiate: true,
      })
      assert.equal(exchange.consumer, null)
    }
  })
}

test('key-auth names its realm in the challenge when it has one', async () => {
  const reply = await new FakeExchange().access(prepared(keyAuth, { realm: 'my realm' }, tools()))
  assert.equal(reply?.headers?.['WWW-Authenticate'], 'Key realm="my realm"')
})

test('key-auth lets OPTIONS pass when run_on_preflight is off', async () => {
  const exchange = new FakeExchange({ method: 'OPTIONS' })
  assert.equal(await exchange.access(prepared(keyAuth, { run_on_preflight: false }, tools())), undefined)
  assert.equal(exchange.consumer, null)
})

test('key-auth answers synchronously when no body has to be read', () => {
  const handlers = prepared(keyAuth, {}, tools())
  const exchange = new FakeExchange({ headers: { apikey: 'k1' } })
  assert.equal(handlers.access?.(exchange as never), undefined)
  assert.equal(exchange.consumer, alice)
})

test('key-auth finds the credential when the store answers later', async () => {
  const handlers = prepared(keyAuth, {}, { ...tools(), find: (async () => credential) as never })
  const exchange = new FakeExchange({ headers: { apikey: 'k1' } })
  assert.equal(await exchange.access(handlers), undefined)
  assert.equal(exchange.consumer, alice)
})

test('key-auth hides the key from the upstream when hide_credentials is on', async () => {
  const config = { hide_credentials: true, key_in_body: true, key_names: ['apikey'] }
  const sent = { headers: { apikey: 'k1', other: '1' }, query: 'apikey=x&y=2' }
  const exchange = new FakeExchange(sent)
  await exchange.access(prepared(keyAuth, config, tools()))
  assert.deepEqual(exchange.upstreamRequest.fields, [['other', '1']])
  assert.deepEqual(exchange.upstreamRequest.arguments, [['y', '2']])
  const bodies: [Record<string, string>, string, string][] = [
    [json, '{"apikey":"k1","z":[1]}', '{"z":[1]}'],
    [form, 'b=2&apikey=k1&a=%20', 'a=%20&b=2'],
    [multipart, `${part('apikey', 'k1')}${part('z', '1')}--XX--\r\n`, `${part('z', '1')}--XX--\r\n`],
  ]
  for (const [headers, body, expected] of bodies) {
    const posted = new FakeExchange({ method: 'POST', headers, body })
    assert.equal(await posted.access(prepared(keyAuth, config, tools())), undefined)
    assert.equal(String(posted.upstreamRequest.replacedBody), expected)
  }
})

test('key-auth keeps the request as it is when hide_credentials is off', async () => {
  const exchange = new FakeExchange({ headers: { apikey: 'k1' }, query: 'a=1' })
  await exchange.access(prepared(keyAuth, {}, tools()))
  assert.equal(exchange.upstreamRequest.header('apikey'), 'k1')
})

for (const anonymous of [anon.id, anon.username]) {
  test(`key-auth goes on as the anonymous consumer when the key is missing or wrong (${anonymous})`, async () => {
    for (const request of [{}, { headers: { apikey: 'nope' } }, { headers: { apikey: ['a', 'b'] } }]) {
      const exchange = new FakeExchange(request)
      assert.equal(await exchange.access(prepared(keyAuth, { anonymous }, tools())), undefined)
      assert.equal(exchange.consumer, anon)
      assert.equal(exchange.credential, null)
      assert.equal(exchange.isAnonymous, true)
    }
  })
}

test('key-auth answers 500 when the anonymous consumer does not exist', async () => {
  const reply = await new FakeExchange().access(prepared(keyAuth, { anonymous: 'ghost' }, tools()))
  assert.equal(reply?.status, 500)
  assert.deepEqual(reply?.body, { message: "anonymous consumer ghost is configured but doesn't exist" })
})

test('key-auth leaves an authenticated request alone when anonymous is set, and checks it when not', async () => {
  const earlier = { consumer: alice, credential }
  const either = new FakeExchange(earlier)
  assert.equal(await either.access(prepared(keyAuth, { anonymous: anon.id }, tools())), undefined)
  assert.equal(either.consumer, alice)
  assert.equal((await new FakeExchange(earlier).access(prepared(keyAuth, {}, tools())))?.status, 401)
})
