/** HTTP/2 and gRPC as users meet them: configured, called, reloaded and ended through the real program. */
import assert from 'node:assert/strict'
import { connect, type ClientHttp2Session } from 'node:http2'
import { test, type TestContext } from 'node:test'
import { aGrpcServer, call } from '../kit/grpc-server.ts'
import { request } from '../kit/http2-client.ts'
import { aNode, freePort } from '../kit/nodes.ts'
import { aClient, aRawUpstream } from '../kit/raw-http.ts'
import { anUpstream, eventually } from '../kit/traffic.ts'

/** As a server for gRPC-Web ends its answers, where its clients take trailers. */
const SUMMED =
  'HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\nTransfer-Encoding: chunked\r\n' +
  'Trailer: grpc-status, x-sum\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\ngrpc-status: 0\r\nx-sum: 7\r\n\r\n'

/** Calls one after the other, on one connection until the gateway asks for another one. */
class Caller {
  answered = 0
  connections = 0
  refused = 0
  readonly failures: string[] = []
  readonly #url: string
  readonly #call: (session: ClientHttp2Session) => Promise<boolean>
  #session: ClientHttp2Session | null = null
  #isOver = false
  readonly #running: Promise<void>

  constructor(t: TestContext, url: string, make: (session: ClientHttp2Session) => Promise<boolean>) {
    this.#url = url
    this.#call = make
    this.#running = this.#run()
    t.after(() => this.stop())
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      try {
        if (await this.#call(this.#open())) this.answered++
        else this.failures.push('wrong answer')
      } catch (error) {
        // A request that was ready to go when the gateway asked for another connection never left Node's client, which
        // says so by this code; it is safe to be made again (RFC 9113 section 8.7), and at most one for each connection.
        if (/REFUSED_STREAM/.test(String(error)) && ++this.refused <= this.connections) continue
        this.failures.push(String(error))
      }
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  #open(): ClientHttp2Session {
    if (this.#session !== null) return this.#session
    this.connections++
    const session = connect(this.#url, { rejectUnauthorized: false })
    const forget = () => {
      if (this.#session === session) this.#session = null
    }
    session.on('goaway', forget).on('close', forget).on('error', forget)
    this.#session = session
    return session
  }

  async more(count: number): Promise<void> {
    const wanted = this.answered + count
    await eventually(`${count} more answers`, async () => this.answered >= wanted || this.failures.length > 0)
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#running
    this.#session?.destroy()
  }
}

test('gRPC with plugins, and HTTP/2 of both kinds, over reloads and the end of the node without a lost call', async t => {
  const [server, upstream] = [await aGrpcServer(t), await anUpstream(t)]
  const summed = await aRawUpstream(t, () => SUMMED)
  const [port, tlsPort] = [await freePort(), await freePort()]
  const node = aNode(t, {
    storage: 'memory',
    declarative_config_string: JSON.stringify({
      _format_version: '3.0',
      services: [
        {
          name: 'echo',
          url: `grpc://127.0.0.1:${server.port}`,
          routes: [
            { name: 'echo', protocols: ['grpc', 'grpcs'], paths: ['/test.Echo'] },
            {
              name: 'limited',
              protocols: ['grpc', 'grpcs'],
              paths: ['/test.Echo'],
              headers: { 'x-limited': ['yes'] },
              plugins: [{ name: 'rate-limiting', config: { hour: 2, policy: 'local' } }],
            },
          ],
          plugins: [{ name: 'key-auth' }],
        },
        {
          name: 'summed',
          url: `http://127.0.0.1:${summed.port}`,
          routes: [{ name: 'summed', paths: ['/summed'] }],
        },
        { name: 'plain', url: upstream.url, routes: [{ name: 'plain', paths: ['/plain'] }] },
      ],
      consumers: [{ username: 'c', keyauth_credentials: [{ key: 'the-key' }] }],
    }),
    proxy_listen: `127.0.0.1:${port} http2, 127.0.0.1:${tlsPort} http2 ssl`,
    admin_listen: 'off',
    status_listen: 'off',
    nginx_worker_processes: '2',
  })
  await node.start()
  const first = connect(`http://127.0.0.1:${port}`)
  t.after(() => first.destroy())
  const refused = await call(first, 'Unary', ['x'])
  assert.deepEqual(
    [refused.headers[':status'], refused.status, refused.message],
    [401, '16', 'No API key found in request'],
  )
  const granted = await call(first, 'Unary', ['x'], { apikey: 'the-key' })
  assert.deepEqual([granted.status, granted.messages], ['0', ['echo x']])
  assert.equal(server.calls[0]!['x-consumer-username'], 'c')

  await t.test('a limit of requests is told as the status that gRPC has for it', async () => {
    const limited = () => call(first, 'Unary', ['x'], { apikey: 'the-key', 'x-limited': 'yes' })
    // Limits are by the clock's hour, which may turn meanwhile.
    const answer = await eventually('the limit', async () => {
      const got = await limited()
      return got.status !== '0' && got
    })
    assert.deepEqual([answer.status, answer.message, answer.messages], ['8', 'API rate limit exceeded', []])
    assert.equal(answer.headers[':status'], 429)
    assert.equal(answer.headers['content-type'], 'application/grpc')
    assert.equal(answer.headers['x-ratelimit-remaining-hour'], '0')
    assert.ok(Number(answer.headers['retry-after']) > 0)
    const other = await call(first, 'Unary', ['x'], { apikey: 'the-key' })
    assert.equal(other.status, '0', 'another route has no such limit')
  })

  await t.test('trailers pass from HTTP/1.1 to clients of HTTP/1.1 and HTTP/2 that take them', async () => {
    const client = await aClient(t, port)
    const ask = (fields: string) => client.send(`GET /summed HTTP/1.1\r\nHost: a\r\n${fields}\r\n`).answer()
    const taken = await ask('TE: trailers\r\nConnection: TE\r\n')
    assert.deepEqual([taken.status, taken.body, taken.headers['trailer']], [200, 'hello!', 'grpc-status, x-sum'])
    assert.match(client.received, /\r\n0\r\ngrpc-status: 0\r\nx-sum: 7\r\n\r\n$/)
    const plain = await ask('')
    assert.deepEqual([plain.body, plain.headers['trailer']], ['hello!', undefined])
    assert.match(client.received, /\r\n0\r\n\r\n$/, 'a client that has not asked for trailers gets none')
    const secure = connect(`https://127.0.0.1:${tlsPort}`, { rejectUnauthorized: false })
    t.after(() => secure.destroy())
    for (const session of [first, secure]) {
      const { status, body, trailers } = await request(session, '/summed', { te: 'trailers' })
      const { 'grpc-status': grpcStatus, 'x-sum': sum } = trailers
      assert.deepEqual([status, String(body), grpcStatus, sum], [200, 'hello!', '0', '7'])
    }
  })

  const callers = [
    new Caller(t, `http://127.0.0.1:${port}`, async session => {
      const { status, messages } = await call(session, 'Unary', ['hello'], { apikey: 'the-key' })
      return status === '0' && messages[0] === 'echo hello'
    }),
    new Caller(t, `https://127.0.0.1:${tlsPort}`, async session => (await request(session, '/plain')).status === 200),
  ]
  for (let round = 0; round < 2; round++) {
    await Promise.all(callers.map(caller => caller.more(30)))
    const before = node.workerProcessIds()
    const { status, stderr } = await node.kong('reload')
    assert.equal(status, 0, stderr)
    await eventually('the workers of before to be gone', async () =>
      node.workerProcessIds().every(pid => !before.includes(pid)),
    )
  }
  await Promise.all(callers.map(caller => caller.more(30)))
  for (const caller of callers) {
    await caller.stop()
    assert.deepEqual(caller.failures, [])
    assert.ok(caller.connections >= 3, `${caller.connections} connections`)
  }
})
