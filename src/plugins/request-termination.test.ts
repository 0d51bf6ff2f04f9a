/** request-termination: answers, triggers, echo and the rules of its configuration. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configOf, FakeExchange, prepared, type FakeExchangeOptions } from '../../test/kit/plugin-exchange.ts'
import requestTermination from './request-termination.ts'

const cases: [config: object, reply: object][] = [
  [{}, { status: 503, body: { message: 'Service unavailable' } }],
  [{ status_code: 401 }, { status: 401, body: { message: 'Unauthorized' } }],
  [{ status_code: 404 }, { status: 404, body: { message: 'Not found' } }],
  [{ status_code: 405 }, { status: 405, body: { message: 'Method not allowed' } }],
  [{ status_code: 500 }, { status: 500, body: { message: 'An unexpected error occurred' } }],
  [{ status_code: 502 }, { status: 502, body: { message: 'Bad Gateway' } }],
  [{ status_code: 204 }, { status: 204 }],
  [
    { status_code: 403, message: 'So long' },
    { status: 403, body: { message: 'So long' } },
  ],
  [{ body: 'plain' }, { status: 503, body: 'plain', headers: {} }],
  [
    { status_code: 418, body: '<x/>', content_type: 'application/xml' },
    { status: 418, body: '<x/>', headers: { 'Content-Type': 'application/xml' } },
  ],
]
for (const [config, reply] of cases) {
  test(`request-termination answers ${JSON.stringify(reply)} when configured ${JSON.stringify(config)}`, async () => {
    assert.deepEqual(await new FakeExchange().access(prepared(requestTermination, config)), reply)
  })
}

const triggers: [request: FakeExchangeOptions, answered: boolean][] = [
  [{}, false],
  [{ headers: { 'X-Stop': '1' } }, true],
  [{ query: 'x-stop' }, true],
  [{ query: 'x-stop=1' }, true],
  [{ query: 'other=x-stop' }, false],
]
for (const [request, answered] of triggers) {
  test(`request-termination ${answered ? 'answers' : 'passes'} with a trigger when sent ${JSON.stringify(request)}`, async () => {
    const reply = await new FakeExchange(request).access(prepared(requestTermination, { trigger: 'x-stop' }))
    assert.equal(reply !== undefined, answered)
  })
}

test('request-termination describes the request when echo is on', async () => {
  const exchange = new FakeExchange({
    method: 'POST',
    path: '/a',
    query: 'x=1&y&x=2',
    headers: { 'content-type': 'application/json', 'x-a': ['1', '2'] },
    body: '{"a":1}',
    uriCaptures: { 0: '/a', 1: 'a', id: 'a' },
    route: { id: 'r' },
    service: { id: 's' },
  })
  const reply = await exchange.access(prepared(requestTermination, { echo: true, status_code: 404 }))
  assert.deepEqual(reply, {
    status: 404,
    body: {
      message: 'Not found',
      kong: { node_id: '4b6fa5a6-6bd0-4be5-8a3c-6a5f4f0f3c11', worker_pid: process.pid, hostname: 'node-1' },
      request: {
        scheme: 'http',
        host: 'example.test',
        port: 8000,
        headers: { 'content-type': 'application/json', 'x-a': ['1', '2'] },
        query: { x: ['1', '2'], y: true },
        body: { a: 1 },
        raw_body: '{"a":1}',
        method: 'POST',
        path: '/a',
        uri_captures: { named: { id: 'a' }, unnamed: ['a'] },
      },
      matched_route: { id: 'r' },
      matched_service: { id: 's' },
    },
  })
})

const rules: [config: object, message: string | null][] = [
  [{}, null],
  [{ message: 'm' }, null],
  [{ body: 'b', content_type: 't' }, null],
  [{ message: 'm', body: 'b' }, 'message cannot be used with content_type or body'],
  [{ message: 'm', content_type: 't' }, 'message cannot be used with content_type or body'],
  [{ content_type: 't' }, 'content_type requires a body'],
  [{ echo: true, body: 'b' }, 'echo cannot be used with content_type and body'],
  [{ echo: true, message: 'm' }, null],
]
for (const [config, message] of rules) {
  test(`config_validator() says ${message} when given ${JSON.stringify(config)}`, () => {
    assert.equal(requestTermination.config_validator?.(configOf(requestTermination, config)), message)
  })
}
