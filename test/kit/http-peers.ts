/** nginx and HAProxy as Debian ships them: the peers whose reading of a request ours must not differ from. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { freePort, temporaryFolder } from './nodes.ts'

const PATH = `${process.env['PATH']}:/usr/sbin:/sbin`
const ENVIRONMENT = { ...process.env, PATH }

/** For `skip`: why a test cannot run, or false. Under KONG_TEST_REQUIRE=all it runs, and fails, all the same. */
export function lacks(...programs: readonly string[]): string | false {
  const missing = programs.filter(program => {
    try {
      execFileSync('/bin/sh', ['-c', `command -v ${program}`], { stdio: 'ignore', env: ENVIRONMENT })
      return false
    } catch {
      return true
    }
  })
  if (missing.length === 0 || process.env['KONG_TEST_REQUIRE'] === 'all') return false
  return `${missing.join(' and ')} not installed`
}

/** nginx as Kong configures it, with this inside its `location /`. */
export async function anNginx(t: TestContext, location: string): Promise<number> {
  const folder = temporaryFolder(t)
  const port = await freePort()
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder}/${name};`)
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log; events {}
     http { access_log off; ${paths.join(' ')} underscores_in_headers on; ignore_invalid_headers off;
       server { listen 127.0.0.1:${port}; location / { ${location} } } }`,
  )
  await start(t, 'nginx', ['-p', folder, '-c', file, '-e', join(folder, 'error.log')], port)
  return port
}

export function anNginxProxy(t: TestContext, upstreamPort: number): Promise<number> {
  return anNginx(
    t,
    `proxy_pass http://127.0.0.1:${upstreamPort}; proxy_http_version 1.1; proxy_set_header Connection "";
     proxy_ignore_client_abort on;`,
  )
}

export async function aHaproxy(t: TestContext, upstreamPort: number): Promise<number> {
  const folder = temporaryFolder(t)
  const port = await freePort()
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(
    file,
    `global
  maxconn 200
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend in
  bind 127.0.0.1:${port}
  default_backend out
backend out
  server one 127.0.0.1:${upstreamPort}
`,
  )
  await start(t, 'haproxy', ['-db', '-f', file], port)
  return port
}

async function start(t: TestContext, program: string, args: readonly string[], port: number): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], env: ENVIRONMENT })
  let said = ''
  child.stderr.on('data', data => (said += data))
  const ended = once(child, 'exit')
  t.after(async () => {
    child.kill()
    await ended
  })
  for (let attempt = 0; attempt < 500; attempt++) {
    if (await isOpen(port)) return
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}: ${said}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  throw new Error(`${program} did not start: ${said}`)
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const isThere = await new Promise<boolean>(resolve => {
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
  })
  socket.destroy()
  return isThere
}
