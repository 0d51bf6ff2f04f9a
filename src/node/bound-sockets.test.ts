import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import type { ListenAddress } from '../base/listen-address.ts'
import { BindError, bindAddress, closeSockets, socketsOf } from './bound-sockets.ts'

const address = (port: number): ListenAddress => ({
  host: '127.0.0.1',
  port,
  ssl: false,
  http2: false,
  proxyProtocol: false,
  reuseport: true,
  backlog: null,
  ipv6only: false,
})

for (const udp of [false, true])
  test(`bindAddress() binds one socket per slot on one port that the system chose (UDP: ${udp})`, async t => {
    const bound = await bindAddress({ ...address(0), udp }, 3)
    t.after(() => closeSockets([bound]))
    assert.equal(bound.sockets.length, 3)
    const ports = bound.sockets.map(socket => {
      const out: { port?: number } = {}
      socket.getsockname(out)
      return out.port
    })
    assert.deepEqual(new Set(ports), new Set([bound.address.port]))
    assert.notEqual(bound.address.port, 0)
    if (udp) await assert.rejects(bindAddress({ ...address(bound.address.port), udp }, 1), BindError)
  })

test('bindAddress() names address and reason when the port is taken, also by a socket that would share it', async t => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen({ host: '127.0.0.1', port: 0, reusePort: true }, resolve))
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  await assert.rejects(bindAddress(address(port), 2), (error: Error) => {
    assert.ok(error instanceof BindError)
    assert.match(error.message, new RegExp(`bind\\(\\) to 127\\.0\\.0\\.1:${port} failed \\(EADDRINUSE`))
    return true
  })
})

test('bindAddress() names a host that does not resolve', async () => {
  await assert.rejects(bindAddress({ ...address(0), host: 'no-such-host.invalid' }, 1), /no-such-host\.invalid/)
})

test('bindAddress() keeps the sockets of before, adds what is missing, and leaves none without a worker', async t => {
  const one = await bindAddress(address(0), 1)
  t.after(() => closeSockets([three]))
  const three = await bindAddress(one.address, 3, one)
  assert.equal(three.sockets.length, 3)
  assert.equal(three.sockets[0], one.sockets[0])
  const two = await bindAddress(one.address, 2, three)
  assert.deepEqual(two.sockets, three.sockets)
  assert.deepEqual(
    [0, 1].map(slot => socketsOf(two, slot, 2)),
    [[three.sockets[0], three.sockets[2]], [three.sockets[1]]],
  )
})
