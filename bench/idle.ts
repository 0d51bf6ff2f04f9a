/** Memory of idle client connections: so many, each after one request, and what they cost. `--connections N`. */
import { connect, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { freePort } from '../test/kit/nodes.ts'
import { eventually, send } from '../test/kit/traffic.ts'
import { cpuSeconds, machineLine, residentMemory, Stage, table } from './measure.ts'

const { values } = parseArgs({ options: { connections: { type: 'string', default: '10000' } } })
const COUNT = Number(values.connections)
/** Connections from one address to one port are limited by the ports there are. */
const PER_ADDRESS = 20_000

await Stage.run(async stage => {
  const port = await freePort()
  const node = stage.node('idle', {
    storage: 'memory',
    declarative_config_string: JSON.stringify({
      _format_version: '3.0',
      routes: [{ paths: ['/r'], plugins: [{ name: 'request-termination', config: { status_code: 200 } }] }],
    }),
    proxy_listen: `127.0.0.1:${port} backlog=16384`,
    admin_listen: 'off',
    status_listen: 'off',
    proxy_access_log: 'off',
    nginx_worker_processes: 1,
    nginx_http_keepalive_timeout: '600s',
    nginx_events_worker_connections: COUNT + 100,
  })
  await node.start()
  await eventually('the node to serve', async () => (await send(`http://127.0.0.1:${port}/r`)).status === 200)
  const [worker] = node.workerProcessIds()
  const before = residentMemory(worker!)
  const sockets: Socket[] = []
  for (let i = 0; i < COUNT; i += 200) {
    const batch = Array.from({ length: Math.min(200, COUNT - i) }, (_, j) => open(port, i + j))
    sockets.push(...(await Promise.all(batch)))
  }
  const after = residentMemory(worker!)
  const cpuBefore = cpuSeconds(worker!)
  await new Promise(resolve => setTimeout(resolve, 5000))
  const cpuAfter = cpuSeconds(worker!)
  const cpu = cpuAfter.user + cpuAfter.system - cpuBefore.user - cpuBefore.system
  const alive = sockets.filter(socket => !socket.destroyed).length
  console.log(`### ${COUNT} idle connections\n\n${machineLine()}\n`)
  console.log(
    table(
      ['', ''],
      [
        ['open after a request each', alive],
        ['RSS before', `${before.toFixed(0)} MiB`],
        ['RSS with them', `${after.toFixed(0)} MiB`],
        ['per connection', `${(((after - before) * 1024) / COUNT).toFixed(1)} KiB`],
        ['share of a core while idle', `${((cpu / 5) * 100).toFixed(1)} %`],
      ],
    ),
  )
  for (const socket of sockets) socket.destroy()
})

function open(port: number, index: number): Promise<Socket> {
  const localAddress = `127.0.0.${2 + Math.floor(index / PER_ADDRESS)}`
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('data', () => resolve(socket))
    socket.write('GET /r HTTP/1.1\r\nHost: bench\r\n\r\n')
  })
}
