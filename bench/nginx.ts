/** nginx, as the upstream that answers and as the proxy to compare with. */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../test/kit/nodes.ts'
import { eventually, send } from '../test/kit/traffic.ts'
import { childrenOf, pin, type Stage } from './measure.ts'

/** The small JSON answer that every proxy passes on. */
const BODY = '{"message":"hello","items":[1,2,3],"name":"sample"}'

export interface Nginx {
  readonly port: number
  readonly workerId: number
}

/** An upstream on its own core. */
export function startUpstream(stage: Stage, cores: string): Promise<Nginx> {
  const server = `location / { default_type application/json; return 200 '${BODY}'; }`
  return startNginx(stage, 'upstream', cores, server, '')
}

/** The same job as ours: pass on, keep connections to the upstream alive, add the X-Forwarded headers. */
export function startProxy(stage: Stage, cores: string, upstreamPort: number): Promise<Nginx> {
  const { server, upstream } = proxyTo(upstreamPort)
  return startNginx(stage, 'proxy', cores, server, upstream)
}

/** The same over TLS and HTTP/1.1 towards clients. */
export function startHttpsProxy(
  stage: Stage,
  cores: string,
  upstreamPort: number,
  { cert, key }: { readonly cert: string; readonly key: string },
): Promise<Nginx> {
  const { server, upstream } = proxyTo(upstreamPort)
  const session = 'ssl_session_cache shared:SSL:10m; ssl_session_timeout 1d; ssl_session_tickets on;'
  const tls = `ssl_certificate ${cert}; ssl_certificate_key ${key}; ssl_protocols TLSv1.2 TLSv1.3; ${session}`
  return startNginx(stage, 'https-proxy', cores, `${tls} ${server}`, upstream, 'ssl')
}

/** The same over HTTP/2 and TLS towards clients. */
export function startHttp2Proxy(
  stage: Stage,
  cores: string,
  upstreamPort: number,
  { cert, key }: { readonly cert: string; readonly key: string },
): Promise<Nginx> {
  const { server, upstream } = proxyTo(upstreamPort)
  const tls = `ssl_certificate ${cert}; ssl_certificate_key ${key}; ssl_protocols TLSv1.2 TLSv1.3;`
  return startNginx(stage, 'http2-proxy', cores, `${tls} ${server}`, upstream, 'ssl http2')
}

/** Upgrades to WebSocket. */
export function startWebSocketProxy(stage: Stage, cores: string, upstreamPort: number): Promise<Nginx> {
  const server = `location / { proxy_pass http://127.0.0.1:${upstreamPort}; proxy_http_version 1.1;
      proxy_set_header Connection Upgrade; proxy_set_header Upgrade $http_upgrade; }`
  return startNginx(stage, 'websocket-proxy', cores, server, '')
}

function proxyTo(upstreamPort: number): { readonly server: string; readonly upstream: string } {
  const upstream = `upstream api { server 127.0.0.1:${upstreamPort}; keepalive 512; keepalive_requests 10000; }`
  const server = `location / {
      proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Forwarded-Port $server_port; }`
  return { server, upstream }
}

export async function startNginx(
  stage: Stage,
  name: string,
  cores: string,
  server: string,
  http: string,
  flags = '',
): Promise<Nginx> {
  const port = await freePort()
  const folder = join(stage.folder, `nginx-${name}`)
  mkdirSync(join(folder, 'temp'), { recursive: true })
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(kind => `${kind}_temp_path ${folder}/temp;`)
    .join(' ')
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${process.getuid?.() === 0 ? 'user root;' : ''} worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log; daemon off; worker_rlimit_nofile 65536;
     events { worker_connections 16384; }
     http { access_log off; keepalive_requests 1000000; ${temp} ${http}
       server { listen 127.0.0.1:${port} ${flags} reuseport backlog=16384; ${server} } }`,
  )
  const child = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], {
    stdio: 'ignore',
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` },
  })
  stage.atEnd(() => child.kill('SIGKILL'))
  await eventually(`nginx (${name})`, async () => (await send(`http://127.0.0.1:${port}/`)).status > 0)
  const main = Number(readFileSync(join(folder, 'pid'), 'utf8'))
  const workerId = childrenOf(main)[0]!
  stage.atEnd(() => {
    try {
      process.kill(workerId, 'SIGKILL')
    } catch {
      // It ended with its parent.
    }
  })
  pin(workerId, cores)
  return { port, workerId }
}
