import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aGateway } from '../../test/kit/proxy-gateway.ts'
import { aClient, aRawUpstream, exchangeRaw, okAnswer } from '../../test/kit/raw-http.ts'

for (const rawAccept of [true, false]) {
  test(`attach() proxies GET and POST when connections are accepted ${rawAccept ? 'raw' : 'by events'}`, async t => {
    const upstream = await aRawUpstream(t, request => okAnswer(request))
    const gateway = await aGateway(t, { routes: [{ path: '/echo', ports: [upstream.port] }], rawAccept })
    const client = await aClient(t, gateway.port)
    const got = await client.send('GET /echo/a?b=c HTTP/1.1\r\nHost: a.test:81\r\nX-A: 1\r\n\r\n').answer()
    assert.equal(got.status, 200)
    assert.equal(got.headers['connection'], 'keep-alive')
    assert.equal(got.headers['via'], '1.1 kong/3.9.1')
    const id = got.headers['x-kong-request-id']!
    assert.match(id, /^[0-9a-f]{32}$/)
    assert.equal(
      got.body,
      `GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:${upstream.port}\r\nConnection: keep-alive\r\n` +
        `X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: ${gateway.port}\r\n` +
        'X-Forwarded-Host: a.test\r\nX-Forwarded-Path: /echo/a\r\nX-Forwarded-Prefix: /echo\r\n' +
        `X-Real-IP: 127.0.0.1\r\nVia: 1.1 kong/3.9.1\r\nX-Kong-Request-Id: ${id}\r\nX-A: 1\r\n\r\n`,
    )
    const posted = await client.send('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc').answer()
    assert.ok(posted.body.endsWith('\r\n\r\nabc'))
    assert.match(posted.body, /\r\nContent-Length: 3\r\n/)
    assert.equal(upstream.connections, 1)
    assert.equal(gateway.accessLog.length, 2)
  })
}

test('attach() answers 404 when no route matches', async t => {
  const gateway = await aGateway(t, {})
  const got = await exchangeRaw(t, gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.equal(got.status, 404)
  assert.match(got.body, /no Route matched with those values/)
})
