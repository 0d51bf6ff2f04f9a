/** A stream proxy on ports of its own, with a real running configuration made of rows. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import type { ListenAddress } from '../../src/base/listen-address.ts'
import { createLogger } from '../../src/base/logger.ts'
import { seededRandom, systemRandom } from '../../src/base/random.ts'
import type { ConfigChange, Row } from '../../src/entities/config.ts'
import ipRestriction from '../../src/plugins/ip-restriction.ts'
import { createProxyEngine, type ProxyEngine } from '../../src/proxy/engine.ts'
import type { ProxySettings } from '../../src/proxy/proxy-settings.ts'
import type { RunningConfig } from '../../src/proxy/running-config.ts'
import { definePlugin, field, type PluginDefinition, type Reply, type StreamLogPhase } from '../../src/sdk/sdk.ts'
import { change, put, rowBuilder, testCatalog, testConfig } from './config-rows.ts'
import { localAddress, proxySettings } from './proxy-gateway.ts'

export interface StreamGateway {
  readonly engine: ProxyEngine
  readonly config: RunningConfig
  readonly logged: string[]
  readonly accessLog: string[]
  /** Log entries, by a plugin that is global where `withLog` is on. */
  readonly entries: Record<string, any>[]
  readonly row: (entity: string, input: Row) => Row
  put(entity: string, input: Row): Row
  listen(address?: Partial<ListenAddress>): Promise<number>
}

/** Logs what it sees; with `reply`, answers in preread instead of going on. */
function journal(entries: Record<string, any>[]) {
  return definePlugin({
    name: 'journal',
    priority: 10,
    protocols: ['tcp', 'tls', 'udp', 'tls_passthrough'],
    scopes: ['service', 'route', 'consumer'],
    docs: { summary: 'For tests.', example: {} },
    config: {
      status: field.integer({}),
      text: field.string({}),
      fails: field.boolean({ default: false }),
      late: field.boolean({ default: false }),
    },
    prepare({ status, text, fails, late }) {
      const decide = (): Reply | undefined => {
        if (fails) throw new Error('as asked')
        return status === null ? undefined : { status, body: text ?? '' }
      }
      return {
        preread: () => (late ? new Promise(resolve => setImmediate(() => resolve(decide()))) : decide()),
        streamLog: (session: StreamLogPhase) => void entries.push(session.serialize()),
      }
    },
  })
}

export async function aStreamGateway(
  t: TestContext,
  { settings, rawAccept }: { settings?: Partial<ProxySettings>; rawAccept?: boolean } = {},
): Promise<StreamGateway> {
  const entries: Record<string, any>[] = []
  const logged: string[] = []
  const accessLog: string[] = []
  const plugins = new Map<string, PluginDefinition>(
    [journal(entries), ipRestriction].map(plugin => [plugin.name, plugin as unknown as PluginDefinition]),
  )
  const catalog = testCatalog(plugins)
  const config = testConfig({ catalog, plugins, clock: systemClock })
  const engine = createProxyEngine({
    config,
    settings: { ...proxySettings, streamAccessLog: line => void accessLog.push(line), ...settings },
    log: createLogger({ level: 'debug', write: line => void logged.push(line), now: () => 0 }),
    clock: systemClock,
    random: systemRandom,
    node: { id: 'node', hostname: 'host', workerId: 0 },
    ...(rawAccept === undefined ? {} : { rawAccept }),
  })
  t.after(() => engine.close())
  const row = rowBuilder(catalog, seededRandom(4))
  return {
    engine,
    config,
    logged,
    accessLog,
    entries,
    row,
    put(entity, input) {
      const made = row(entity, input)
      change(config, put(entity, made) as ConfigChange)
      return made
    },
    listen: address => engine.attach(null, { ...localAddress, stream: true, ...address }),
  }
}

export const ref = (row: Row) => ({ id: row['id'] })

/** A TCP server; each connection is the callback's. */
export async function aTcpServer(t: TestContext, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as { port: number }).port
}

/** A TCP client that has connected; it may go on reading after it has ended. */
export async function aTcpClient(t: TestContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Everything up to the other side's end; throws if the connection is reset before. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = []
  socket.on('data', part => parts.push(part as Buffer))
  await once(socket, 'end')
  return Buffer.concat(parts)
}

/** Waits for the next piece. */
export async function read(socket: Socket): Promise<string> {
  const [bytes] = await once(socket, 'data')
  return String(bytes)
}

/** Lets the event loop turn until it holds; the test's own time limit ends a wait in vain. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setImmediate(resolve))
}
