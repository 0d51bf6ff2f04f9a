import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { connect } from 'node:tls'
import { selfSignedPair } from '../kit/certificate-pair.ts'
import { aNode, freePort, temporaryFolder, type TestNode } from '../kit/nodes.ts'
import { anUpstream, eventually, listen, send, Traffic } from '../kit/traffic.ts'

/** A node without a database whose route / leads to the upstream. */
async function aProxy(t: TestContext, upstreamUrl: string, settings: Record<string, string> = {}): Promise<TestNode> {
  const node = aNode(t, {
    storage: 'memory',
    declarative_config_string: JSON.stringify({
      _format_version: '3.0',
      services: [{ name: 's', url: upstreamUrl, routes: [{ paths: ['/'] }] }],
    }),
    admin_listen: 'off',
    status_listen: 'off',
    nginx_worker_processes: '2',
    ...settings,
  })
  return node.start()
}

async function reload(node: TestNode, settings: Record<string, string>): Promise<void> {
  for (const [name, value] of Object.entries(settings)) node.environment[`KONG_${name.toUpperCase()}`] = value
  const { status, stderr } = await node.kong('reload')
  assert.equal(status, 0, stderr)
}

test('kong reload under load with more workers, fewer, and another port fails no request', async t => {
  const upstream = await anUpstream(t)
  const [port, added] = [await freePort(), await freePort()]
  const node = await aProxy(t, upstream.url, { proxy_listen: `127.0.0.1:${port}` })
  const keepAlive = traffic(t, `http://127.0.0.1:${port}/`)
  const single = singles(t, `http://127.0.0.1:${port}/`)
  await keepAlive.more(50)
  for (const workers of ['4', '1', '2']) {
    const before = node.workerProcessIds()
    await reload(node, { nginx_worker_processes: workers })
    await keepAlive.more(100)
    await eventually('the workers of before to be gone', async () => {
      const now = node.workerProcessIds()
      return now.length === Number(workers) && !now.some(pid => before.includes(pid))
    })
    await keepAlive.more(100)
  }
  await reload(node, { proxy_listen: `127.0.0.1:${port}, 127.0.0.1:${added}` })
  assert.equal((await send(`http://127.0.0.1:${added}/`)).status, 200)
  await keepAlive.more(100)
  await reload(node, { proxy_listen: `127.0.0.1:${port}` })
  await eventually('the port to be free again', () =>
    send(`http://127.0.0.1:${added}/`).then(
      () => false,
      () => true,
    ),
  )
  await keepAlive.more(100)
  await keepAlive.stop()
  const { answered, failures } = await single.stop()
  assert.deepEqual(keepAlive.failures, [])
  assert.deepEqual(failures, [])
  assert.ok(answered > 50, `${answered} connections`)
})

function traffic(t: TestContext, url: string): Traffic {
  const traffic = new Traffic(t, url)
  t.after(() => traffic.stop())
  return traffic
}

/** One connection per request, each new: these may wait in the queue of a worker that leaves. */
function singles(t: TestContext, url: string) {
  const failures: string[] = []
  let answered = 0
  let isRunning = true
  const run = async () => {
    while (isRunning) {
      await send(url).then(
        ({ status }) => (status === 200 ? answered++ : failures.push(`${status}`)),
        (error: Error) => failures.push(error.message),
      )
    }
  }
  const clients = [run(), run()]
  t.after(() => (isRunning = false))
  return {
    async stop() {
      isRunning = false
      await Promise.all(clients)
      return { answered, failures }
    },
  }
}

