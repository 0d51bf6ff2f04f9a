/**
 * The Admin API on the embedded store, by clients that keep their connection: reads and writes per second, and what
 * one of 50 writers waits; then `POST /config` without a database, with 10,000 and 100,000 entities as YAML.
 * `--seconds N --clients N --entities N,N`
 */
import { Agent } from 'node:http'
import { parseArgs } from 'node:util'
import { freePort, type TestNode } from '../test/kit/nodes.ts'
import { admin, send } from '../test/kit/traffic.ts'
import { childrenOf, cpuSeconds, machineLine, peakMemory, percentile, Stage, table } from './measure.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    clients: { type: 'string', default: '50' },
    entities: { type: 'string', default: '10000,100000' },
  },
})
const seconds = Number(values.seconds)
const clients = Number(values.clients)
/** Services that are there before; reads are of these. */
const SERVICES = 1000
/** A whole configuration may take longer than a request usually does. */
const CONFIG_TIMEOUT_MS = 600_000

type Once = (client: number, turn: number) => Promise<unknown>

async function measured(once: Once): Promise<{ perSecond: number; p50: number; p99: number }> {
  const times: number[] = []
  const startedAt = performance.now()
  const end = startedAt + seconds * 1000
  const run = async (client: number) => {
    for (let turn = 0; performance.now() < end; turn++) {
      const before = performance.now()
      await once(client, turn)
      times.push(performance.now() - before)
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, client) => run(client)))
  const perSecond = (times.length * 1000) / (performance.now() - startedAt)
  return { perSecond, p50: percentile(times, 50), p99: percentile(times, 99) }
}

async function readsAndWrites(stage: Stage): Promise<void> {
  const port = await freePort()
  const node = stage.node('embedded', {
    role: 'admin',
    admin_listen: `127.0.0.1:${port}`,
    admin_access_log: 'off',
    cluster_listen: `127.0.0.1:${await freePort()}`,
    status_listen: 'off',
  })
  await node.start()
  const base = `http://127.0.0.1:${port}`
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const ask = async (method: string, path: string, body?: object) => {
    const answer = await send(`${base}${path}`, { method, agent, ...(body && { body }) })
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`)
  }
  for (let i = 0; i < SERVICES; i++) await admin(base, 'PUT', `/services/s-${i}`, { host: `h${i}.test` })
  const name = (client: number, turn: number) => `s-${(client * 7919 + turn) % SERVICES}`
  const cases: [what: string, once: Once][] = [
    ['read one by name', (client, turn) => ask('GET', `/services/${name(client, turn)}`)],
    ['read a page of 100', () => ask('GET', '/services?size=100')],
    ['create', (client, turn) => ask('POST', '/services', { name: `n-${client}-${turn}`, host: 'x.test' })],
    ['create or replace', (client, turn) => ask('PUT', `/services/${name(client, turn)}`, { host: `c${turn}.test` })],
    ['change a field', (client, turn) => ask('PATCH', `/services/${name(client, turn)}`, { retries: turn % 100 })],
  ]
  const rows: string[][] = []
  for (const [what, once] of cases) {
    const before = cpuSeconds(node.mainProcessId())
    const { perSecond, p50, p99 } = await measured(once)
    const after = cpuSeconds(node.mainProcessId())
    const cpuMs = ((after.user + after.system - before.user - before.system) * 1000) / (perSecond * seconds)
    rows.push([what, perSecond.toFixed(0), p50.toFixed(1), p99.toFixed(1), cpuMs.toFixed(2)])
  }
  agent.destroy()
  await node.stop()
  console.log(`### Admin API on the embedded store\n\n${machineLine()}; ${clients} clients at once\n`)
  console.log(table(['', 'requests/s', 'p50 ms', 'p99 ms', 'CPU ms each'], rows))
}

/** A quarter each of services, routes, consumers and keys, in block style as decK and `db_export` write it. */
function configuration(entities: number): string {
  const quarter = Math.floor(entities / 4)
  const lines = ['_format_version: "3.0"', 'services:']
  for (let i = 0; i < quarter; i++) {
    lines.push(`- name: service-${i}`, `  url: http://10.0.${i % 250}.1:8080/v${i}`, '  tags: [bench]', '  routes:')
    lines.push(`  - name: route-${i}`, `    paths: [/api/${i}]`, `    hosts: [h${i % 100}.example.test]`)
  }
  lines.push('consumers:')
  for (let i = 0; i < quarter; i++) {
    lines.push(`- username: user-${i}`, '  keyauth_credentials:', `  - key: key-${i}-0123456789abcdef`)
  }
  return `${lines.join('\n')}\n`
}

async function wholeConfigurations(stage: Stage): Promise<void> {
  const rows: string[][] = []
  for (const count of values.entities.split(',').map(Number)) {
    const port = await freePort()
    const node = stage.node(`config-${count}`, {
      database: 'off',
      admin_listen: `127.0.0.1:${port}`,
      proxy_listen: `127.0.0.1:${await freePort()}`,
      status_listen: 'off',
      nginx_worker_processes: '1',
      nginx_admin_client_max_body_size: '512m',
    })
    await node.start()
    rows.push([count.toLocaleString('en'), ...(await load(node, port, configuration(count)))])
    await node.stop()
  }
  console.log(`\n### POST /config without a database\n\n${machineLine()}; YAML, one worker\n`)
  const head = [
    'entities',
    'MiB of text',
    'answered after s',
    'CPU s, main',
    'CPU s, worker',
    'peak MiB, main',
    'worker',
  ]
  console.log(table([...head, 'the same again s'], rows))
}

async function load(node: TestNode, port: number, text: string): Promise<string[]> {
  const main = node.mainProcessId()
  const [worker] = childrenOf(main)
  const cpu = (pid: number) => Object.values(cpuSeconds(pid)).reduce((sum, part) => sum + part, 0)
  const before = [cpu(main), cpu(worker!)]
  const post = async (query = '') => {
    const startedAt = performance.now()
    const headers = { 'content-type': 'text/yaml' }
    const options = { method: 'POST', headers, body: text, timeoutMs: CONFIG_TIMEOUT_MS }
    const { status, body } = await send(`http://127.0.0.1:${port}/config${query}`, options)
    if (status !== 201 && status !== 304) throw new Error(`/config: ${status} ${body.slice(0, 500)}`)
    return ((performance.now() - startedAt) / 1000).toFixed(2)
  }
  const first = await post()
  const used = [cpu(main) - before[0]!, cpu(worker!) - before[1]!].map(figure => figure.toFixed(1))
  const peaks = [main, worker!].map(pid => peakMemory(pid).toFixed(0))
  return [(text.length / 2 ** 20).toFixed(1), first, ...used, ...peaks, await post('?check_hash=1')]
}

await Stage.run(async stage => {
  await readsAndWrites(stage)
  await wholeConfigurations(stage)
})
