/** Real requests through the engine while the configuration under them changes all the time: none may notice. */
import assert from 'node:assert/strict'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { silentLogger } from '../base/logger.ts'
import { systemClock } from '../base/clock.ts'
import { seededRandom, systemRandom } from '../base/random.ts'
import type { Row } from '../entities/config.ts'
import {
  change,
  load,
  put,
  remove,
  rowBuilder,
  testCatalog,
  testConfig,
  testPlugins,
} from '../../test/kit/config-rows.ts'
import { localAddress, proxySettings } from '../../test/kit/proxy-gateway.ts'
import { createProxyEngine } from './engine.ts'

/** Answers every request with its own name and the path it saw. */
async function anUpstream(t: TestContext, name: string): Promise<number> {
  const server = createServer((incoming, response) => response.end(`${name} ${incoming.url}`))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

function get(options: { agent: Agent; port: number; path: string }): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ ...options, host: '127.0.0.1' }, response => {
      let body = ''
      response.setEncoding('utf8').on('data', text => (body += text))
      response.on('end', () => resolve({ status: response.statusCode!, body }))
      response.on('error', reject)
    })
    sent.on('error', reject).end()
  })
}

async function aRunningGateway(t: TestContext) {
  const plugins = testPlugins()
  const catalog = testCatalog(plugins)
  const row = rowBuilder(catalog, seededRandom(4))
  const config = testConfig({ catalog, plugins, clock: systemClock })
  const node = { id: 'node', hostname: 'host', workerId: 0 }
  const engine = createProxyEngine({
    config,
    settings: proxySettings,
    log: silentLogger,
    clock: systemClock,
    random: systemRandom,
    node,
  })
  t.after(() => engine.close())
  return { config, row, port: await engine.attach(null, localAddress) }
}

test('requests succeed, each by one version, while routes, services, targets and plugins change under them', async t => {
  const { config, row, port } = await aRunningGateway(t)
  const [a, b] = [await anUpstream(t, 'a'), await anUpstream(t, 'b')]
  const ref = (of: Row) => ({ id: of['id'] })
  const upstream = row('upstreams', { name: 'pool.test' })
  const target = row('targets', { upstream: ref(upstream), target: `127.0.0.1:${a}` })
  const service = row('services', { host: 'pool.test' })
  const route = row('routes', { paths: ['/steady'], service: ref(service), strip_path: true })
  const plugin = row('plugins', { name: 'gamma', route: ref(route) })
  const base = [put('upstreams', upstream), put('targets', target), put('services', service), put('routes', route)]
  load(config, [...base, put('plugins', plugin)])

  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  t.after(() => agent.destroy())
  const seen = new Set<string>()
  let isOver = false
  let answered = 0
  const client = async () => {
    while (!isOver) {
      const { status, body } = await get({ agent, port, path: '/steady/x' })
      assert.equal(status, 200, body)
      // Old: upstream a with the prefix stripped. New: upstream b with the path kept. Never a mixture.
      assert.ok(body === 'a /x' || body === 'b /new/steady/x', body)
      seen.add(body)
      answered++
    }
  }
  const clients = Array.from({ length: 16 }, client)

  const other = row('services', { host: '127.0.0.1', port: b, path: '/new' })
  change(config, put('services', other))
  const versions = [put('routes', { ...route, service: ref(other), strip_path: false }), put('routes', route)] as const
  for (let i = 0; i < 150; i++) {
    change(config, versions[i % 2]!)
    change(config, put('plugins', { ...plugin, config: { text: `v${i}` } }))
    const passing = row('routes', { paths: [`/passing/${i}`], service: ref(service) })
    change(config, put('routes', passing), put('targets', { ...target, weight: 1 + (i % 100) }))
    change(config, remove('routes', passing), put('services', { ...service, retries: i % 9 }))
    if (i % 30 === 29) load(config, [...base, put('services', other), put('plugins', plugin)])
    const { promise, resolve } = Promise.withResolvers<void>()
    setImmediate(resolve)
    await promise
  }
  isOver = true
  await Promise.all(clients)
  assert.ok(answered > 50, `${answered} answers`)
  assert.equal(seen.size, 2, [...seen].join())
})
