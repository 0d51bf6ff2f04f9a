/** What a control plane does with peers that break the rules, over real TLS sockets. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:https'
import { connect } from 'node:tls'
import { afterEach, before, describe, it } from 'node:test'
import { WebSocket } from 'ws'
import { aRoute, ModelSource } from '../../test/simulation/config-model.ts'
import { ManualClock } from '../../test/simulation/manual-clock.ts'
import { generateKey, selfSigned } from '../base/certificates.ts'
import { silentLogger } from '../base/logger.ts'
import { systemRandom } from '../base/random.ts'
import { type ControlPlaneServer, createControlPlaneServer } from './control-plane-server.ts'
import type { ControlPlaneTrust } from './control-plane-trust.ts'
import { encodeMessage, type Hello } from './messages.ts'
import { createMemoryRecords } from './records.ts'

const hello = (n: number): Hello => ({
  type: 'hello',
  node_id: `00000000-0000-4000-8000-00000000000${n}`,
  hostname: 'dp.test',
  version: '3.9.1',
  labels: {},
  capabilities: [],
  applied: { version: 0, config_hash: '0'.repeat(32) },
})

let own: { certificate: string; key: string }
before(async () => {
  const key = await generateKey('P-256')
  const now = Date.now()
  const times = { notBefore: new Date(now - 1_000), notAfter: new Date(now + 86_400_000) }
  own = { certificate: selfSigned({ subject: { CN: 'kong_clustering' }, key, ...times }), key: key.privateKey }
})

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

async function start(source = new ModelSource(), trust: ControlPlaneTrust = { mode: 'shared', ...own }) {
  const clock = new ManualClock(Date.now())
  const server = await createControlPlaneServer({
    source,
    records: createMemoryRecords(() => clock.now()),
    nodeId: '99999999-9999-4999-8999-999999999999',
    version: '3.9.1',
    trust,
    purgeDelaySeconds: 1_209_600,
    clock,
    random: systemRandom,
    logger: silentLogger,
  })
  open.push(() => server.close())
  const { port } = await server.open({ host: '127.0.0.1', port: 0 })
  return { server, port, clock }
}

async function dial(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`wss://127.0.0.1:${port}/v1/silverback`, 'silverback.v1', {
    cert: own.certificate,
    key: own.key,
    // Whom we talk to is not what is tested here.
    rejectUnauthorized: false,
  })
  socket.on('error', () => {})
  open.push(() => socket.terminate())
  await once(socket, 'open')
  return socket
}

async function until(claim: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 8_000
  while (!claim()) {
    assert.ok(performance.now() < end, `waited too long until ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** Advances simulated time, letting what each second brings reach the sockets. */
async function pass(clock: ManualClock, seconds: number, server: ControlPlaneServer): Promise<number> {
  for (let passed = 1; passed <= seconds; passed++) {
    clock.advance(1_000)
    await new Promise(resolve => setImmediate(resolve))
    if (server.sessionCount() === 0) return passed
  }
  return Number.POSITIVE_INFINITY
}

