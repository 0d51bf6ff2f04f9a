import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { freePort, temporaryFolder } from '../kit/nodes.ts'
import { eventually, send } from '../kit/traffic.ts'

const root = join(import.meta.dirname, '../..')

/** What git would hand to a newcomer: the committed files, without packages. */
function cloneInto(folder: string): string {
  const clone = join(folder, 'silverback')
  execFileSync('git', ['clone', '--quiet', '--no-hardlinks', root, clone])
  return clone
}

function processesIn(folder: string): string[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(pid => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')
      } catch {
        return ''
      }
    })
    .filter(command => command.includes(folder))
}

test('npm start and npm test work in a fresh clone', { timeout: 600_000 }, async t => {
  if (!existsSync(join(root, '.git'))) return t.skip('not a git checkout')
  const clone = cloneInto(temporaryFolder(t))
  const environment: NodeJS.ProcessEnv = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(KONG_|npm_|NODE_(?!EXTRA_CA_CERTS)|INIT_CWD)/.test(name)),
  )
  // A newcomer's shell knows neither our Node nor our tools.
  environment['PATH'] = process.env['PATH']!.split(':')
    .filter(folder => !folder.includes('node_modules'))
    .join(':')

  await t.test('npm start installs, runs everything, and Ctrl-C leaves no process behind', async t => {
    const ports = {
      admin: await freePort(),
      cluster: await freePort(),
      first: await freePort(),
      second: await freePort(),
    }
    const args = ['start', '--', '--admin-port', ports.admin, '--cluster-port', ports.cluster]
    args.push('--proxy-port-1', ports.first, '--proxy-port-2', ports.second)
    const child = spawn('npm', args.map(String), {
      cwd: clone,
      env: environment,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    t.after(() => {
      try {
        process.kill(-child.pid!, 'SIGKILL')
      } catch {
        // It has ended, as it should.
      }
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (output += data))
    const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
    await Promise.race([
      eventually('the summary', async () => /Ctrl-C/.test(output), 300_000),
      exited.then(() => assert.fail(`npm start ended: ${output}`)),
    ])
    assert.match(output, new RegExp(`http://127\\.0\\.0\\.1:${ports.admin}`))
    assert.match(output, /curl/)
    const hello = (await send(`http://127.0.0.1:${ports.first}/hello`)).json()
    assert.match(hello.instance, /^api-[123]$/)
    assert.equal((await send(`http://127.0.0.1:${ports.second}/private`)).status, 401)
    const known = await send(`http://127.0.0.1:${ports.second}/private`, { headers: { apikey: 'alice-key' } })
    assert.equal(known.json().consumer, 'alice')
    const status = (await send(`http://127.0.0.1:${ports.admin}/clustering/status`)).json()
    for (const id of Object.keys(status)) assert.ok(output.includes(id), `the summary names node ${id}`)
    assert.equal(Object.keys(status).length, 2)

    const taken = spawn('npm', args.map(String), { cwd: clone, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
    let complaint = ''
    for (const stream of [taken.stdout, taken.stderr]) stream.on('data', data => (complaint += data))
    const code = await new Promise(resolve => taken.once('close', resolve))
    assert.equal(code, 1)
    assert.match(complaint, new RegExp(`port ${ports.admin} is taken: choose another with --admin-port`))

    process.kill(-child.pid!, 'SIGINT')
    await exited
    await eventually('no process to be left', async () => processesIn(clone).length === 0)
  })

  await t.test('npm test passes its checks and unit tests there', async t => {
    // The tests that start whole programs are running already: this is one of them.
    const child = spawn('npm', ['test', '--', '--only', 'checks,unit'], {
      cwd: clone,
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (output += data))
    const code = await new Promise(resolve => child.once('close', resolve))
    assert.equal(code, 0, output.slice(-6000))
    t.diagnostic(/\d+ passed, \d+ failed/.exec(output)?.[0] ?? '')
  })
})
