import assert from 'node:assert/strict'
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { temporaryFolder } from '../../test/kit/nodes.ts'
import { aGateway } from '../../test/kit/proxy-gateway.ts'
import { aClient, aRawUpstream, okAnswer } from '../../test/kit/raw-http.ts'

const PIECE = 'abcdefghijklmnop'.repeat(1024)
const PIECES = 20
const BODY = PIECE.repeat(PIECES)
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`
const bodyOf = (request: string) => request.slice(request.indexOf('\r\n\r\n') + 4)

async function aBuffering(t: TestContext, requestBuffering: boolean) {
  const upstream = await aRawUpstream(t, () => okAnswer('ok'))
  let seen = ''
  upstream.server.on('connection', socket => socket.on('data', text => (seen += text)))
  const bodyFolder = join(temporaryFolder(t), 'bodies')
  const gateway = await aGateway(t, {
    routes: [{ ports: [upstream.port], route: { requestBuffering } }],
    settings: { bodyFolder },
  })
  return { upstream, gateway, bodyFolder, seen: () => seen }
}

/** Files of a folder that this process has open, deleted ones among them. */
const openFiles = (folder: string) =>
  readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder)
    } catch {
      return false
    }
  }).length

test('with request_buffering the upstream hears nothing before the body is whole, and then its length', async t => {
  const { upstream, gateway, bodyFolder, seen } = await aBuffering(t, true)
  const client = await aClient(t, gateway.port)
  client.send('PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  for (let i = 0; i < PIECES; i++) {
    await new Promise(resolve => client.socket.write(chunk(PIECE), 'latin1', resolve))
  }
  while (openFiles(bodyFolder) === 0) await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(readdirSync(bodyFolder), [])
  assert.equal(upstream.connections, 0)
  client.send('0\r\n\r\n')
  assert.equal((await client.answer()).status, 200)
  assert.match(upstream.requests[0]!, new RegExp(`\r\nContent-Length: ${BODY.length}\r\n`))
  assert.doesNotMatch(upstream.requests[0]!, /Transfer-Encoding/i)
  assert.ok(bodyOf(upstream.requests[0]!) === BODY)
  assert.ok(seen().endsWith(BODY))
  assert.equal(openFiles(bodyFolder), 0)
})

test('without request_buffering the upstream gets each piece as it comes', async t => {
  const { upstream, gateway, bodyFolder, seen } = await aBuffering(t, false)
  const client = await aClient(t, gateway.port)
  client.send(`PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk('first')}`)
  while (!seen().endsWith(chunk('first'))) await new Promise(resolve => setImmediate(resolve))
  client.send(chunk('second'))
  while (!seen().endsWith(chunk('second'))) await new Promise(resolve => setImmediate(resolve))
  client.send('0\r\n\r\n')
  assert.equal((await client.answer()).status, 200)
  assert.match(upstream.requests[0]!, /\r\nTransfer-Encoding: chunked\r\n/)
  assert.equal(openFiles(bodyFolder), 0)
})

test('a buffered body goes to the next peer as well when the first hangs up in its middle', async t => {
  const rude = await aRawUpstream(t, () => null)
  rude.server.on('connection', socket => socket.once('data', () => socket.destroy()))
  const upstream = await aRawUpstream(t, () => okAnswer('ok'))
  const gateway = await aGateway(t, { routes: [{ ports: [rude.port, upstream.port] }] })
  const client = await aClient(t, gateway.port)
  client.send(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`)
  assert.equal((await client.answer()).status, 200)
  assert.equal(rude.connections, 1)
  assert.ok(bodyOf(upstream.requests[0]!) === BODY)
})

test('a client that goes away leaves no open file behind', async t => {
  const { gateway, bodyFolder } = await aBuffering(t, true)
  const client = await aClient(t, gateway.port)
  client.send(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${BODY.length + 1}\r\n\r\n${BODY}`)
  while (openFiles(bodyFolder) === 0) await new Promise(resolve => setImmediate(resolve))
  client.socket.destroy()
  while (openFiles(bodyFolder) > 0) await new Promise(resolve => setImmediate(resolve))
  assert.equal(gateway.engine.stats().active, 0)
})

test('a body that cannot be buffered is answered with 500, and the connection ends', async t => {
  const { upstream, gateway, bodyFolder } = await aBuffering(t, true)
  writeFileSync(bodyFolder, 'a file where the folder should be')
  const client = await aClient(t, gateway.port)
  client.send(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`)
  const got = await client.answer()
  assert.deepEqual([got.status, got.headers['connection']], [500, 'close'])
  assert.equal(upstream.connections, 0)
  assert.ok(gateway.logged.some(line => line.includes('could not be buffered')))
})
