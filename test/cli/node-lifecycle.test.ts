/** Real nodes: started, asked, reloaded, ended, and what is left of those that could not start. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { isAlive } from '../../src/cli/process-record.ts'
import { freePorts, kong as run, spawnKong, until } from '../kit/kong-command.ts'

let folder = ''
let settings: Record<string, string> = {}

beforeEach(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'node-')))
  const [proxy, admin, status] = await freePorts(3)
  settings = {
    prefix: join(folder, 'prefix'),
    proxy_listen: `127.0.0.1:${proxy}`,
    admin_listen: `127.0.0.1:${admin}`,
    status_listen: `127.0.0.1:${status}`,
    nginx_worker_processes: '1',
  }
})
afterEach(async () => {
  await kong('stop')
  rmSync(folder, { recursive: true })
})

const kong = (line: string, more: Record<string, string> = {}) =>
  run(line.split(' '), { folder, settings: { ...settings, ...more } })

const pidFile = () => join(settings['prefix']!, 'pids', 'nginx.pid')
const runningPid = () => Number(readFileSync(pidFile(), 'utf8'))

function statusOf(listen: string, path = '/'): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = get(`http://${listen}${path}`, { agent: false }, response => {
      response.resume()
      resolve(response.statusCode!)
    })
    request.on('error', reject)
  })
}

const isGone = (pid: number) => !isAlive(pid)

test('kong start returns when the node answers, and stop ends it', async () => {
  const started = await kong('start')
  assert.equal(started.code, 0, started.err)
  assert.match(started.out, /^Kong started\n/)
  for (const part of [settings['proxy_listen']!, settings['admin_listen']!, `prefix: ${settings['prefix']}`]) {
    assert.ok(started.out.includes(part), `${part}\nnot in\n${started.out}`)
  }
  assert.equal(await statusOf(settings['admin_listen']!), 200)
  assert.equal(await statusOf(settings['proxy_listen']!), 404)
  const pid = runningPid()
  const health = await kong('health')
  const expected = `nginx.......running\n\nKong is healthy at ${settings['prefix']}\n`
  assert.deepEqual([health.code, health.out], [0, expected])
  assert.deepEqual(JSON.parse((await kong('health --json')).out), { prefix: settings['prefix'], running: true, pid })

  const again = await kong('start')
  assert.equal(again.code, 1)
  assert.match(again.err, /^Error: Kong is already running in /)
  assert.equal(runningPid(), pid, 'the running node is left alone')

  assert.deepEqual(await kong('stop'), { code: 0, out: 'Kong stopped\n', err: '' })
  assert.ok(isGone(pid))
  assert.ok(!existsSync(pidFile()))
  await assert.rejects(statusOf(settings['admin_listen']!))
  assert.equal((await kong('health')).code, 1)
})

test('kong start fails with address and setting, and leaves nothing running, when a port is taken', async () => {
  const [host, port] = settings['admin_listen']!.split(':')
  const taken = createServer().listen(Number(port), host)
  await once(taken, 'listening')
  try {
    const { code, err } = await kong('start')
    assert.equal(code, 1)
    assert.ok(err.startsWith(`Error: admin_listen: address ${settings['admin_listen']} is already in use`), err)
    assert.ok(!existsSync(pidFile()))
    assert.ok(!existsSync(join(settings['prefix']!, '.kong_env')))
    await assert.rejects(statusOf(settings['proxy_listen']!), 'no worker is left')
  } finally {
    taken.close()
  }
})

test('kong start fails with the fault of the file when a declarative configuration is wrong', async () => {
  writeFileSync(join(folder, 'kong.yml'), '_format_version: "3.0"\nservices:\n- name: a\n')
  const { code, err } = await kong('start', { database: 'off', declarative_config: 'kong.yml' })
  assert.equal(code, 1)
  assert.match(err, /error parsing declarative config file .*kong\.yml:\n(.|\n)*required field missing/)
  assert.ok(!existsSync(pidFile()))
})

test('kong start lets one of two starts at the same time win', async () => {
  const results = await Promise.all([kong('start'), kong('start')])
  assert.deepEqual(results.map(({ code }) => code).sort(), [0, 1])
  assert.equal((await kong('health')).code, 0)
  assert.ok(existsSync(join(settings['prefix']!, '.kong_env')), 'the loser takes nothing from the winner')
})

test('kong start takes over the prefix of a node that was killed', async () => {
  await kong('start')
  const pid = runningPid()
  process.kill(pid, 'SIGKILL')
  await until('the node to be gone', () => isGone(pid))
  assert.equal((await kong('health')).code, 1)
  assert.match((await kong('stop')).err, /nginx not running in prefix/)
  // Its worker notices the loss by itself and frees the port.
  const again = await kong('start')
  assert.equal(again.code, 0, again.err)
  assert.notEqual(runningPid(), pid)
})

test('kong start leaves no node behind when it is interrupted', async () => {
  const child = spawnKong(['start'], { folder, settings })
  await until('the node to claim its prefix', () => existsSync(pidFile()))
  const pid = runningPid()
  child.kill('SIGKILL')
  await once(child, 'close')
  await until('the node to be gone', () => isGone(pid))
  assert.equal((await kong('health')).code, 1)
})

test('kong reload lets the node take new settings, and refuses wrong ones without harm', async () => {
  await kong('start')
  const pid = runningPid()
  const [port] = await freePorts(1)
  const moved = `127.0.0.1:${port}`
  writeFileSync(join(folder, 'new.conf'), 'log_level = debug\n')
  assert.deepEqual(await kong('reload -c new.conf'), { code: 0, out: 'Kong reloaded\n', err: '' })
  assert.match(readFileSync(join(settings['prefix']!, '.kong_env'), 'utf8'), /^log_level = debug$/m)
  assert.equal(runningPid(), pid)

  const wrong = await kong('reload', { log_level: 'zz' })
  assert.equal(wrong.code, 1)
  assert.match(wrong.err, /log_level has an invalid value: 'zz'/)
  assert.match((await kong('reload', { role: 'admin' })).err, /the role of a running node cannot change/)
  assert.match(readFileSync(join(settings['prefix']!, '.kong_env'), 'utf8'), /^log_level = debug$/m)

  const reloaded = await kong('reload', { proxy_listen: moved })
  assert.equal(reloaded.code, 0, reloaded.err)
  assert.equal(await statusOf(moved), 404)
  assert.equal(await statusOf(settings['admin_listen']!), 200)
})

test('kong restart keeps the settings of the node when none are given', async () => {
  await kong('start', { log_level: 'warn' })
  const pid = runningPid()
  const restarted = await run(['restart', '-p', settings['prefix']!], { folder })
  assert.equal(restarted.code, 0, restarted.err)
  assert.notEqual(runningPid(), pid)
  assert.equal(await statusOf(settings['admin_listen']!), 200)
  assert.match(readFileSync(join(settings['prefix']!, '.kong_env'), 'utf8'), /^log_level = warn$/m)
})

test('kong quit ends a node when its requests are done', async () => {
  await kong('start')
  const pid = runningPid()
  assert.deepEqual(await kong('quit'), { code: 0, out: 'Kong stopped (gracefully)\n', err: '' })
  assert.ok(isGone(pid))
})

for (const [signal, how] of [
  ['SIGTERM', 'at once'],
  ['SIGINT', 'at once'],
  ['SIGQUIT', 'gracefully'],
] as const) {
  test(`kong start --foreground logs to the output and ends ${how} with 0 when it gets ${signal}`, async () => {
    const child = spawnKong(['start', '--foreground'], { folder, settings })
    let out = ''
    child.stdout!.on('data', chunk => (out += chunk))
    while (!out.includes('prefix: ') && child.exitCode === null) await once(child.stdout!, 'data')
    assert.match(out, /^Kong started$/m)
    assert.match(out, /\[notice\] \d+#0: /)
    assert.equal(runningPid(), child.pid)
    assert.equal(await statusOf(settings['admin_listen']!), 200)
    assert.equal((await kong('health')).code, 0)
    child.kill(signal)
    const [code] = await once(child, 'close')
    assert.equal(code, 0)
    assert.ok(!existsSync(pidFile()))
  })
}

test('nginx_daemon = off stays in the foreground, and kong stop ends it from outside', async () => {
  const child = spawnKong(['start'], { folder, settings: { ...settings, nginx_daemon: 'off' } })
  let out = ''
  child.stdout!.on('data', chunk => (out += chunk))
  while (!out.includes('prefix: ') && child.exitCode === null) await once(child.stdout!, 'data')
  const ended = once(child, 'close')
  assert.equal((await kong('stop')).code, 0)
  assert.deepEqual((await ended)[0], 0)
})

test('a log file that was moved away is opened again when the node gets SIGUSR1', async () => {
  await kong('start')
  const path = join(settings['prefix']!, 'logs', 'error.log')
  rmSync(path)
  process.kill(runningPid(), 'SIGUSR1')
  await kong('reload')
  await until('the log to be there again', () => existsSync(path))
  assert.match(readFileSync(path, 'utf8'), /settings reloaded/)
})
