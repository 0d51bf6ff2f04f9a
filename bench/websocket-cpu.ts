/**
 * CPU per WebSocket message of 1 KiB through the tunnel, against nginx doing the same in the same run.
 *
 * The gateway's worker has core 0 for itself; clients and the echoing server share core 1, in a process of their own.
 * Each client sends its next message when the last one has come back. `--rounds N --seconds N --connections N`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { freePort } from '../test/kit/nodes.ts'
import { eventually, send } from '../test/kit/traffic.ts'
import { cpuSeconds, machineLine, median, pin, residentMemory, Stage, table } from './measure.ts'
import { startWebSocketProxy } from './nginx.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '100' },
    /** What this process is when it starts itself: the server, or a load on a port. */
    role: { type: 'string', default: 'bench' },
    port: { type: 'string', default: '0' },
  },
})
const GATEWAY_CORE = '0'
const LOAD_CORE = '1'
const TARGET = 1.1
const MESSAGE_BYTES = 1024
const UPGRADE =
  'GET /r HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n'
const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

interface Contestant {
  readonly name: string
  readonly port: number
  readonly workerId: number
}

if (values.role === 'server') serve()
else if (values.role === 'load') await load()
else await Stage.run(bench)

async function bench(stage: Stage): Promise<void> {
  const upstreamPort = await freePort()
  const server = startRole('server', upstreamPort)
  stage.atEnd(() => server.kill('SIGKILL'))
  await once(server.stdout, 'data')
  const nginx = await startWebSocketProxy(stage, GATEWAY_CORE, upstreamPort)
  const contestants: Contestant[] = [
    { name: 'nginx', ...nginx },
    { name: 'Silverback', ...(await startSilverback(stage, upstreamPort)) },
  ]
  for (const contestant of contestants) await measure(contestant, 2)
  const rounds: number[][] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const micros: number[] = []
    for (const contestant of contestants) micros.push(await measure(contestant, Number(values.seconds)))
    rounds.push(micros)
  }
  console.log(
    `### CPU per WebSocket message of 1 KiB, there and back\n\n${machineLine()}; ${values.rounds} interleaved rounds of ` +
      `${values.seconds} s, ${values.connections} connections\n`,
  )
  const rows = contestants.map(({ name, workerId }, index) => [
    name,
    median(rounds.map(micros => micros[index]!)).toFixed(1),
    median(rounds.map(micros => micros[index]! / micros[0]!)).toFixed(2),
    index === 0 ? '' : TARGET.toFixed(2),
    residentMemory(workerId).toFixed(0),
  ])
  console.log(table(['', 'CPU µs/message', '× nginx', 'target', 'RSS MiB after load'], rows))
}

async function startSilverback(stage: Stage, upstreamPort: number) {
  const port = await freePort()
  const config = join(stage.folder, 'kong.json')
  const routes = [{ name: 'r', paths: ['/r'], strip_path: false }]
  const services = [{ name: 's', url: `http://127.0.0.1:${upstreamPort}`, routes }]
  writeFileSync(config, JSON.stringify({ _format_version: '3.0', services }))
  const node = stage.node('websocket', {
    storage: 'memory',
    declarative_config: config,
    proxy_listen: `127.0.0.1:${port} reuseport backlog=16384`,
    admin_listen: 'off',
    status_listen: 'off',
    proxy_access_log: 'off',
    nginx_worker_processes: 1,
  })
  await node.start()
  await eventually('Silverback to serve', async () => (await send(`http://127.0.0.1:${port}/none`)).status === 404)
  const workerId = node.workerProcessIds()[0]!
  pin(workerId, GATEWAY_CORE)
  return { port, workerId }
}

/** Microseconds of CPU per message that went there and back. */
async function measure({ port, workerId }: Contestant, seconds: number): Promise<number> {
  const before = cpuSeconds(workerId)
  const child = startRole('load', port, ['--seconds', `${seconds}`, '--connections', values.connections])
  let output = ''
  child.stdout.on('data', data => (output += data))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error('the load failed')
  const after = cpuSeconds(workerId)
  return ((after.user - before.user + after.system - before.system) * 1e6) / Number(output)
}

function startRole(role: string, port: number, rest: readonly string[] = []) {
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', import.meta.filename]
  return spawn('taskset', ['-c', LOAD_CORE, ...command, '--role', role, '--port', `${port}`, ...rest], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** Bytes come back as they are: an echo of frames needs not know what frames are. */
function serve(): void {
  const server = createServer(socket => {
    socket.setNoDelay(true)
    socket.once('data', head => {
      // Who only looks whether somebody is there.
      if (!/upgrade: websocket/i.test(String(head)))
        return void socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')
      socket.write(SWITCHED)
      socket.on('data', bytes => socket.write(bytes))
    })
    socket.on('error', () => {})
  })
  server.listen(Number(values.port), '127.0.0.1', () => console.log('ready'))
}

async function load(): Promise<void> {
  // A masked binary frame with a length of two bytes.
  const message = Buffer.concat([
    Buffer.from([0x82, 0xfe, MESSAGE_BYTES >> 8, MESSAGE_BYTES & 255, 1, 2, 3, 4]),
    Buffer.alloc(MESSAGE_BYTES),
  ])
  let count = 0
  let isOver = false
  const sockets: Socket[] = []
  for (let i = 0; i < Number(values.connections); i++) {
    const socket = connect(Number(values.port), '127.0.0.1')
    socket.setNoDelay(true)
    socket.write(UPGRADE)
    await once(socket, 'data')
    let missing = 0
    const sendOne = () => {
      missing = message.length
      socket.write(message)
    }
    socket.on('data', bytes => {
      missing -= bytes.length
      if (missing > 0) return
      count++
      if (!isOver) sendOne()
    })
    socket.once('close', () => isOver || process.exit(1))
    sockets.push(socket)
    sendOne()
  }
  await new Promise(resolve => setTimeout(resolve, Number(values.seconds) * 1000))
  isOver = true
  for (const socket of sockets) socket.destroy()
  console.log(count)
}
