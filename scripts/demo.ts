/**
 * `npm start`: a sample API, one control plane and two data planes on this machine, configured and ready to try.
 * Everything it starts is a child of this process and ends with it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, styleText } from 'node:util'

const OPTIONS = {
  'admin-port': { type: 'string', default: '8001' },
  'cluster-port': { type: 'string', default: '8002' },
  'proxy-port-1': { type: 'string', default: '8000' },
  'proxy-port-2': { type: 'string', default: '8100' },
  help: { type: 'boolean', default: false },
} as const

const children: { name: string; process: ChildProcess }[] = []
const folder = mkdtempSync(join(tmpdir(), 'silverback-demo-'))
let isEnding = false

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS })
  if (values.help) {
    console.log('npm start -- [--admin-port N] [--cluster-port N] [--proxy-port-1 N] [--proxy-port-2 N]')
    return end(0)
  }
  await checkPorts(values)
  const admin = `http://127.0.0.1:${values['admin-port']}`
  console.log('Starting a sample API (3 instances), a control plane and two data planes…')
  const targets = await Promise.all(['api-1', 'api-2', 'api-3'].map(startSampleApi))
  await startNode('control-plane', {
    KONG_ROLE: 'admin',
    KONG_ADMIN_LISTEN: `127.0.0.1:${values['admin-port']}`,
    KONG_CLUSTER_LISTEN: `127.0.0.1:${values['cluster-port']}`,
    KONG_STATUS_LISTEN: 'off',
  })
  await Promise.all(
    [values['proxy-port-1'], values['proxy-port-2']].map((port, index) =>
      startNode(`data-plane-${index + 1}`, {
        KONG_ROLE: 'proxy',
        KONG_STORAGE: 'memory',
        KONG_CLUSTER_CONTROL_PLANE: `127.0.0.1:${values['cluster-port']}`,
        KONG_PROXY_LISTEN: `127.0.0.1:${port}`,
        KONG_STATUS_LISTEN: 'off',
        KONG_NGINX_WORKER_PROCESSES: '1',
      }),
    ),
  )
  await configure(admin, targets)
  const proxies = [values['proxy-port-1'], values['proxy-port-2']].map(port => `http://127.0.0.1:${port}`)
  await Promise.all(
    proxies.map(proxy =>
      until(`${proxy} to serve the route`, async () => (await fetch(`${proxy}/hello`)).status === 200),
    ),
  )
  await summarize(admin, proxies)
}

/** Says which ports are taken, and by which option each can be changed, before anything is started. */
async function checkPorts(values: Record<string, string | boolean | undefined>): Promise<void> {
  const taken: string[] = []
  for (const option of ['admin-port', 'cluster-port', 'proxy-port-1', 'proxy-port-2']) {
    if (!(await isFree(Number(values[option]))))
      taken.push(`  port ${values[option]} is taken: choose another with --${option} N`)
  }
  if (taken.length === 0) return
  console.error(
    `${styleText('red', 'Cannot start:')}\n${taken.join('\n')}\nFor example: npm start -- --admin-port 18001`,
  )
  end(1)
  await new Promise(() => {})
}

async function isFree(port: number): Promise<boolean> {
  const answers = await new Promise<boolean>(resolve => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
  if (answers) return false
  return new Promise(resolve => {
    const server = createServer().once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

function startSampleApi(name: string): Promise<string> {
  const script = join(import.meta.dirname, 'sample-api.ts')
  const child = spawn(process.execPath, [script, name], { stdio: ['pipe', 'pipe', 'inherit'] })
  watch(name, child)
  return new Promise(resolve => child.stdout.once('data', data => resolve(`127.0.0.1:${String(data).trim()}`)))
}

/** Resolves when the node says that it has started; its log stays in memory until then, to be shown if it fails. */
function startNode(name: string, settings: Record<string, string>): Promise<void> {
  const kong = join(import.meta.dirname, '../bin/kong')
  const env = { ...environmentWithoutKong(), ...settings, KONG_PREFIX: join(folder, name) }
  const child = spawn(kong, ['start', '--foreground'], { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  watch(name, child)
  return new Promise((resolve, reject) => {
    let output = ''
    let isStarted = false
    const collect = (data: Buffer) => {
      if (isStarted) return
      output += data
      if (/^Kong started/m.test(output)) {
        isStarted = true
        resolve()
      }
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.once('exit', () => reject(new Error(`${name} did not start:\n${output}`)))
  })
}

function environmentWithoutKong(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KONG_')))
}

function watch(name: string, child: ChildProcess): void {
  children.push({ name, process: child })
  child.once('exit', code => {
    if (isEnding) return
    console.error(styleText('yellow', `${name} has ended (code ${code}); the others go on.`))
  })
}

async function configure(admin: string, targets: readonly string[]): Promise<void> {
  const put = async (path: string, body: object) => {
    const response = await fetch(`${admin}${path}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`PUT ${path}: ${response.status} ${await response.text()}`)
  }
  const post = async (path: string, body: object) => {
    const response = await fetch(`${admin}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`)
  }
  await put('/upstreams/sample-api', {})
  for (const target of targets) await post('/upstreams/sample-api/targets', { target })
  await put('/services/sample', { host: 'sample-api' })
  await put('/services/sample/routes/hello', { paths: ['/hello'] })
  await put('/services/sample/routes/private', { paths: ['/private'] })
  await post('/routes/private/plugins', { name: 'key-auth' })
  await put('/consumers/alice', {})
  await post('/consumers/alice/key-auth', { key: 'alice-key' })
}

async function summarize(admin: string, proxies: readonly string[]): Promise<void> {
  const status = (await (await fetch(`${admin}/clustering/status`)).json()) as Record<string, { config_hash: string }>
  const bold = (text: string) => styleText('bold', text)
  const lines = [
    '',
    styleText('green', '  Silverback is running: one control plane, two data planes.'),
    '',
    `  Admin API     ${bold(admin)}`,
    ...proxies.map((proxy, index) => `  Data plane ${index + 1}  ${bold(proxy)}`),
    '',
    '  Nodes         GET /clustering/status',
    ...Object.entries(status).map(([id, node]) => `                ${id}  config ${node.config_hash}`),
    '',
    '  Try           ' + styleText('cyan', `curl ${proxies[0]}/hello`),
    '                ' + styleText('cyan', `curl -i ${proxies[1]}/private                       # 401`),
    '                ' + styleText('cyan', `curl -H 'apikey: alice-key' ${proxies[1]}/private`),
    '                ' + styleText('cyan', `curl ${admin}/routes`),
    '',
    `  Stop          Ctrl-C (ends everything started here)`,
    '',
  ]
  console.log(lines.join('\n'))
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000
  while (performance.now() < deadline) {
    if (await condition().catch(() => false)) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  throw new Error(`waited 20 s for ${what}`)
}

/** Ends every child, waits for them, and removes what they left on disk. */
function end(code: number): void {
  if (isEnding) return
  isEnding = true
  const alive = children.filter(child => child.process.exitCode === null && child.process.signalCode === null)
  const gone = alive.map(child => new Promise(resolve => child.process.once('exit', resolve)))
  for (const child of alive) child.process.kill('SIGTERM')
  const force = setTimeout(() => {
    for (const child of alive) child.process.kill('SIGKILL')
  }, 5000)
  void Promise.all(gone).then(() => {
    clearTimeout(force)
    rmSync(folder, { recursive: true, force: true })
    if (children.length > 0) console.log('Stopped.')
    process.exit(code)
  })
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end(0))
main().catch((error: Error) => {
  if (isEnding) return
  console.error(styleText('red', error.message))
  end(1)
})
