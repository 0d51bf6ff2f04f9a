/**
 * Load at a fixed rate, whatever the answers take: `node steady-load.ts PORT PATH RATE SECONDS CONNECTIONS`.
 *
 * Latency counts from when a request was due, so that a stall is seen by all requests that it delayed. Prints JSON.
 */
import { connect, type Socket } from 'node:net'

const [port, path, rate, seconds, connections] = process.argv.slice(2)
const total = Number(rate) * Number(seconds)
const intervalMs = 1000 / Number(rate)
const request = `GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`
const latencies: number[] = []
let failed = 0
let sent = 0
const idle: Client[] = []
const due: number[] = []

class Client {
  readonly socket: Socket
  dueAt = 0
  #head = ''

  constructor() {
    this.socket = connect(Number(port), '127.0.0.1')
    this.socket.setNoDelay(true)
    this.socket.on('data', data => this.#receive(data.toString('latin1')))
    this.socket.on('error', () => {
      failed += 1
    })
  }
  send(at: number): void {
    this.dueAt = at
    this.#head = ''
    this.socket.write(request)
  }
  #receive(text: string): void {
    this.#head += text
    const end = this.#head.indexOf('\r\n\r\n')
    if (end < 0) return
    const length = Number(/content-length: (\d+)/i.exec(this.#head)?.[1] ?? 0)
    if (this.#head.length < end + 4 + length) return
    if (!this.#head.startsWith('HTTP/1.1 200')) failed += 1
    latencies.push(performance.now() - this.dueAt)
    const next = due.shift()
    if (next !== undefined) this.send(next)
    else idle.push(this)
  }
}

const clients = Array.from({ length: Number(connections) }, () => new Client())
await Promise.all(clients.map(client => new Promise(resolve => client.socket.once('connect', resolve))))
idle.push(...clients)
const startedAt = performance.now()
function tick(): void {
  const now = performance.now()
  while (sent < total && startedAt + sent * intervalMs <= now) {
    const at = startedAt + sent++ * intervalMs
    const client = idle.pop()
    if (client === undefined) due.push(at)
    else client.send(at)
  }
  if (latencies.length + failed < total && now - startedAt < Number(seconds) * 1000 + 5000) setImmediate(tick)
  else finish()
}
function finish(): void {
  latencies.sort((a, b) => a - b)
  const at = (percent: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor((latencies.length * percent) / 100))] ?? 0
  console.log(
    JSON.stringify({
      count: latencies.length,
      failed,
      p50: at(50),
      p99: at(99),
      p999: at(99.9),
      max: latencies.at(-1) ?? 0,
    }),
  )
  process.exit(0)
}
tick()
