import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { aCluster, aNode, freePort, KONG, type TestNode } from '../kit/nodes.ts'
import { admin, anUpstream, eventually, send } from '../kit/traffic.ts'

const read = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '')
const linesOf = (path: string, what: string) =>
  read(path)
    .split('\n')
    .filter(line => line.includes(what)).length

/** A node without a database that answers 200 by itself at /here, and its proxy's URL. */
async function aPlainNode(t: TestContext, settings: Record<string, string> = {}) {
  const [proxyPort, adminPort] = [await freePort(), await freePort()]
  const node = aNode(t, {
    storage: 'memory',
    declarative_config_string: JSON.stringify({
      _format_version: '3.0',
      routes: [{ paths: ['/here'], plugins: [{ name: 'request-termination', config: { status_code: 200 } }] }],
    }),
    proxy_listen: `127.0.0.1:${proxyPort}`,
    admin_listen: `127.0.0.1:${adminPort}`,
    status_listen: 'off',
    nginx_worker_processes: '2',
    ...settings,
  })
  return { node, proxy: `http://127.0.0.1:${proxyPort}` }
}

const get = async (url: string) => assert.equal((await send(url)).status, 200)

/** Asks until a line of every worker is in the file: each connection may go to either of them. */
async function sendUntilLogged(url: string, path: string, more: number): Promise<void> {
  const before = linesOf(path, '/here')
  for (let i = 0; i < more; i++) await get(url)
  await eventually(`${more} lines in ${path}`, async () => linesOf(path, '/here') === before + more)
}

test('SIGUSR1 to the main process makes it and its workers open their logs again, and no debugger', async t => {
  const { node, proxy } = await aPlainNode(t)
  await node.start()
  const [access, errors] = ['access.log', 'error.log'].map(name => join(node.prefix, 'logs', name)) as [string, string]
  await sendUntilLogged(`${proxy}/here`, access, 16)
  renameSync(access, `${access}.1`)
  renameSync(errors, `${errors}.1`)
  process.kill(node.mainProcessId(), 'SIGUSR1')
  await eventually('the access log to be there again', async () => {
    await get(`${proxy}/here`)
    return existsSync(access)
  })
  const written = linesOf(`${access}.1`, '/here')
  await eventually('the new file to take every line', async () => {
    const before = linesOf(`${access}.1`, '/here')
    for (let i = 0; i < 16; i++) await get(`${proxy}/here`)
    return linesOf(access, '/here') >= 16 && linesOf(`${access}.1`, '/here') === before
  })
  assert.ok(linesOf(`${access}.1`, '/here') >= written)

  // To workers themselves, as `kill -USR1` of a whole group would do it.
  for (const pid of node.workerProcessIds()) process.kill(pid, 'SIGUSR1')
  await get(`${proxy}/here`)
  for (const file of [errors, `${errors}.1`]) assert.doesNotMatch(read(file), /Debugger listening/)
  assert.equal(node.workerProcessIds().length, 2)
  for (const pid of node.workerProcessIds()) process.kill(pid, 'SIGKILL')
  await eventually('the new error log to tell of it', async () => /starting another/.test(read(errors)))
  await eventually('a worker of after the rotation to log there', async () => {
    await get(`${proxy}/here?later`)
    return linesOf(access, '/here?later') > 0
  })
})

test('proxy_access_log = off writes none', async t => {
  const { node, proxy } = await aPlainNode(t, { proxy_access_log: 'off' })
  await node.start()
  await get(`${proxy}/here`)
  await node.kong('quit')
  assert.ok(!existsSync(join(node.prefix, 'logs/access.log')))
  assert.ok(!existsSync(join(node.prefix, 'off')))
})

test('a node ends with all that it logged in its files', async t => {
  const { node, proxy } = await aPlainNode(t)
  await node.start()
  for (let i = 0; i < 10; i++) await get(`${proxy}/here`)
  await node.kong('quit')
  assert.equal(linesOf(join(node.prefix, 'logs/access.log'), '/here'), 10)
})

