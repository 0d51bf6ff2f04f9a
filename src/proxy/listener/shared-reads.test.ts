import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { test, type TestContext } from 'node:test'
import { selfSignedPair } from '../../../test/kit/certificate-pair.ts'
import { readShared } from './shared-reads.ts'

async function aPair(t: TestContext): Promise<{ server: TLSSocket; client: TLSSocket }> {
  const listener = createServer({ ...selfSignedPair('localhost'), allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const accepted = once(listener, 'secureConnection')
  const { port } = listener.address() as { port: number }
  const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  const [server] = (await accepted) as [TLSSocket]
  client.on('error', () => {})
  t.after(() => {
    client.destroy()
    server.destroy()
    listener.close()
  })
  return { server, client }
}

/** What arrives, and where it lay. */
function collect(server: TLSSocket, readBuffer: Buffer) {
  const got = { text: '', shared: 0, own: 0 }
  const isShared = readShared(server, readBuffer, (bytes, length) => {
    got.text += bytes.toString('latin1', 0, length)
    if (bytes.buffer === readBuffer.buffer) got.shared++
    else got.own++
  })
  return { got, isShared }
}

test('a TLS socket reads into the shared buffer, pauses, goes on and ends', async t => {
  const { server, client } = await aPair(t)
  const { got, isShared } = collect(server, Buffer.allocUnsafeSlow(4096))
  assert.ok(isShared, 'Node has what is needed')
  client.write('one')
  while (got.text !== 'one') await new Promise(resolve => setImmediate(resolve))
  server.pause()
  const large = 'x'.repeat(100_000)
  client.end(large)
  await once(client, 'finish')
  assert.ok(got.text.length < 3 + large.length)
  const ended = once(server, 'end')
  server.resume()
  await ended
  assert.ok(got.text === `one${large}`)
  assert.equal(got.own, 0)
})

test('a socket whose handle cannot do that hands over what it reads itself', async t => {
  const { server, client } = await aPair(t)
  ;(server as unknown as { _handle: { useUserBuffer: undefined } })._handle.useUserBuffer = undefined
  const { got, isShared } = collect(server, Buffer.allocUnsafeSlow(4096))
  assert.equal(isShared, false)
  client.end('all of it')
  await once(server, 'end')
  assert.equal(got.text, 'all of it')
  assert.equal(got.shared, 0)
})
