import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import type { ListenAddress } from '../base/listen-address.ts'
import { bindAddresses } from './bind-addresses.ts'
import { BindError, closeSockets } from './bound-sockets.ts'

const udp: ListenAddress = {
  host: '0.0.0.0',
  port: 0,
  ssl: false,
  http2: false,
  proxyProtocol: false,
  reuseport: true,
  backlog: null,
  ipv6only: true,
  udp: true,
}
const own = Object.values(networkInterfaces())
  .flatMap(list => list ?? [])
  .filter(({ family }) => family === 'IPv4')
  .map(({ address }) => address)

test('bindAddresses() binds a UDP address for all of a machine once more for each of them', async t => {
  const bound = await bindAddresses([udp], 2)
  t.after(() => closeSockets(bound))
  const [{ address }] = bound as [(typeof bound)[0]]
  assert.deepEqual(bound.map(one => one.address.host).sort(), ['0.0.0.0', ...own].sort())
  for (const one of bound) assert.deepEqual([one.address.port, one.sockets.length], [address.port, 2])
  assert.deepEqual(
    bound.filter(one => one.address.isImplied !== true).map(one => one.address.host),
    ['0.0.0.0'],
  )
  const again = await bindAddresses([address], 2, bound)
  assert.deepEqual(
    again.map(one => one.sockets),
    bound.map(one => one.sockets),
    'a reload keeps every socket',
  )
  await assert.rejects(bindAddresses([address], 1), BindError, 'and another node still cannot have the port')
})

test('bindAddresses() binds TCP, and UDP addresses that have a name, once', async t => {
  const { udp: _, ...tcp } = udp
  const bound = await bindAddresses([{ ...udp, host: '127.0.0.1' }, tcp], 1)
  t.after(() => closeSockets(bound))
  assert.deepEqual(
    bound.map(one => one.address.host),
    ['127.0.0.1', '0.0.0.0'],
  )
})
