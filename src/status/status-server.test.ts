/** Tests of status-server.ts over a real socket. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import { createStatusServer, type StatusOptions } from './status-server.ts'

async function withServer(part: Partial<StatusOptions>, use: (origin: string) => Promise<void>): Promise<void> {
  const address = { host: '127.0.0.1', port: 0, ssl: false, http2: false, proxyProtocol: false, reuseport: false }
  const server = createStatusServer({
    accessLog: null,
    listen: [{ ...address, backlog: null, ipv6only: false }],
    tls: null,
    trustsPeer: () => false,
    clock: systemClock,
    logger: silentLogger,
    notReady: async () => null,
    drain: () => {},
    isDraining: () => false,
    read: async () => null,
    ...part,
  })
  const [bound] = await server.open()
  try {
    await use(`http://127.0.0.1:${bound!.port}`)
  } finally {
    await server.close(0)
  }
}

async function ask(url: string, init?: RequestInit): Promise<[status: number, body: unknown]> {
  const response = await fetch(url, init)
  const text = await response.text()
  return [response.status, text === '' ? null : JSON.parse(text)]
}

test('/status/ready says why a node is not ready', async () => {
  let reason: string | null = 'no configuration available (empty configuration present)'
  await withServer({ notReady: async () => reason }, async origin => {
    assert.deepEqual(await ask(`${origin}/status/ready`), [503, { message: reason }])
    reason = null
    assert.deepEqual(await ask(`${origin}/status/ready/`), [200, { message: 'ready' }])
  })
})

test('POST /status/ready drains when asked to, in any body form', async () => {
  const forms: readonly (readonly [string, RequestInit])[] = [
    ['', { body: '{"status":"draining"}', headers: { 'Content-Type': 'application/json' } }],
    ['', { body: new URLSearchParams({ status: 'draining' }) }],
    ['?status=draining', {}],
  ]
  for (const [query, init] of forms) {
    let draining = false
    const options = { drain: () => void (draining = true), isDraining: () => draining }
    await withServer(options, async origin => {
      assert.deepEqual(await ask(`${origin}/status/ready${query}`, { method: 'POST', ...init }), [204, null])
      assert.deepEqual(await ask(`${origin}/status/ready`), [503, { message: 'draining' }])
    })
  }
  await withServer({}, async origin => {
    assert.equal((await ask(`${origin}/status/ready`, { method: 'POST', body: '{' }))[0], 400)
    assert.equal((await ask(`${origin}/status/ready`, { method: 'POST', body: 'x'.repeat(5000) }))[0], 413)
    assert.equal((await ask(`${origin}/status/ready`, { method: 'DELETE' }))[0], 405)
  })
})

test('the Status API serves reads of known paths and nothing else', async () => {
  const read = async (path: string) => {
    if (path === '/broken') throw new Error('secret detail')
    return path === '/status' ? { status: 200, body: { a: 1 } } : null
  }
  await withServer({ read }, async origin => {
    assert.deepEqual(await ask(`${origin}/status`), [200, { a: 1 }])
    assert.deepEqual(await ask(`${origin}/status`, { method: 'POST', body: '{}' }), [
      405,
      { message: 'Method not allowed' },
    ])
    assert.deepEqual(await ask(`${origin}/services`), [404, { message: 'Not found' }])
    assert.deepEqual(await ask(`${origin}/broken`), [500, { message: 'An unexpected error occurred' }])
    const head = await fetch(`${origin}/status`, { method: 'HEAD' })
    assert.equal(head.headers.get('content-length'), '7')
    assert.equal(head.headers.get('server'), 'kong/3.9.1')
  })
})
