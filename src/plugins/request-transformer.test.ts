/** request-transformer: each step on each part of a request, templates, and what is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  configOf,
  FakeExchange,
  fakeTools,
  prepared,
  type FakeExchangeOptions,
} from '../../test/kit/plugin-exchange.ts'
import requestTransformer from './request-transformer.ts'

async function run(config: object, request: FakeExchangeOptions) {
  const exchange = new FakeExchange(request)
  const reply = await exchange.access(prepared(requestTransformer, config))
  const { upstreamRequest: upstream } = exchange
  const body = upstream.replacedBody === null ? null : String(upstream.replacedBody)
  const query = upstream.arguments.map(([name, value]) => (value === null ? name : `${name}=${value}`)).join('&')
  return { reply, headers: upstream.headers(), query, body, method: upstream.method, path: upstream.path }
}

const headerCases: [config: object, sent: Record<string, string | string[]>, expected: object][] = [
  [{ remove: { headers: ['X-A'] } }, { 'x-a': '1', 'x-b': '2' }, { 'x-b': '2' }],
  [{ remove: { headers: ['host'] } }, { host: 'h' }, { host: 'h' }],
  [{ rename: { headers: ['x-old:x-new'] } }, { 'X-Old': '1' }, { 'x-new': '1' }],
  [{ rename: { headers: ['x-old:x-new'] } }, { 'X-Old': '1', 'x-new': '2' }, { 'x-new': '1' }],
  [{ rename: { headers: ['x-old:x-new'] } }, { 'x-new': '2' }, { 'x-new': '2' }],
  [{ rename: { headers: ['x-old:x-new'] } }, { 'x-old': ['1', '2'] }, { 'x-new': ['1', '2'] }],
  [{ replace: { headers: ['user-agent:zz'] } }, { 'User-Agent': 'aa' }, { 'user-agent': 'zz' }],
  [{ replace: { headers: ['user-agent:zz'] } }, {}, {}],
  [{ replace: { headers: ['host:h2'] } }, { host: 'h' }, { host: 'h2' }],
  [{ replace: { headers: ['x-a:'] } }, { 'x-a': '1' }, { 'x-a': '1' }],
  [{ add: { headers: ['x-a:1', 'x-b:2'] } }, { 'x-a': '0' }, { 'x-a': '0', 'x-b': '2' }],
  [{ add: { headers: ['host:h2'] } }, {}, {}],
  [{ add: { headers: ['x-url:http://a:1'] } }, {}, { 'x-url': 'http://a:1' }],
  [{ append: { headers: ['x-a:2', 'x-b:3'] } }, { 'x-a': '1' }, { 'x-a': ['1', '2'], 'x-b': '3' }],
  [
    { remove: { headers: ['x-a'] }, add: { headers: ['x-a:new'] }, append: { headers: ['x-a:more'] } },
    { 'x-a': 'old' },
    { 'x-a': ['new', 'more'] },
  ],
]
for (const [config, sent, expected] of headerCases) {
  test(`request-transformer ${JSON.stringify(config)} makes ${JSON.stringify(expected)} of ${JSON.stringify(sent)}`, async () => {
    const { headers, reply } = await run(config, { headers: sent })
    assert.equal(reply, undefined)
    assert.deepEqual(headers, expected)
  })
}

const queryCases: [config: object, sent: string, expected: string][] = [
  [{ remove: { querystring: ['a'] } }, 'a=1&b=2&a=3', 'b=2'],
  [{ rename: { querystring: ['a:z'] } }, 'a=1&b=2', 'b=2&z=1'],
  [{ replace: { querystring: ['a:9', 'c:9'] } }, 'a=1&b=2', 'a=9&b=2'],
  [{ add: { querystring: ['a:9', 'c:9'] } }, 'a=1', 'a=1&c=9'],
  [{ append: { querystring: ['a:9', 'c:9'] } }, 'a=1', 'a=1&a=9&c=9'],
  [{ add: { querystring: ['c:9'] } }, 'b&a=', 'a=&b&c=9'],
  [{ add: { headers: ['x:1'] } }, 'b=1&a=2', 'b=1&a=2'],
]
for (const [config, sent, expected] of queryCases) {
  test(`request-transformer ${JSON.stringify(config)} makes ?${expected} of ?${sent}`, async () => {
    assert.equal((await run(config, { query: sent })).query, expected)
  })
}

const json = 'application/json; charset=utf-8'
const form = 'application/x-www-form-urlencoded'
const multipart = 'multipart/form-data; boundary="X Y"'
const part = (name: string, value: string) =>
  `--X Y\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
const bodyCases: [config: object, type: string, sent: string, expected: string | null][] = [
  [{ remove: { body: ['a'] } }, json, '{"a":1,"b":2}', '{"b":2}'],
  [{ rename: { body: ['a:z'] } }, json, '{"a":{"x":1}}', '{"z":{"x":1}}'],
  [{ replace: { body: ['a:9', 'c:9'] } }, json, '{"a":null,"b":2}', '{"a":"9","b":2}'],
  [{ replace: { body: ['a:9'] } }, json, '{"a":false}', null],
  [{ add: { body: ['a:9', 'c:9'] } }, json, '{"a":1}', '{"a":1,"c":"9"}'],
  [{ add: { body: ['a:9'] } }, json, '', '{"a":"9"}'],
  [{ remove: { body: ['a'] } }, json, '', null],
  [{ append: { body: ['a:9', 'l:9', 'n:9'] } }, json, '{"a":"1","l":[1]}', '{"a":["1","9"],"l":[1,"9"],"n":["9"]}'],
  [{ add: { body: ['a:9'] } }, json, 'not json', null],
  [{ add: { body: ['a:9'] } }, json, '[1,2]', null],
  [{ add: { body: ['a:9'] } }, 'text/plain', 'x', null],
  [{ remove: { body: ['a'] }, add: { body: ['c:9'] } }, form, 'a=1&b=2', 'b=2&c=9'],
  [{ rename: { body: ['a:z'] }, append: { body: ['b:3'] } }, form, 'a=1&b=2', 'b=2&b=3&z=1'],
  [{ replace: { body: ['a:x y&'] } }, form, 'a=1', 'a=x%20y%26'],
  [
    { rename: { body: ['a:z'] }, remove: { body: ['b'] }, add: { body: ['c:9'] } },
    multipart,
    `${part('a', '1')}${part('b', '2')}--X Y--\r\n`,
    `${part('z', '1')}${part('c', '9')}--X Y--\r\n`,
  ],
  [{ append: { body: ['a:9'] } }, multipart, `${part('a', '1')}--X Y--\r\n`, null],
  [{ add: { body: ['c:9'] } }, multipart, 'no parts at all', null],
  [{ add: { body: ['c:9'] } }, multipart, '', `${part('c', '9')}--X Y--\r\n`],
  [{ add: { body: ['c:9'] } }, 'multipart/form-data', '', null],
]
for (const [config, type, sent, expected] of bodyCases) {
  test(`request-transformer ${JSON.stringify(config)} makes ${expected} of ${JSON.stringify(sent)} (${type})`, async () => {
    const { body } = await run(config, { method: 'POST', headers: { 'content-type': type }, body: sent })
    assert.equal(body, expected)
  })
}

test('request-transformer changes a body that another plugin put in place', async () => {
  const exchange = new FakeExchange({ method: 'POST', headers: { 'content-type': json }, body: '{"key":"secret"}' })
  exchange.upstreamRequest.setBody('{}')
  await exchange.access(prepared(requestTransformer, { add: { body: ['a:1'] } }))
  assert.equal(exchange.upstreamRequest.replacedBody, '{"a":"1"}')
})

test('request-transformer changes method and path', async () => {
  const { method, path } = await run(
    { http_method: 'PUT', replace: { uri: '/new/$(uri_captures.id)' } },
    { uriCaptures: { id: '7' } },
  )
  assert.equal(method, 'PUT')
  assert.equal(path, '/new/7')
})

test('request-transformer moves a form to the query when the method becomes one without body', async () => {
  const request = { method: 'POST', headers: { 'content-type': form }, body: 'a=1&b=2&b=3', query: 'b=0' }
  assert.equal((await run({ http_method: 'GET' }, request)).query, 'a=1&b=0&b=2&b=3')
  assert.equal((await run({ http_method: 'PUT' }, request)).query, 'b=0')
})

test('request-transformer renders templates with what earlier plugins left', async () => {
  const exchange = new FakeExchange({ headers: { 'x-a': '1' }, query: 'q=2', uriCaptures: { 1: 'one' } })
  exchange.upstreamRequest.setHeader('X-Consumer-Username', 'alice')
  exchange.shared['note'] = 'n'
  const values = [
    'x-user:$(headers["x-consumer-username"])',
    'x-under:$(headers.x_a)',
    'x-query:$(query_params.q)-$(uri_captures[1])',
    'x-shared:$(shared.note)',
    "x-default:$(headers['x-none'] or 'none')",
    'x-nil:[$(headers["x-none"])]',
  ]
  const config = { rename: { headers: ['x-a:x-gone'] }, add: { headers: values } }
  assert.equal(await exchange.access(prepared(requestTransformer, config)), undefined)
  const { headers } = exchange.upstreamRequest
  assert.deepEqual(headers.call(exchange.upstreamRequest), {
    'x-consumer-username': 'alice',
    'x-gone': '1',
    'x-user': 'alice',
    'x-under': '1',
    'x-query': '2-one',
    'x-shared': 'n',
    'x-default': 'none',
    'x-nil': '[]',
  })
})

test('request-transformer renders query values with headers as they were before it removes or replaces them', async () => {
  const exchange = new FakeExchange({ headers: { 'x-gone': 'a', 'x-new': 'b' } })
  const config = {
    remove: { headers: ['x-gone'] },
    replace: { headers: ['x-new:c'] },
    add: { querystring: ['one:$(headers["x-gone"])', 'two:$(headers["x-new"])'] },
  }
  assert.equal(await exchange.access(prepared(requestTransformer, config)), undefined)
  assert.deepEqual(exchange.upstreamRequest.queryArguments(), [
    ['one', 'a'],
    ['two', 'b'],
  ])
  assert.equal(exchange.upstreamRequest.header('x-gone'), undefined)
})

test('request-transformer answers 500 and logs when a template fails', async () => {
  const tools = fakeTools()
  const config = { add: { headers: ['x-a:$(shared.missing.member)'] } }
  const reply = await new FakeExchange().access(prepared(requestTransformer, config, tools))
  assert.deepEqual(reply, { status: 500, body: { message: 'An unexpected error occurred' }, negotiate: true })
  assert.match(tools.logged.join(), /attempt to index a nil value with 'member'/)
})

const elements = (group: 'remove' | 'rename' | 'replace' | 'add', part: string) =>
  requestTransformer.config[group].fields![part]!.elements!.custom_validator as (entry: string) => string | null
const refusals: [group: 'remove' | 'rename' | 'add', part: string, entry: string, message: RegExp | null][] = [
  ['add', 'headers', 'x-a:1', null],
  ['add', 'headers', 'x a:1', /^'x a' is not a valid header$/],
  ['remove', 'headers', 'x/a', /^'x\/a' is not a valid header$/],
  ['rename', 'headers', 'x-a:x b', /^'x b' is not a valid header$/],
  ['add', 'body', 'name', /^key 'name' has no value$/],
  ['add', 'querystring', 'name:', /^key 'name' has no value$/],
  ['add', 'querystring', 'name:$(os.exit())', /^value '.*' is not in supported format, error:/],
  ['add', 'querystring', 'name:$(headers.x', /missing \)/],
]
for (const [group, part, entry, message] of refusals) {
  test(`config of request-transformer ${message === null ? 'takes' : 'refuses'} ${entry} in ${group}.${part}`, () => {
    const error = elements(group, part)(entry)
    if (message === null) assert.equal(error, null)
    else assert.match(error!, message)
  })
}

test('config_validator() refuses templates in headers and path that cannot be run', () => {
  const check = (config: object) => requestTransformer.config_validator!(configOf(requestTransformer, config))
  assert.equal(check({ add: { headers: ['x:$(headers.a or "b")'] }, replace: { uri: '/$(uri_captures.a)' } }), null)
  const chunk = '$((function() return 1 end)())'
  assert.match(check({ add: { headers: [`x:${chunk}`] } })!, /'function' is not supported in a template/)
  assert.match(check({ replace: { uri: `/${chunk}` } })!, /'function' is not supported in a template/)
})

test('request-transformer takes templates in headers and path that are wrong in Kong too, and fails with each request', async () => {
  const wrong = ['$(nothing(headers.a))', '$(shared.x = true)', '$(headers.']
  for (const config of wrong.flatMap(text => [
    { add: { headers: [`x-a:${text}`] } },
    { replace: { uri: `/${text}` } },
  ])) {
    assert.equal(requestTransformer.config_validator!(configOf(requestTransformer, config)), null)
    const reply = await new FakeExchange().access(prepared(requestTransformer, config, fakeTools()))
    assert.equal(reply?.status, 500)
  }
})
