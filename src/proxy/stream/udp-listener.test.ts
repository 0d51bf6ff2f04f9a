/** UDP through the stream proxy, on sockets. */
import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { aStreamGateway, ref, type StreamGateway, until } from '../../../test/kit/stream-gateway.ts'

async function aSocket(t: TestContext): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  return socket
}

/** Answers each datagram with its own name, the sender's port, and what came. */
async function anEcho(t: TestContext, name: string): Promise<{ port: number; peers: Set<number> }> {
  const socket = await aSocket(t)
  const peers = new Set<number>()
  socket.on('message', (bytes, from) => {
    peers.add(from.port)
    socket.send(`${name}:${bytes}`, from.port, from.address)
  })
  return { port: socket.address().port, peers }
}

async function ask(socket: Socket, port: number, text: string): Promise<string> {
  socket.send(text, port, '127.0.0.1')
  const [bytes] = await once(socket, 'message')
  return String(bytes)
}

function lead(gateway: StreamGateway, port: number, options: Record<string, unknown> = {}): void {
  const service = gateway.put('services', { protocol: 'udp', host: '127.0.0.1', port, ...options })
  gateway.put('routes', { protocols: ['udp'], sources: [{ ip: '127.0.0.1' }], service: ref(service) })
}

test('datagrams of one client are a session with one upstream socket, of another one another', async t => {
  const gateway = await aStreamGateway(t)
  gateway.put('plugins', { name: 'journal', config: {} })
  const echo = await anEcho(t, 'a')
  lead(gateway, echo.port, { read_timeout: 300 })
  const port = await gateway.listen({ udp: true })
  const [one, two] = [await aSocket(t), await aSocket(t)]
  for (let i = 0; i < 3; i++) assert.equal(await ask(one, port, `1.${i}`), `a:1.${i}`)
  assert.equal(await ask(two, port, 'two'), 'a:two')
  assert.equal(echo.peers.size, 2)
  assert.equal(gateway.engine.stats().streamActive, 2)
  await until(() => gateway.entries.length === 2)
  assert.equal(gateway.engine.stats().streamActive, 0)
  const received = gateway.entries.map(({ session }) => [session.received, session.sent])
  assert.deepEqual(received.sort(), [
    [3, 5],
    [9, 15],
  ])
  assert.match(gateway.accessLog[0]!, /^127\.0\.0\.1 \[.*\] UDP 200 \d+ \d+ 0\.\d{3}$/)
})

test('a target where nobody listens is left for another one', async t => {
  const gateway = await aStreamGateway(t)
  const echo = await anEcho(t, 'a')
  const upstream = gateway.put('upstreams', { name: 'pool' })
  for (const port of [1, 2, echo.port]) gateway.put('targets', { upstream: ref(upstream), target: `127.0.0.1:${port}` })
  lead(gateway, 80, { host: 'pool' })
  const port = await gateway.listen({ udp: true })
  for (let i = 0; i < 6; i++) assert.equal(await ask(await aSocket(t), port, 'x'), 'a:x')
})

test('without a route, and refused by a plugin, a session is only logged', async t => {
  const gateway = await aStreamGateway(t)
  const port = await gateway.listen({ udp: true })
  const client = await aSocket(t)
  client.send('x', port, '127.0.0.1')
  await until(() => gateway.accessLog.length === 1)
  assert.match(gateway.accessLog[0]!, / UDP 500 0 1 /)
  lead(gateway, 9)
  gateway.put('plugins', { name: 'journal', config: { status: 200, text: 'no' } })
  assert.equal(await ask(client, port, 'y'), 'no')
})

test('there are no more sessions than connections are allowed, and those that there are go on', async t => {
  const gateway = await aStreamGateway(t, { settings: { connectionsMax: 1 } })
  lead(gateway, (await anEcho(t, 'a')).port)
  const port = await gateway.listen({ udp: true })
  const [one, two] = [await aSocket(t), await aSocket(t)]
  assert.equal(await ask(one, port, '1'), 'a:1')
  two.send('2', port, '127.0.0.1')
  await until(() => gateway.logged.some(line => line.includes('UDP sessions')))
  assert.equal(await ask(one, port, '3'), 'a:3')
  assert.equal(gateway.engine.stats().streamActive, 1)
})

test('a draining engine hears no new client, and ends with its last session', async t => {
  const gateway = await aStreamGateway(t)
  lead(gateway, (await anEcho(t, 'a')).port, { read_timeout: 100 })
  const port = await gateway.listen({ udp: true })
  const client = await aSocket(t)
  assert.equal(await ask(client, port, '1'), 'a:1')
  await gateway.engine.drain(60_000)
  assert.equal(gateway.engine.stats().streamActive, 0)
})
