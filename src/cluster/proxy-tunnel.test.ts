import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test, type TestContext } from 'node:test'
import { selfSignedPair } from '../../test/kit/certificate-pair.ts'
import { aConnectProxy } from '../../test/kit/connect-proxy.ts'
import { ManualClock } from '../../test/simulation/manual-clock.ts'
import { systemClock } from '../base/clock.ts'
import { createTunnel, type ProxyServer } from './proxy-tunnel.ts'

async function anEcho(t: TestContext): Promise<number> {
  const server = createServer(socket => void socket.pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as { port: number }).port
}

const through = (proxy: Partial<ProxyServer> & { url: string }) =>
  createTunnel({ verifies: true, authorities: null, ...proxy }, systemClock)

async function echoed(tunnel: ReturnType<typeof through>, port: number): Promise<string> {
  const socket = await tunnel({ host: '127.0.0.1', port })
  socket.write('hello')
  const [bytes] = await once(socket.resume(), 'data')
  socket.destroy()
  return String(bytes)
}

test('bytes pass through an http proxy, which gets the credentials decoded', async t => {
  const proxy = await aConnectProxy(t)
  const port = await anEcho(t)
  assert.equal(await echoed(through({ url: `http://127.0.0.1:${proxy.port}` }), port), 'hello')
  assert.equal(proxy.heads[0], `CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
  assert.equal(await echoed(through({ url: `http://me:pass%23word@127.0.0.1:${proxy.port}` }), port), 'hello')
  const basic = Buffer.from('me:pass#word').toString('base64')
  assert.match(proxy.heads[1]!, new RegExp(`\\r\\nProxy-Authorization: Basic ${basic}\\r\\n\\r\\n$`))
})

test('an https proxy is verified, unless that is switched off', async t => {
  const pair = selfSignedPair('localhost')
  const proxy = await aConnectProxy(t, { pair })
  const port = await anEcho(t)
  const url = `https://localhost:${proxy.port}`
  assert.equal(await echoed(through({ url, authorities: pair.cert }), port), 'hello')
  assert.equal(await echoed(through({ url, verifies: false }), port), 'hello')
  await assert.rejects(through({ url })({ host: '127.0.0.1', port }), /^Error: proxy_server: self-signed certificate/)
  const byAddress = through({ url: `https://127.0.0.1:${proxy.port}`, authorities: pair.cert })
  await assert.rejects(byAddress({ host: '127.0.0.1', port }), /proxy_server: .*altnames/)
})

for (const [answer, message] of [
  ['HTTP/1.1 407 Proxy Authentication Required\r\n\r\n', 'it answered CONNECT with 407'],
  ['SSH-2.0-OpenSSH\r\n\r\n', 'its answer is no HTTP'],
  ['HTTP/1.1 200 OK\r\n\r\n<html>', 'it sent bytes after its answer'],
  [`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(17_000)}`, 'its answer is too large'],
  ['HTTP/1.1 200 OK\r\n', 'it closed the connection'],
] as const) {
  test(`a proxy is not used: ${message}`, async t => {
    const proxy = await aConnectProxy(t, { answer })
    const tunnel = through({ url: `http://secret:word@127.0.0.1:${proxy.port}` })
    await assert.rejects(tunnel({ host: 'control.test', port: 8005 }), { message: `proxy_server: ${message}` })
  })
}

test('a proxy that says nothing is given up', async t => {
  const silent = createServer(() => asked.resolve())
  const asked = Promise.withResolvers<void>()
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => silent.close())
  const clock = new ManualClock(0)
  const { port } = silent.address() as { port: number }
  const proxy = { url: `http://127.0.0.1:${port}`, verifies: true, authorities: null }
  const given = assert.rejects(createTunnel(proxy, clock)({ host: '::1', port: 8005 }), /does not answer/)
  await asked.promise
  clock.advance(10_000)
  await given
})
