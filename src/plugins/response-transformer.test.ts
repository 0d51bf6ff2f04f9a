/** response-transformer: steps on headers and JSON bodies, and bodies that stay as they are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeExchange, fakeTools, prepared, type FakeExchangeOptions } from '../../test/kit/plugin-exchange.ts'
import responseTransformer from './response-transformer.ts'

const headerCases: [config: object, came: Record<string, string | string[]>, expected: object][] = [
  [{ remove: { headers: ['Server'] } }, { server: 'x', a: '1' }, { a: '1' }],
  [{ remove: { headers: ['set-cookie'] } }, { 'set-cookie': ['a=1', 'b=2'] }, {}],
  [{ rename: { headers: ['x-old:x-new'] } }, { 'X-Old': '1' }, { 'x-new': '1' }],
  [{ rename: { headers: ['x-old:x-new'] } }, { 'x-old': ['1', '2'] }, { 'x-new': ['1', '2'] }],
  [{ rename: { headers: ['x-old:x-new'] } }, { a: '1' }, { a: '1' }],
  [{ replace: { headers: ['content-type:text/x'] } }, { 'content-type': 'text/plain' }, { 'content-type': 'text/x' }],
  [{ replace: { headers: ['x-a:1'] } }, {}, {}],
  [{ add: { headers: ['x-a:1', 'x-b:a:b'] } }, { 'x-a': '0' }, { 'x-a': '0', 'x-b': 'a:b' }],
  [{ append: { headers: ['x-a:1', 'x-b:2'] } }, { 'x-a': '0' }, { 'x-a': ['0', '1'], 'x-b': '2' }],
  // Kong judges presence by the response as it came.
  [{ remove: { headers: ['x-a'] }, add: { headers: ['x-a:1'] } }, { 'x-a': '0' }, {}],
]
for (const [config, responseHeaders, expected] of headerCases) {
  test(`response-transformer ${JSON.stringify(config)} makes ${JSON.stringify(expected)} of ${JSON.stringify(responseHeaders)}`, () => {
    const exchange = new FakeExchange({ responseHeaders })
    exchange.headerFilter(prepared(responseTransformer, config))
    assert.deepEqual(exchange.response.headers(), expected)
  })
}

const json = { 'content-type': 'application/json' }
async function transformed(config: object, responseBody: string, options: FakeExchangeOptions = {}): Promise<string> {
  const exchange = new FakeExchange({ responseHeaders: json, responseBody, ...options })
  exchange.headerFilter(prepared(responseTransformer, config))
  return exchange.transformedBody()
}

const bodyCases: [config: object, came: string, expected: string][] = [
  [{ remove: { json: ['a'] } }, '{"a":1,"b":2}', '{"b":2}'],
  [{ rename: { json: ['a:z'] } }, '{"a":[1]}', '{"z":[1]}'],
  [{ rename: { json: ['a:a'] } }, '{"a":1}', '{"a":1}'],
  [{ replace: { json: ['a:9', 'c:9'] } }, '{"a":1}', '{"a":"9"}'],
  [{ replace: { json: ['a:9'] } }, '{"a":false}', '{"a":false}'],
  [{ replace: { json: ['a:9'] } }, '{"a":null}', '{"a":"9"}'],
  [{ add: { json: ['a:9', 'c:9'] } }, '{"a":1}', '{"a":1,"c":"9"}'],
  [{ add: { json: ['a:9'] } }, '{"a":false}', '{"a":"9"}'],
  [{ append: { json: ['a:9', 'l:9', 'n:9'] } }, '{"a":"1","l":[1]}', '{"a":["1","9"],"l":[1,"9"],"n":["9"]}'],
  [{ append: { json: ['a:9'] } }, '{"a":5}', '{"a":["9"]}'],
  [
    {
      add: { json: ['n:1.5', 'b:true', 's:1', 'f:no', 'x:1'], json_types: ['number', 'boolean', 'string', 'boolean'] },
    },
    '{}',
    '{"n":1.5,"b":true,"s":"1","f":false,"x":"1"}',
  ],
  [{ add: { json: ['n:word', 'm:2'], json_types: ['number', 'number'] } }, '{}', '{"m":2}'],
  [{ add: { json: ['q:say "hi"/'] } }, '{}', '{"q":"say \\"hi\\"/"}'],
  [{ add: { json: ['a:1'] } }, '[1,2]', '[1,2]'],
  [{ add: { json: ['a:1'] } }, 'no json', 'no json'],
  [{ add: { json: ['a:1'] } }, '5', '5'],
]
for (const [config, came, expected] of bodyCases) {
  test(`response-transformer ${JSON.stringify(config)} makes ${expected} of ${came}`, async () => {
    assert.equal(await transformed(config, came), expected)
  })
}

const types: [type: string | null, changes: boolean][] = [
  ['application/json', true],
  ['application/json; charset=utf-8', true],
  ['Application/JSON', true],
  ['application/problem+json', true],
  ['text/html, application/json', true],
  ['application/jsonx', false],
  ['text/plain', false],
  [null, false],
]
for (const [type, changes] of types) {
  test(`response-transformer ${changes ? 'changes' : 'keeps'} a body when its type is ${type}`, async () => {
    const responseHeaders: Record<string, string> = type === null ? {} : { 'content-type': type }
    const body = await transformed({ add: { json: ['a:1'] } }, '{}', { responseHeaders })
    assert.equal(body, changes ? '{"a":"1"}' : '{}')
  })
}

test('response-transformer asks for no body when it changes none, or there is none', () => {
  for (const [config, options] of [
    [{ add: { headers: ['a:1'] } }, {}],
    [{ add: { json: ['a:1'] } }, { method: 'HEAD' }],
  ] as const) {
    const exchange = new FakeExchange({ responseHeaders: json, ...options })
    exchange.headerFilter(prepared(responseTransformer, config))
    assert.equal(exchange.response.transforms.length, 0)
  }
})

test('response-transformer logs a warning when a body is not JSON', async () => {
  const tools = fakeTools()
  const exchange = new FakeExchange({ responseHeaders: json, responseBody: '{' })
  exchange.headerFilter(prepared(responseTransformer, { add: { json: ['a:1'] } }, tools))
  assert.equal(await exchange.transformedBody(), '{')
  assert.match(tools.logged.join(), /\[warn\].*failed parsing json body/)
})