describe('hostile data planes', { timeout: 60_000 }, () => {
  const cases: Record<string, [string | Buffer, number, RegExp]> = {
    'a message too large for any': ['x'.repeat(100_000), 1009, /^$/],
    'a message too large for its type': [`{"type":"renew"${' '.repeat(100)}}`, 1008, /renew message too large/],
    'no JSON': ['hello', 1008, /message is not JSON/],
    'an unknown type': ['{"type":"delta"}', 1008, /unknown message type/],
    'a binary frame': [Buffer.from([1, 0, 1]), 1008, /no binary frames/],
    'a member with a long foreign name': [
      `{"type":"resync","reason":"","${'é'.repeat(300)}":1}`,
      1008,
      /wrong member: \?+$/,
    ],
    'an acknowledgement of nothing': [`{"type":"ack","version":1,"config_hash":"${'a'.repeat(32)}"}`, 1008, /not sent/],
  }
  for (const [what, [frame, code, reason]] of Object.entries(cases)) {
    it(`the connection is closed with a reason: ${what}`, async () => {
      const { server, port } = await start()
      const socket = await dial(port)
      socket.send(encodeMessage(hello(1)))
      await once(socket, 'message')
      socket.send(frame)
      const [gotCode, gotReason] = await once(socket, 'close')
      assert.equal(gotCode, code)
      assert.match(gotReason.toString(), reason)
      await until(() => server.sessionCount() === 0, 'the session is gone')
    })
  }

  it('before its hello a connection gets nothing, and it is closed after 5 s', async () => {
    const source = new ModelSource()
    source.commit(aRoute('a'))
    const { server, port, clock } = await start(source)
    const socket = await dial(port)
    socket.on('message', () => assert.fail('something was sent'))
    await until(() => server.sessionCount() === 1, 'the session is there')
    assert.ok((await pass(clock, 10, server)) <= 6)
    await once(socket, 'close')
  })

  it('a half-open peer is noticed within 45 s', async () => {
    const { server, port, clock } = await start()
    const socket = await dial(port)
    socket.send(encodeMessage(hello(1)))
    await once(socket, 'message')
    // It neither reads nor writes any more, as a machine that lost its power.
    socket.pause()
    assert.ok((await pass(clock, 60, server)) <= 45)
  })

  it('a peer that does not read costs bounded memory, delays nobody, and is dropped', async () => {
    const source = new ModelSource()
    const noise = () => systemRandom.bytes(6_000).toString('base64')
    source.commit(...Array.from({ length: 4_000 }, (_, i) => aRoute(`r${i}`, { noise: noise() })))
    const { server, port, clock } = await start(source)
    const slow = await dial(port)
    slow.send(encodeMessage(hello(1)))
    slow.pause()
    const quick = await dial(port)
    let bytes = 0
    quick.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary) bytes += data.length
      else if (data.toString().includes('snapshot_end')) quick.emit('whole')
    })
    quick.send(encodeMessage(hello(2)))
    await once(quick, 'whole')
    assert.ok(bytes > 20_000_000, `${bytes} bytes`)
    assert.equal(server.sessionCount(), 2)
    quick.terminate()
    await until(() => server.sessionCount() === 1, 'the quick one has left')
    const beat = encodeMessage({ type: 'heartbeat', ...hello(1).applied })
    let seconds = 0
    for (; server.sessionCount() > 0 && seconds < 60; seconds++) {
      if (seconds % 15 === 0) slow.send(beat)
      await pass(clock, 1, server)
    }
    assert.ok(seconds <= 45, `dropped after ${seconds} s`)
  })
})

describe('strangers', { timeout: 30_000 }, () => {
  it('a plain TLS client without certificate learns nothing on any path', async () => {
    const { port } = await start(new ModelSource(), { mode: 'enroll', autoApproveLoopback: true })
    for (const path of ['/', '/v1/silverback', '/v1/outlet', '/status', '/v1/silverback/enroll']) {
      const outgoing = request({ host: '127.0.0.1', port, path, rejectUnauthorized: false, agent: false })
      outgoing.end()
      const [response] = await once(outgoing, 'response')
      assert.equal(response.statusCode, 404, path)
      response.resume()
      await once(response, 'end')
    }
  })

  it('enrolment refuses what is no request, too large, or without proof', async () => {
    const { port } = await start(new ModelSource(), { mode: 'enroll', autoApproveLoopback: true })
    const post = async (body: string) => {
      const options = { host: '127.0.0.1', port, path: '/v1/silverback/enroll', method: 'POST' }
      const outgoing = request({ ...options, rejectUnauthorized: false, agent: false })
      outgoing.end(body)
      const [response] = await once(outgoing, 'response')
      response.resume()
      return response.statusCode
    }
    assert.equal(await post('garbage'), 400)
    assert.equal(await post('{}'), 400)
    assert.equal(await post(' '.repeat(9_000)), 400)
    const key = await generateKey('P-256')
    const body = { node_id: hello(1).node_id, hostname: 'h', public_key: key.publicKey, proof: 'AAAA', token: null }
    assert.equal(await post(JSON.stringify(body)), 403)
  })

  it('a connection that speaks no HTTP is closed', async () => {
    const { port } = await start(new ModelSource(), { mode: 'enroll', autoApproveLoopback: true })
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
    socket.on('error', () => {})
    socket.resume()
    await once(socket, 'secureConnect')
    socket.write('\u0000\u0001garbage\r\n\r\n')
    await once(socket, 'close')
  })
})
