import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { lacks } from '../kit/http-peers.ts'
import { aNode, freePort, KONG, type TestNode } from '../kit/nodes.ts'
import { anUpstream, eventually, send } from '../kit/traffic.ts'

/** One worker that proxies to an upstream, with settings of the test. */
async function aProxy(t: TestContext, settings: Record<string, string>) {
  const upstream = await anUpstream(t)
  const [proxyPort, statusPort] = [await freePort(), await freePort()]
  const node = aNode(t, {
    storage: 'memory',
    declarative_config_string: JSON.stringify({
      _format_version: '3.0',
      services: [{ url: upstream.url, retries: 0, routes: [{ paths: ['/'] }] }],
    }),
    proxy_listen: `127.0.0.1:${proxyPort}`,
    status_listen: `127.0.0.1:${statusPort}`,
    admin_listen: 'off',
    nginx_worker_processes: '1',
    ...settings,
  })
  return { node, proxyPort, url: `http://127.0.0.1:${proxyPort}/`, status: `http://127.0.0.1:${statusPort}/status` }
}

/** `kong start` with so many open files at most, for all processes of the node. */
async function startWithFiles(node: TestNode, files: number): Promise<void> {
  const child = spawn('/bin/sh', ['-c', `ulimit -n ${files} && exec "$0" start`, KONG], {
    env: node.environment,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', data => (said += data))
  const code = await new Promise(resolve => child.once('close', resolve))
  assert.equal(code, 0, said)
}

/** Connections that have sent the beginning of a head and wait. */
async function openMany(t: TestContext, port: number, count: number) {
  const sockets: Socket[] = []
  let closed = 0
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  for (let i = 0; i < count; i++) {
    const socket = connect(port, '127.0.0.1')
    sockets.push(socket)
    socket.on('error', () => {})
    socket.once('close', () => closed++)
    socket.write('GET / HT')
  }
  return {
    closed: () => closed,
    close: () => {
      for (const socket of sockets) socket.destroy()
    },
  }
}

test('connections beyond what a worker has files for are closed, and served again once there is room', async t => {
  const { node, proxyPort, url } = await aProxy(t, {})
  await startWithFiles(node, 256)
  const [worker] = node.workerProcessIds()
  const many = await openMany(t, proxyPort, 400)
  // (256 - 128) / 2: as many clients as leave an upstream connection for each.
  await eventually('those beyond the limit to be closed', async () => many.closed() === 400 - 64)
  many.close()
  await eventually('room', async () => (await send(url)).status === 200)
  assert.deepEqual(node.workerProcessIds(), [worker])
})

test('a worker without any file left goes on, and recovers', async t => {
  // More than there are files for, so that accepting fails in the kernel.
  const { node, proxyPort, url } = await aProxy(t, { nginx_events_worker_connections: '10000' })
  await startWithFiles(node, 128)
  const [worker] = node.workerProcessIds()
  const many = await openMany(t, proxyPort, 400)
  await eventually('those that cannot be accepted to be closed', async () => many.closed() > 250)
  many.close()
  await eventually('room', async () => (await send(url)).status === 200)
  assert.deepEqual(node.workerProcessIds(), [worker])
})

test('ten thousand small chunks each way cost no more memory than their bytes', async t => {
  const { node, url } = await aProxy(t, {})
  await node.start()
  const [worker] = node.workerProcessIds()
  await send(url, { method: 'POST', body: 'warm' })
  const before = residentBytes(worker!)
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  t.after(() => socket.destroy())
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n')
  for (let i = 0; i < 10_000; i++) socket.write('1\r\nx\r\n')
  socket.write('0\r\n\r\n')
  let answer = ''
  for await (const data of socket) answer += data
  assert.match(answer, /^HTTP\/1\.1 200 /)
  assert.ok(answer.includes('x'.repeat(10_000)))
  const grown = residentBytes(worker!) - before
  assert.ok(grown < 24 * 1024 * 1024, `grew by ${grown} bytes`)
})

const residentBytes = (pid: number) =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]) * 1024

test('slowhttptest: slow heads, bodies and readers are cut off while others are served', {
  skip: lacks('slowhttptest'),
}, async t => {
  const { node, url, status } = await aProxy(t, {
    nginx_http_client_header_timeout: '2s',
    nginx_http_client_body_timeout: '2s',
    nginx_http_send_timeout: '2s',
    nginx_http_keepalive_timeout: '2s',
  })
  await node.start()
  const common = ['-c', '100', '-r', '100', '-l', '8', '-i', '3', '-p', '5', '-u', url]
  const attacks = {
    heads: ['-H', ...common],
    bodies: ['-B', '-s', '8192', ...common],
    readers: ['-X', '-w', '1', '-y', '10', '-n', '5', '-z', '1', ...common],
  }
  const running = Object.entries(attacks).map(async ([name, args]) => [name, await slowhttptest(args)] as const)
  let isOver = false
  const all = Promise.all(running).finally(() => (isOver = true))
  while (!isOver) {
    const startedAt = performance.now()
    assert.equal((await send(url)).status, 200)
    assert.ok(performance.now() - startedAt < 5000)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  for (const [name, report] of await all) {
    // Its own verdict, from connections of its own beside the attack.
    assert.match(report, /service available:\s*YES/, `${name}: ${report}`)
    assert.doesNotMatch(report, /service available:\s*NO/, `${name}: ${report}`)
  }
  await eventually('no connection to be left but the one that asks', async () => {
    const { server } = (await send(status)).json()
    return server.connections_active <= 1
  })
})

function slowhttptest(args: readonly string[]): Promise<string> {
  const child = spawn('slowhttptest', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', data => (output += data))
  // Colours stand between words and values.
  return new Promise(resolve => child.once('close', () => resolve(output.replace(/\x1b\[[0-9;]*m/g, ''))))
}
