/** TCP proxies to compare with: nginx's stream module and HAProxy, each one process with one thread. */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../test/kit/nodes.ts'
import { eventually, send } from '../test/kit/traffic.ts'
import { childrenOf, pin, type Stage } from './measure.ts'
import type { Nginx } from './nginx.ts'

const ENVIRONMENT = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` }
const MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so'

export async function startNginxStream(stage: Stage, cores: string, upstreamPort: number): Promise<Nginx> {
  const port = await freePort()
  const folder = join(stage.folder, 'nginx-stream')
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${process.getuid?.() === 0 ? 'user root;' : ''} load_module ${MODULE}; worker_processes 1; pid ${folder}/pid;
     error_log ${folder}/error.log; daemon off; worker_rlimit_nofile 65536; events { worker_connections 16384; }
     stream { access_log off; server { listen 127.0.0.1:${port} reuseport backlog=16384; proxy_pass 127.0.0.1:${upstreamPort}; } }`,
  )
  const child = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore', env: ENVIRONMENT })
  stage.atEnd(() => child.kill('SIGKILL'))
  await answers('nginx stream', port)
  const workerId = childrenOf(Number(readFileSync(join(folder, 'pid'), 'utf8')))[0]!
  stage.atEnd(() => end(workerId))
  pin(workerId, cores)
  return { port, workerId }
}

export async function startHaproxy(stage: Stage, cores: string, upstreamPort: number): Promise<Nginx> {
  const port = await freePort()
  const file = join(stage.folder, 'haproxy.cfg')
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4096
defaults
  mode tcp
  timeout connect 60s
  timeout client 60s
  timeout server 60s
listen bench
  bind 127.0.0.1:${port} backlog 16384
  server one 127.0.0.1:${upstreamPort}
`,
  )
  const child = spawn('haproxy', ['-db', '-f', file], { stdio: 'ignore', env: ENVIRONMENT })
  stage.atEnd(() => child.kill('SIGKILL'))
  await answers('HAProxy', port)
  pin(child.pid!, cores)
  return { port, workerId: child.pid! }
}

/** An upstream behind the proxy speaks HTTP, which none of them looks at. */
async function answers(name: string, port: number): Promise<void> {
  await eventually(name, async () => (await send(`http://127.0.0.1:${port}/`)).status > 0)
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended with its parent.
  }
}
