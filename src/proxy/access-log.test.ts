import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BUILT_IN_FORMATS, LOG_VARIABLES, type LogFormat, parseLogFormat } from '../base/log-format.ts'
import { aGateway } from '../../test/kit/proxy-gateway.ts'
import { aRawUpstream, exchangeRaw, okAnswer } from '../../test/kit/raw-http.ts'

function formatOf(text: string): LogFormat {
  const parsed = parseLogFormat(`f ${text}`)
  assert.ok(parsed.ok, text)
  return parsed.format
}

const request =
  'POST /a%20b?x=1&y=%22 HTTP/1.1\r\nHost: Front.test:81\r\nUser-Agent: the "agent"\r\nCookie: c=d\r\nX-One: 1\r\n' +
  'Authorization: Basic Ym9iOnNlY3JldA==\r\nContent-Type: text/x\r\nContent-Length: 5\r\n\r\nhello'

const LINES: readonly (readonly [format: string, line: RegExp])[] = [
  [`'$remote_addr $remote_user $scheme $server_port'`, /^127\.0\.0\.1 bob http \d+$/],
  [
    `'$request|$request_method|$request_uri|$uri|$args|$is_args'`,
    /^POST \/a%20b\?x=1&y=%22 HTTP\/1\.1\|POST\|\/a%20b\?x=1&y=%22\|\/a b\|x=1&y=%22\|\?$/,
  ],
  [`'$status $body_bytes_sent $request_length'`, /^200 2 \d{3}$/],
  [`'$http_user_agent|$http_x_one|$http_none'`, /^the \\x22agent\\x22\|1\|-$/],
  [`escape=json '{"agent":"$http_user_agent","none":"$http_none"}'`, /^\{"agent":"the \\"agent\\"","none":""\}$/],
  [`escape=none '$http_user_agent'`, /^the "agent"$/],
  [`'$arg_x $arg_y $arg_z $cookie_c'`, /^1 \\x22 - d$/],
  [`'$host $http_host $content_type $content_length'`, /^front\.test Front\.test:81 text\/x 5$/],
  [
    `'$upstream_addr $upstream_status $upstream_response_time $upstream_header_time'`,
    /^127\.0\.0\.1:\d+ 200 \d\.\d{3} \d\.\d{3}$/,
  ],
  [`'$sent_http_content_length $sent_http_x_up'`, /^2 yes$/],
  [`'$kong_request_id $kong_route_id $kong_service_name $kong_consumer_id'`, /^[0-9a-f]{32} route-0 a-service -$/],
  [
    `'$time_iso8601 [$time_local] $msec $request_time'`,
    /^\d{4}-\d\d-\d\dT[\d:]{8}[+-]\d\d:\d\d \[\d\d\/\w{3}\/\d{4}:[\d:]{8} [+-]\d{4}\] \d+\.\d{3} \d\.\d{3}$/,
  ],
]

test('each variable of a log format has its value', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok', 'X-Up: yes\r\n'))
  for (const [text, line] of LINES) {
    const gateway = await aGateway(t, {
      routes: [{ ports: [upstream.port] }],
      settings: { accessLogFormat: formatOf(text) },
    })
    await exchangeRaw(t, gateway.port, request)
    assert.equal(gateway.accessLog.length, 1)
    assert.match(gateway.accessLog[0]!, line, text)
  }
  const all = LOG_VARIABLES.map(name => `$${name}`).join('|')
  const gateway = await aGateway(t, { settings: { accessLogFormat: formatOf(`'${all}'`) } })
  await exchangeRaw(t, gateway.port, request)
  assert.equal(gateway.accessLog[0]!.split('|').length, LOG_VARIABLES.length)
  assert.doesNotMatch(gateway.accessLog[0]!, /undefined|null|NaN|\[object/)
})

test('lines of the format json are JSON, whatever the client sends', async t => {
  const upstream = await aRawUpstream(t, () => okAnswer('ok'))
  const gateway = await aGateway(t, {
    routes: [{ ports: [upstream.port] }],
    settings: { accessLogFormat: BUILT_IN_FORMATS['json']! },
  })
  await exchangeRaw(t, gateway.port, 'GET /\\"? HTTP/1.1\r\nHost: a\r\nUser-Agent: "\\\t\xe4}\r\n\r\n')
  await exchangeRaw(t, gateway.port, 'nonsense\r\n\r\n')
  const [good, refused] = gateway.accessLog.map(line => JSON.parse(line))
  assert.deepEqual([good.status, good.uri, good.user_agent, good.route_id], [200, '/\\"?', '"\\\t\xe4}', 'route-0'])
  assert.deepEqual([refused.status, refused.client_ip, refused.uri], [400, '127.0.0.1', ''])
})

for (const [what, head, line] of [
  ['a head at fault', 'GET /a?b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 'GET /a?b HTTP/1.1'],
  ['a line at fault', 'GET  /a HTTP/1.1\r\nHost: a\r\n\r\n', 'GET'],
  ['a line that is too long', `POST /${'a'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 'POST'],
  ['no method', 'a"b\r\n\r\n', '-'],
] as const) {
  test(`a request that is refused for ${what} has a line in the access log, too`, async t => {
    const gateway = await aGateway(t, {})
    const got = await exchangeRaw(t, gateway.port, head)
    const ending = `"${line}" ${got.status} ${got.body.length} "-" "-" kong_request_id: "${got.headers['x-kong-request-id']}"`
    assert.match(gateway.accessLog[0]!, /^127\.0\.0\.1 - - \[[^\]]+\] "/)
    assert.ok(gateway.accessLog[0]!.endsWith(ending), gateway.accessLog[0]!)
  })
}
