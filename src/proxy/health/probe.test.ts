/** Probes of real sockets: what each kind of answer, silence and refusal counts as. */
import assert from 'node:assert/strict'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createSecureContext, createServer as createTlsServer } from 'node:tls'
import { selfSignedPair } from '../../../test/kit/certificate-pair.ts'
import { ManualClock } from '../../../test/simulation/manual-clock.ts'
import { systemClock } from '../../base/clock.ts'
import { type ActiveRules, compileHealthRules } from './health-rules.ts'
import { probeSocket } from './probe.ts'

function rulesOf(active: object): ActiveRules {
  const counts = { interval: 1, http_statuses: [500], tcp_failures: 1, http_failures: 1, timeouts: 1 }
  const healthy = { interval: 1, http_statuses: [200], successes: 1 }
  return compileHealthRules({ healthchecks: { active: { timeout: 5, healthy, unhealthy: counts, ...active } } })!
    .active!
}

async function listen(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** Answers each request with these bytes; null: never. */
async function aServer(t: TestContext, answer: string | null, requests: string[] = []): Promise<number> {
  const server = createServer(socket =>
    socket.on('data', data => {
      requests.push(data.toString())
      if (answer !== null) socket.end(answer)
    }),
  )
  return listen(t, server)
}

const check = (port: number, active: object, more: object = {}) =>
  probeSocket(
    { hostname: 'a.test', ip: '127.0.0.1', port },
    { rules: rulesOf(active), hostHeader: null, secureContext: null, clock: systemClock, ...more },
  )

test('probeSocket() asks by http and takes the status for what the rules say', async t => {
  const requests: string[] = []
  const headers = { 'x-a': ['1', '2'] }
  const ok = await aServer(t, 'HTTP/1.1 200 OK\r\n\r\n', requests)
  assert.equal(await check(ok, { type: 'http', http_path: '/up?x', headers }), 'success')
  assert.equal(requests[0], 'GET /up?x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nx-a: 1\r\nx-a: 2\r\n\r\n')
  assert.equal(await check(ok, {}, { hostHeader: 'other.test:81' }), 'success')
  assert.match(requests[1]!, /Host: other\.test:81\r\n/)
  assert.equal(await check(await aServer(t, 'HTTP/1.0 500 No\r\n\r\n'), {}), 'http_failure')
  assert.equal(await check(await aServer(t, 'HTTP/1.1 404 Not Found\r\n\r\n'), {}), null)
  assert.equal(await check(await aServer(t, 'SSH-2.0-hello\r\n'), {}), 'http_failure')
  assert.equal(await check(await aServer(t, `${'x'.repeat(5000)}`), {}), 'http_failure')
})

test('probeSocket() tells refused and closed connections from silence', async t => {
  const closed = createServer()
  const port = await listen(t, closed)
  await new Promise(resolve => closed.close(resolve))
  assert.equal(await check(port, {}), 'tcp_failure')
  assert.equal(await check(await aServer(t, ''), {}), 'tcp_failure')
  const clock = new ManualClock(0)
  const silent = await aServer(t, null)
  const waiting = check(silent, { timeout: 2 }, { clock })
  clock.advance(2000)
  assert.equal(await waiting, 'timeout')
})

test('probeSocket() by tcp is content with a connection', async t => {
  const requests: string[] = []
  const port = await aServer(t, null, requests)
  assert.equal(await check(port, { type: 'tcp' }), 'success')
  assert.deepEqual(requests, [])
})

test('probeSocket() by https sends the name and verifies the certificate if told to', async t => {
  const { cert, key } = selfSignedPair('a.test')
  const names: (string | false | null)[] = []
  const server = createTlsServer({ cert, key }, socket => {
    names.push(socket.servername ?? null)
    socket.on('error', () => {})
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\n'))
  })
  const port = await listen(t, server)
  const https = { type: 'https' }
  const trusting = { secureContext: createSecureContext({ ca: cert }) }
  assert.equal(await check(port, { ...https, https_verify_certificate: false }), 'success')
  assert.equal(await check(port, https), 'tcp_failure', 'nobody vouches for it')
  assert.equal(await check(port, https, trusting), 'success')
  assert.equal(await check(port, { ...https, https_sni: 'b.test' }, trusting), 'tcp_failure', 'it is not its name')
  const unverified = { ...https, https_verify_certificate: false, https_sni: 'b.test' }
  assert.equal(await check(port, unverified), 'success')
  assert.equal(names.at(-1), 'b.test')
  assert.equal(await check(await aServer(t, 'no TLS here'), https), 'tcp_failure')
})
