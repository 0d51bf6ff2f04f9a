/** What holds at every endpoint: methods, HEAD, OPTIONS, types of body, headers, limits. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { silentLogger } from '../../../src/base/logger.ts'
import { type Admin, openAdmin } from './admin-fixture.ts'

let admin: Admin
before(async () => {
  admin = await openAdmin()
})
after(() => admin.close())

test('unknown paths and undefined methods have Kong’s bodies', async () => {
  const unknown = { status: 404, body: { message: 'Not found' } }
  const undefinedMethod = { status: 405, body: { message: 'Method not allowed' } }
  await admin.check([
    { ask: 'GET /nope', ...unknown },
    { ask: 'GET /nope/x/y/z', ...unknown },
    { ask: 'POST /nope', ...unknown },
    { ask: 'GET //services', ...unknown },
    { ask: 'GET /Services', ...unknown },
    { ask: 'GET /services//', ...unknown },
    { ask: 'GET /targets', ...unknown },
    { ask: 'GET /snis/x/certificate', ...unknown },
    { ask: 'GET /services/', status: 200, body: { data: [], next: null } },
    { ask: 'DELETE /services', ...undefinedMethod },
    { ask: 'PATCH /services', with: { a: 1 }, ...undefinedMethod },
    { ask: 'PUT /services', with: { a: 1 }, ...undefinedMethod },
    { ask: 'POST /services/x', with: {}, ...undefinedMethod },
    { ask: 'POST /', with: {}, ...undefinedMethod },
    { ask: 'POST /status', with: {}, ...undefinedMethod },
    { ask: 'TRACE /services', status: 405 },
  ])
})

test('OPTIONS lists the methods of a path', async () => {
  const cases = [
    ['/', 'GET, HEAD, OPTIONS'],
    ['/services', 'GET, HEAD, OPTIONS, POST'],
    ['/services/x', 'DELETE, GET, HEAD, OPTIONS, PATCH, PUT'],
    ['/services/x/routes', 'GET, HEAD, OPTIONS, POST'],
    ['/routes/x/service', 'DELETE, GET, HEAD, OPTIONS, PATCH, PUT'],
    ['/plugins/enabled', 'GET, HEAD, OPTIONS'],
    ['/config', 'GET, HEAD, OPTIONS, POST'],
    ['/cache', 'DELETE, OPTIONS'],
  ] as const
  for (const [path, methods] of cases) {
    const { status, headers, text } = await admin.ask(`OPTIONS ${path}`)
    assert.deepEqual([status, text], [204, ''], path)
    assert.equal(headers.allow, methods, path)
    assert.equal(headers['access-control-allow-methods'], methods, path)
    assert.equal(headers['access-control-allow-headers'], 'Content-Type', path)
  }
  const asked = { 'Access-Control-Request-Headers': 'x-a,x-b' }
  const { headers } = await admin.send({ method: 'OPTIONS', path: '/services', headers: asked })
  assert.equal(headers['access-control-allow-headers'], 'x-a,x-b')
  assert.equal((await admin.ask('OPTIONS /nope')).status, 404)
})

test('HEAD answers as GET does, without a body', async () => {
  const get = await admin.ask('GET /services')
  const head = await admin.ask('HEAD /services')
  assert.equal(head.status, 200)
  assert.equal(head.text, '')
  assert.equal(head.headers['content-length'], get.headers['content-length'])
  assert.equal((await admin.ask('HEAD /services/nope')).status, 404)
})

test('every answer names server, latency and origin', async () => {
  for (const line of ['GET /services', 'GET /nope', 'DELETE /services']) {
    const { headers } = await admin.ask(line)
    assert.equal(headers['server'], 'kong/3.9.1')
    assert.match(String(headers['x-kong-admin-latency']), /^\d+$/)
    assert.equal(headers['access-control-allow-origin'], '*')
    assert.equal(headers['access-control-allow-credentials'], 'true')
    assert.equal(headers['content-type'], 'application/json; charset=utf-8')
  }
  const origin = { Origin: 'http://manager.example' }
  const { headers } = await admin.send({ method: 'GET', path: '/', headers: origin })
  assert.equal(headers['access-control-allow-origin'], 'http://manager.example')
})

test('a listed origin is echoed and any other is told the first', async () => {
  const guarded = await openAdmin({ managerUrls: ['https://a.example/manager', 'https://b.example'] })
  try {
    for (const [sent, told] of [
      ['https://b.example', 'https://b.example'],
      ['https://evil.example', 'https://a.example'],
    ]) {
      const { headers } = await guarded.send({ method: 'GET', path: '/services', headers: { Origin: sent! } })
      assert.equal(headers['access-control-allow-origin'], told)
    }
    assert.equal((await guarded.ask('GET /services')).headers['access-control-allow-origin'], 'https://a.example')
  } finally {
    await guarded.close()
  }
})

test('only JSON and forms are taken, and YAML by /config', async () => {
  for (const type of ['application/xml', 'text/plain', 'application/vnd.api+json', 'text/yaml']) {
    const sent = { method: 'POST', path: '/services', headers: { 'Content-Type': type }, content: '{"host":"x.y"}' }
    const { status, text } = await admin.send(sent)
    assert.deepEqual([status, text], [415, ''], type)
  }
  assert.equal((await admin.send({ method: 'POST', path: '/services', content: 'host=x.y' })).status, 415)
  const yaml = { method: 'POST', path: '/config', headers: { 'Content-Type': 'text/yaml' }, content: 'a: 1' }
  assert.equal((await admin.send(yaml)).status, 400)
  assert.equal((await admin.ask('POST /services')).status, 400, 'no type is fine without a body')
})

test('query arguments are no part of a body, and are limited', async () => {
  await admin.check([
    { ask: 'POST /services?host=q.y', status: 400, has: { fields: { host: 'required field missing' } } },
    { ask: 'POST /services?name=fromq', with: { host: 'x.y' }, status: 201, has: { name: null } },
  ])
  const many = Array.from({ length: 1001 }, (_, i) => `a${i}=1`).join('&')
  const { status, body } = await admin.ask(`GET /services?${many}`)
  assert.deepEqual([status, body], [400, { message: 'Too many arguments' }])
})

test('a body above the limit is refused while its client still sends', async () => {
  const content = Buffer.alloc(11 * 1024 * 1024, 0x61)
  const headers = { 'Content-Type': 'application/json' }
  const { status } = await admin.send({ method: 'POST', path: '/services', headers, content })
  assert.equal(status, 413)
  assert.equal(await sendChunked(content, headers), 413)
  const unfinished = await raw(
    'POST /services HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 99999\r\n\r\n',
  )
  assert.match(unfinished, /^HTTP\/1\.1 415 /)
})

test('requests that are not HTTP get an answer and lose the connection', async () => {
  const cases = [
    ['GARBAGE\r\n\r\n', 400],
    ['GET /services HTTP/1.1\r\n\r\n', 400],
    ['FOO /services HTTP/1.1\r\nHost: a\r\n\r\n', 405],
    [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`, 431],
    [
      'POST /services HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      400,
    ],
  ] as const
  for (const [text, status] of cases) {
    assert.match(await raw(text), new RegExp(`^HTTP/1\\.1 ${status} `), text.slice(0, 30))
  }
  assert.match(await raw('GET /services HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 /)
})

test('a body that no method asked for is not waited for', async () => {
  for (const method of ['GET', 'DELETE', 'OPTIONS']) {
    const answer = await raw(`${method} /services/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc`)
    assert.match(answer, /^HTTP\/1\.1 (404|204) .*\r\n[\s\S]*Connection: close/, method)
  }
  const whole = await raw(
    'GET /services HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /nope HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  )
  assert.deepEqual(whole.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 404'])
})

test('a client that leaves in the middle of its body is no error', async () => {
  const errors: unknown[] = []
  const logger = { ...silentLogger, error: (...line: unknown[]) => void errors.push(line) }
  const watched = await openAdmin({ logger })
  const head = 'POST /services HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{'
  const socket = connect(watched.port, '127.0.0.1')
  await new Promise<void>(resolve => socket.write(head, () => resolve()))
  // Answered on another connection: by then the first one's head has been read.
  assert.equal((await watched.ask('GET /services')).status, 200)
  socket.destroy()
  await watched.close()
  assert.deepEqual(errors, [])
})

test('several requests on one connection are answered in order', async () => {
  const one = 'GET /services/nope HTTP/1.1\r\nHost: a\r\n'
  const answers = await raw(`${one}\r\n${one}\r\nGET /services HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
  assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 404', 'HTTP/1.1 404', 'HTTP/1.1 200'])
})

function sendChunked(content: Buffer, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { port: admin.port, path: '/services', method: 'POST', headers, agent: false as const }
    const outgoing = request(options, response => {
      response.resume()
      response.on('end', () => resolve(response.statusCode!))
    })
    outgoing.on('error', reject)
    for (let at = 0; at < content.length; at += 65_536) outgoing.write(content.subarray(at, at + 65_536))
    outgoing.end()
  })
}

/** Everything that comes back until the other side closes. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(admin.port, '127.0.0.1', () => socket.write(text))
    socket.setEncoding('utf8')
    socket.on('data', chunk => {
      answer += chunk
      // The rest of a promised body never comes.
      if (/^Connection: close\r$/im.test(answer)) socket.end()
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })
}
