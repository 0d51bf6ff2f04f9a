/** TCP through the stream proxy, on sockets. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import {
  aStreamGateway,
  aTcpClient,
  aTcpServer,
  read,
  readAll,
  ref,
  type StreamGateway,
  until,
} from '../../../test/kit/stream-gateway.ts'

function lead(gateway: StreamGateway, port: number, options: Record<string, unknown> = {}): void {
  const service = gateway.put('services', { protocol: 'tcp', host: '127.0.0.1', port, ...options })
  gateway.put('routes', { protocols: ['tcp'], destinations: [{ ip: '127.0.0.1' }], service: ref(service) })
}

async function anEcho(t: TestContext): Promise<number> {
  return aTcpServer(t, socket => void socket.pipe(socket))
}

for (const rawAccept of [true, false]) {
  test(`bytes pass both ways, an end in one direction leaves the other open (raw: ${rawAccept})`, async t => {
    const gateway = await aStreamGateway(t, { rawAccept })
    gateway.put('plugins', { name: 'journal', config: {} })
    lead(
      gateway,
      await aTcpServer(t, async socket => {
        const asked = await readAll(socket)
        socket.end(`you said ${asked}`)
      }),
    )
    const port = await gateway.listen()
    const client = await aTcpClient(t, port)
    client.end('hello')
    assert.equal(String(await readAll(client)), 'you said hello')
    await until(() => gateway.accessLog.length === 1)
    assert.match(gateway.accessLog[0]!, /^127\.0\.0\.1 \[[^\]]+\] TCP 200 14 5 0\.\d{3}$/)
    const [entry] = gateway.entries
    assert.deepEqual(entry!['session'], { received: 5, sent: 14, status: 200, server_port: port })
    assert.deepEqual(entry!['upstream'], { received: 14, sent: 5 })
    assert.equal(entry!['tries'].length, 1)
    assert.equal(entry!['service'].protocol, 'tcp')
  })

  test(`16 MiB in each direction at once come through as they were (raw: ${rawAccept})`, async t => {
    const gateway = await aStreamGateway(t, { rawAccept })
    lead(gateway, await anEcho(t))
    const client = await aTcpClient(t, await gateway.listen())
    const sent = createHash('sha256')
    const received = createHash('sha256')
    client.on('data', bytes => received.update(bytes))
    for (let i = 0; i < 256; i++) {
      const bytes = randomBytes(65_537)
      sent.update(bytes)
      if (!client.write(bytes)) await once(client, 'drain')
    }
    client.end()
    await once(client, 'end')
    assert.equal(received.digest('hex'), sent.digest('hex'))
  })
}

test('what comes while the upstream is being connected is held, and passed on in order', async t => {
  const gateway = await aStreamGateway(t)
  gateway.put('plugins', { name: 'journal', config: { late: true } })
  lead(gateway, await anEcho(t))
  const client = await aTcpClient(t, await gateway.listen())
  client.write('one ')
  client.write('two ')
  client.end('three')
  assert.equal(String(await readAll(client)), 'one two three')
})

test('a reader that stops makes the writer stop, and memory does not grow', async t => {
  const gateway = await aStreamGateway(t)
  lead(gateway, await aTcpServer(t, () => {}))
  const client = await aTcpClient(t, await gateway.listen())
  let written = 0
  const bytes = Buffer.alloc(256 * 1024)
  // The buffers of four sockets take some MiB; then nobody takes any more.
  for (let turns = 0; turns < 200; ) {
    if (client.writableLength < 1024 * 1024) {
      client.write(bytes)
      written += bytes.length
      turns = 0
    } else turns++
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.ok(written < 64 * 1024 * 1024, `${written} bytes`)
})

test('a reset of one side is passed on as a reset', async t => {
  const gateway = await aStreamGateway(t)
  lead(gateway, await aTcpServer(t, socket => socket.once('data', () => socket.resetAndDestroy())))
  const client = await aTcpClient(t, await gateway.listen())
  client.write('x')
  const [error] = await once(client, 'error')
  assert.equal(error.code, 'ECONNRESET')
})

test('without a route the connection ends, and the log says why', async t => {
  const gateway = await aStreamGateway(t)
  const client = await aTcpClient(t, await gateway.listen())
  assert.equal((await readAll(client)).length, 0)
  client.end()
  await until(() => gateway.accessLog.length === 1)
  assert.match(gateway.accessLog[0]!, / TCP 500 0 0 /)
  assert.match(gateway.logged.join(), /no Route found with those values/)
})

test('a client whose bytes went nowhere sees a reset, one that sent none an end', async t => {
  const gateway = await aStreamGateway(t)
  let asked = Promise.withResolvers<Socket>()
  // It never answers the handshake that it is asked for.
  const deaf = await aTcpServer(t, socket => socket.once('data', () => asked.resolve(socket)))
  lead(gateway, deaf, { protocol: 'tls', retries: 0 })
  const port = await gateway.listen()
  const silent = await aTcpClient(t, port)
  ;(await asked.promise).destroy()
  assert.equal((await readAll(silent)).length, 0)
  asked = Promise.withResolvers()
  const client = await aTcpClient(t, port)
  const upstream = await asked.promise
  await new Promise(resolve => client.write('hello', resolve))
  upstream.destroy()
  await assert.rejects(readAll(client), { code: 'ECONNRESET' })
})

test('a route without service ends with 503, a plugin with its status', async t => {
  const gateway = await aStreamGateway(t)
  const route = gateway.put('routes', { protocols: ['tcp'], sources: [{ ip: '127.0.0.0/8' }] })
  const port = await gateway.listen()
  const ending = async () => String(await readAll((await aTcpClient(t, port)).end()))
  assert.equal(await ending(), '')
  gateway.put('plugins', { name: 'journal', route: ref(route), config: { status: 200, text: 'go away' } })
  assert.equal(await ending(), 'go away')
  gateway.put('plugins', { name: 'ip-restriction', config: { deny: ['127.0.0.1'] } })
  assert.equal(await ending(), '')
  await until(() => gateway.accessLog.length === 3)
  const statuses = gateway.accessLog.map(line => / TCP (\d+) /.exec(line)![1])
  assert.deepEqual(statuses, ['503', '200', '403'])
})

test('a plugin that fails ends the session with 500', async t => {
  const gateway = await aStreamGateway(t)
  lead(gateway, await anEcho(t))
  gateway.put('plugins', { name: 'journal', config: { fails: true } })
  const client = await aTcpClient(t, await gateway.listen())
  assert.equal((await readAll(client.end())).length, 0)
  await until(() => gateway.accessLog.length === 1)
  assert.match(gateway.accessLog[0]!, / TCP 500 /)
})

test('an upstream that refuses is left for another target, and without any the session ends with 502', async t => {
  const gateway = await aStreamGateway(t)
  gateway.put('plugins', { name: 'journal', config: {} })
  const alive = await anEcho(t)
  const upstream = gateway.put('upstreams', { name: 'pool' })
  for (const port of [1, 2, 3]) gateway.put('targets', { upstream: ref(upstream), target: `127.0.0.1:${port}` })
  const last = gateway.put('targets', { upstream: ref(upstream), target: `127.0.0.1:${alive}` })
  const service = gateway.put('services', { protocol: 'tcp', host: 'pool', retries: 5 })
  gateway.put('routes', { protocols: ['tcp'], destinations: [{ ip: '127.0.0.1' }], service: ref(service) })
  const port = await gateway.listen()
  for (let i = 0; i < 8; i++) {
    const client = await aTcpClient(t, port)
    client.end('still here')
    assert.equal(String(await readAll(client)), 'still here')
  }
  gateway.put('targets', { ...last, weight: 0 })
  const client = await aTcpClient(t, port)
  assert.equal((await readAll(client.end())).length, 0)
  await until(() => gateway.entries.length === 9)
  assert.equal(gateway.entries[8]!['session'].status, 502)
  assert.equal(gateway.entries[8]!['tries'].length, 6)
})

test('a silent session ends after read_timeout', async t => {
  const gateway = await aStreamGateway(t)
  lead(gateway, await anEcho(t), { read_timeout: 100 })
  const client = await aTcpClient(t, await gateway.listen())
  client.write('x')
  assert.equal(String(await readAll(client)), 'x')
})

test('connections above the limit are closed at once', async t => {
  const gateway = await aStreamGateway(t, { settings: { connectionsMax: 1 } })
  lead(gateway, await anEcho(t))
  const port = await gateway.listen()
  const first = await aTcpClient(t, port)
  first.write('a')
  assert.equal(await read(first), 'a')
  const second = await aTcpClient(t, port)
  await readAll(second).catch(() => {})
  first.write('b')
  assert.equal(await read(first), 'b')
  assert.deepEqual([gateway.engine.stats().streamActive, gateway.engine.stats().streamAccepted], [1, 1])
})

test('a draining engine accepts no more, and waits for its sessions', async t => {
  const gateway = await aStreamGateway(t)
  lead(gateway, await anEcho(t))
  const port = await gateway.listen()
  const client = await aTcpClient(t, port)
  client.write('a')
  assert.equal(await read(client), 'a')
  let isDrained = false
  const drained = gateway.engine.drain(60_000).then(() => (isDrained = true))
  await assert.rejects(aTcpClient(t, port))
  client.write('b')
  assert.equal(await read(client), 'b')
  assert.equal(isDrained, false)
  client.end()
  await drained
})

test('sessions outlive changes of their route, service and targets; new ones follow them', async t => {
  const gateway = await aStreamGateway(t)
  const named = (name: string) => aTcpServer(t, socket => socket.on('data', bytes => socket.write(`${name}:${bytes}`)))
  const [a, b] = [await named('a'), await named('b')]
  const service = gateway.put('services', { protocol: 'tcp', host: '127.0.0.1', port: a })
  const route = gateway.put('routes', { protocols: ['tcp'], sources: [{ ip: '127.0.0.1' }], service: ref(service) })
  const port = await gateway.listen()
  const ask = async (client: Awaited<ReturnType<typeof aTcpClient>>) => {
    client.write('x')
    return read(client)
  }
  const old = await aTcpClient(t, port)
  assert.equal(await ask(old), 'a:x')
  gateway.put('services', { ...service, port: b })
  assert.equal(await ask(await aTcpClient(t, port)), 'b:x')
  gateway.put('services', { ...service, enabled: false })
  assert.equal((await readAll((await aTcpClient(t, port)).end())).length, 0)
  gateway.put('services', { ...service, port: b })
  gateway.put('routes', { ...route, sources: [{ ip: '10.0.0.1' }] })
  assert.equal((await readAll((await aTcpClient(t, port)).end())).length, 0)
  assert.equal(await ask(old), 'a:x')
})

test('with proxy_protocol the client is whom a trusted peer names', async t => {
  const gateway = await aStreamGateway(t, { settings: { trustedIps: ['127.0.0.1'] } })
  const port = await aTcpServer(t, socket => void socket.pipe(socket))
  const service = gateway.put('services', { protocol: 'tcp', host: '127.0.0.1', port })
  gateway.put('routes', { protocols: ['tcp'], sources: [{ ip: '203.0.113.7', port: 5555 }], service: ref(service) })
  const client = await aTcpClient(t, await gateway.listen({ proxyProtocol: true }))
  client.end('PROXY TCP4 203.0.113.7 192.0.2.1 5555 80\r\nhello')
  assert.equal(String(await readAll(client)), 'hello')
  await until(() => gateway.accessLog.length === 1)
  assert.match(gateway.accessLog[0]!, /^203\.0\.113\.7 /)
})
