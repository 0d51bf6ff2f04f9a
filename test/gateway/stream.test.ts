/** TCP, TLS and UDP through a whole node: settings, Admin API, workers, logs, metrics, reload, quit. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { aNode, freePort, type TestNode } from '../kit/nodes.ts'
import { aTcpServer, read, readAll } from '../kit/stream-gateway.ts'
import { eventually } from '../kit/traffic.ts'

async function freePorts(count: number): Promise<number[]> {
  return Promise.all(Array.from({ length: count }, freePort))
}

async function aUdpEcho(t: TestContext): Promise<number> {
  const socket = createSocket('udp4')
  socket.on('message', (bytes, from) => socket.send(`udp:${bytes}`, from.port, from.address))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  return socket.address().port
}

async function aClient(t: TestContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

async function say(socket: Socket, text: string): Promise<string> {
  socket.write(text)
  return read(socket)
}

async function reload(node: TestNode, settings: Record<string, string>): Promise<void> {
  for (const [name, value] of Object.entries(settings)) node.environment[`KONG_${name.toUpperCase()}`] = value
  const { status, stderr } = await node.kong('reload')
  assert.equal(status, 0, stderr)
}

test('a node proxies TCP, TLS and UDP, from the start, through reloads, to a quit that waits', async t => {
  const echo = await aTcpServer(t, socket => void socket.pipe(socket))
  const [tcp, tls, added, status] = await freePorts(4)
  const service = (name: string, protocol: string, port: number, route: object) => ({
    name,
    protocol,
    host: '127.0.0.1',
    port,
    read_timeout: 5000,
    routes: [{ name, ...route }],
  })
  const node = await aNode(t, {
    storage: 'memory',
    declarative_config_string: JSON.stringify({
      _format_version: '3.0',
      services: [
        service('plain', 'tcp', echo, { protocols: ['tcp'], destinations: [{ port: tcp }, { port: added }] }),
        service('secure', 'tcp', echo, { protocols: ['tls'], snis: ['secure.test'] }),
        service('datagrams', 'udp', await aUdpEcho(t), {
          protocols: ['udp'],
          destinations: [{ ip: '127.0.0.1', port: tcp }],
        }),
      ],
      plugins: [
        {
          name: 'prometheus',
          protocols: ['tcp', 'tls', 'udp'],
          config: { status_code_metrics: true, bandwidth_metrics: true, latency_metrics: true },
        },
      ],
    }),
    proxy_listen: 'off',
    stream_listen: `127.0.0.1:${tcp}, 0.0.0.0:${tcp} udp, 127.0.0.1:${tls} ssl`,
    admin_listen: 'off',
    status_listen: `127.0.0.1:${status}`,
    nginx_worker_processes: '2',
  }).start()

  const long = await aClient(t, tcp!)
  assert.equal(await say(long, 'one'), 'one')
  const secure = connectTls({ port: tls!, host: '127.0.0.1', servername: 'secure.test', rejectUnauthorized: false })
  t.after(() => secure.destroy())
  await once(secure, 'secureConnect')
  assert.equal(await say(secure, 'two'), 'two')
  secure.end()
  const datagrams = createSocket('udp4')
  t.after(() => datagrams.close())
  datagrams.send('three', tcp!, '127.0.0.1')
  assert.equal(String((await once(datagrams, 'message'))[0]), 'udp:three')

  await reload(node, { stream_listen: `127.0.0.1:${tcp}, 127.0.0.1:${added}` })
  assert.equal(await say(long, 'four'), 'four')
  assert.equal(await say(await aClient(t, added!), 'five'), 'five')
  assert.equal(await say(await aClient(t, tcp!), 'six'), 'six')

  const metrics = await (await fetch(`http://127.0.0.1:${status}/metrics`)).text()
  assert.match(metrics, /kong_nginx_connections_total\{[^}]*subsystem="stream",state="accepted"\} [1-9]/)

  const log = () => readFileSync(join(node.prefix, 'logs/access.log'), 'utf8')
  await eventually('the TLS session to be logged', async () => /TCP 200 3 3 /.test(log()))
  const last = await aClient(t, tcp!)
  assert.equal(await say(last, 'seven'), 'seven')
  const quit = node.kong('quit')
  await eventually('the port to be closed', () =>
    aClient(t, tcp!).then(
      () => false,
      () => true,
    ),
  )
  assert.equal(await say(last, 'eight'), 'eight')
  last.end()
  assert.equal(String(await readAll(last)), '')
  for (const socket of [long]) socket.end()
  assert.equal((await quit).status, 0)
  assert.match(log(), /TCP 200 10 10 /)
})

test('a port that is taken, for TCP or UDP, is named, and the node does not start', async t => {
  const port = await aUdpEcho(t)
  const node = aNode(t, {
    storage: 'memory',
    proxy_listen: 'off',
    stream_listen: `127.0.0.1:${port} udp`,
    admin_listen: 'off',
    status_listen: 'off',
  })
  const { status, stderr } = await node.kong('start')
  assert.notEqual(status, 0)
  assert.match(stderr, new RegExp(`127.0.0.1:${port}.*(EADDRINUSE|in use)`))
})