function presented(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(new X509Certificate(socket.getPeerCertificate().raw).subject)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

test('kong reload under load with another certificate fails no request over TLS', async t => {
  const upstream = await anUpstream(t)
  const folder = temporaryFolder(t)
  const files = (name: string) => {
    const { cert, key } = selfSignedPair(name)
    writeFileSync(join(folder, `${name}.crt`), cert)
    writeFileSync(join(folder, `${name}.key`), key, { mode: 0o600 })
    return { ssl_cert: join(folder, `${name}.crt`), ssl_cert_key: join(folder, `${name}.key`) }
  }
  const port = await freePort()
  const node = await aProxy(t, upstream.url, { proxy_listen: `127.0.0.1:${port} ssl`, ...files('before.test') })
  assert.equal(await presented(port), 'CN=before.test')
  const keepAlive = traffic(t, `https://127.0.0.1:${port}/`)
  const single = singles(t, `https://127.0.0.1:${port}/`)
  await keepAlive.more(50)
  await reload(node, files('after.test'))
  await keepAlive.more(100)
  assert.equal(await presented(port), 'CN=after.test')
  await keepAlive.stop()
  const { failures } = await single.stop()
  assert.deepEqual([...keepAlive.failures, ...failures], [])
})

test('kong reload that is refused leaves the node as it was', async t => {
  const upstream = await anUpstream(t)
  const port = await freePort()
  const node = await aProxy(t, upstream.url, { proxy_listen: `127.0.0.1:${port}` })
  const keepAlive = traffic(t, `http://127.0.0.1:${port}/`)
  await keepAlive.more(20)
  const before = node.workerProcessIds()
  const taken = new URL(upstream.url).host
  node.environment['KONG_PROXY_LISTEN'] = `127.0.0.1:${await freePort()}, ${taken}`
  node.environment['KONG_NGINX_WORKER_PROCESSES'] = '3'
  const { status, stderr } = await node.kong('reload')
  assert.equal(status, 1)
  assert.match(stderr, new RegExp(`^Error: could not reload: proxy_listen: .*${taken}.* in use`))
  await keepAlive.more(50)
  await keepAlive.stop()
  assert.deepEqual(keepAlive.failures, [])
  assert.deepEqual(node.workerProcessIds(), before)

  node.environment['KONG_PROXY_LISTEN'] = `127.0.0.1:${port}`
  assert.equal((await node.kong('reload')).status, 0, 'the next good one is taken')
  assert.equal((await send(`http://127.0.0.1:${port}/`)).status, 200)
})

/** Without a request, which would have to be answered. */
function isRefused(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connectPlain(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(false)
    })
    socket.on('error', () => resolve(true))
  })
}

test('kong quit finishes requests in flight and takes no new ones; after its timeout it ends them', async t => {
  const waiting: (() => void)[] = []
  const slow = createServer((incoming, outgoing) => {
    incoming.resume()
    waiting.push(() => outgoing.end('slow but there'))
  })
  await listen(t, slow)
  const port = await freePort()
  const upstream = `http://127.0.0.1:${(slow.address() as { port: number }).port}`
  const node = await aProxy(t, upstream, { proxy_listen: `127.0.0.1:${port}` })
  const url = `http://127.0.0.1:${port}/`
  const inFlight = [send(url), send(url, { method: 'POST', body: 'x' })]
  await eventually('the requests at the upstream', async () => waiting.length === 2)
  const quitting = node.kong('quit')
  await eventually('the port to be closed', () => isRefused(port))
  for (const answer of waiting.splice(0)) answer()
  for (const answer of await Promise.all(inFlight))
    assert.deepEqual([answer.status, answer.body], [200, 'slow but there'])
  assert.equal((await quitting).stdout, 'Kong stopped (gracefully)\n')
  assert.deepEqual(node.processIds(), [])

  await node.start()
  const cut = send(url).then(
    () => 'answered',
    () => 'cut',
  )
  await eventually('the request at the upstream', async () => waiting.length === 1)
  assert.equal((await node.kong('quit', '--timeout', '1')).stdout, 'Timeout, Kong stopped forcefully\n')
  assert.equal(await cut, 'cut')
  assert.deepEqual(node.processIds(), [])
  assert.ok(!existsSync(join(node.prefix, 'pids/nginx.pid')))
})