for (const [how, settings] of [
  ['by itself', {}],
  ['when it is told to', { proxy_access_log: '/dev/stdout', proxy_error_log: '/dev/stderr' }],
] as const) {
  test(`a node in the foreground logs requests to its output ${how}`, async t => {
    const { node, proxy } = await aPlainNode(t, settings)
    const child = spawn(KONG, ['start', '--foreground'], { env: node.environment, stdio: ['ignore', 'pipe', 'pipe'] })
    const closed = once(child, 'close')
    let out = ''
    child.stdout.setEncoding('utf8').on('data', text => (out += text))
    child.stderr.resume()
    await eventually('the node to be up', async () => /^ {2}prefix: /m.test(out))
    await get(`${proxy}/here`)
    await eventually('the request in the output', async () => /"GET \/here HTTP\/1.1" 200 /.test(out))
    child.kill('SIGQUIT')
    assert.equal((await closed)[0], 0)
    assert.ok(!existsSync(join(node.prefix, 'logs/access.log')))
  })
}

test('kong start names the setting of a log that cannot be written', async t => {
  for (const name of ['proxy_access_log', 'proxy_error_log']) {
    const { node } = await aPlainNode(t)
    writeFileSync(`${node.prefix}-file`, '')
    node.environment[`KONG_${name.toUpperCase()}`] = `${node.prefix}-file/x.log`
    const { status, stderr } = await node.kong('start')
    assert.equal(status, 1)
    assert.match(stderr, new RegExp(`^Error: ${name}: .*-file`))
    await nothingLeft(node)
  }
})

async function nothingLeft(node: TestNode): Promise<void> {
  assert.deepEqual(node.processIds(), [])
  assert.ok(!existsSync(join(node.prefix, 'pids/nginx.pid')))
}

test('PUT /debug/node/log-level changes what workers log, for as long as it was asked to', async t => {
  const upstream = await anUpstream(t)
  const adminPort = await freePort()
  const proxyPort = await freePort()
  const node = aNode(t, {
    admin_listen: `127.0.0.1:${adminPort}`,
    proxy_listen: `127.0.0.1:${proxyPort}`,
    status_listen: 'off',
    nginx_worker_processes: '1',
    log_level: 'crit',
  })
  await node.start()
  const api = `http://127.0.0.1:${adminPort}`
  const proxy = `http://127.0.0.1:${proxyPort}`
  const gone = await freePort()
  await admin(api, 'POST', '/services', { name: 's', url: `http://127.0.0.1:${gone}`, retries: 0 })
  await admin(api, 'POST', '/services/s/routes', { paths: ['/broken'] })
  await admin(api, 'POST', '/services', { name: 'good', url: upstream.url })
  await eventually('the route', async () => (await send(`${proxy}/broken`)).status === 502)
  let [worker] = node.workerProcessIds()
  const said = () =>
    node
      .errorLog()
      .split('\n')
      .filter(line => line.includes(` ${worker}#0: `)).length
  assert.equal(said(), 0, node.errorLog())

  assert.equal((await admin(api, 'GET', '/debug/node/log-level')).message, 'log level: crit')
  const told = async () => {
    await send(`${proxy}/broken`)
    return said() > 0
  }
  await admin(api, 'PUT', '/debug/node/log-level/debug?timeout=600')
  assert.equal((await admin(api, 'GET', '/debug/node/log-level')).message, 'log level: debug')
  await eventually('the worker to tell of the failure', told)

  const before = worker
  assert.equal((await node.kong('reload')).status, 0)
  worker = await eventually('another worker', async () => node.workerProcessIds().find(pid => pid !== before))
  assert.equal((await admin(api, 'GET', '/debug/node/log-level')).message, 'log level: debug', 'over a reload')
  await eventually('the worker of after the reload to tell of the failure', told)
  await admin(api, 'PUT', '/debug/node/log-level/info?timeout=1')
  await eventually('the level of before', async () => {
    return (await admin(api, 'GET', '/debug/node/log-level')).message === 'log level: crit'
  })
  await eventually('the worker to be silent', async () => {
    const before = said()
    await send(`${proxy}/broken`)
    return said() === before
  })
})

test('PUT /debug/cluster/log-level answers on a control plane as well', async t => {
  const { controlPlane } = await aCluster(t, { dataPlanes: 0 })
  const path = '/debug/cluster/control-planes-nodes/log-level/debug'
  assert.equal((await admin(controlPlane.admin, 'PUT', path)).message, 'log level changed')
  assert.equal((await admin(controlPlane.admin, 'GET', '/debug/node/log-level')).message, 'log level: debug')
})
