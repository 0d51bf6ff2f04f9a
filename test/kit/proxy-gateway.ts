/** A proxy engine on a port of its own, with routes, peers and plugin handlers given as plain objects. */
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { SecureContext } from 'node:tls'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import type { ListenAddress } from '../../src/base/listen-address.ts'
import { createLogger } from '../../src/base/logger.ts'
import { systemRandom } from '../../src/base/random.ts'
import { EMPTY_HEAD } from '../../src/entities/config.ts'
import type { Balancer, Peer, PeerOutcome, PickFailure } from '../../src/proxy/balancer/balancer.ts'
import type { CompiledRoute, CompiledService, PluginInstance, ResolvedPlan } from '../../src/proxy/compiled.ts'
import { createProxyEngine, type ProxyEngine } from '../../src/proxy/engine.ts'
import type { ProxySettings } from '../../src/proxy/proxy-settings.ts'
import type { RunningConfig } from '../../src/proxy/running-config.ts'
import type { PhaseHandlers } from '../../src/sdk/sdk.ts'

/** Made only by tests with large bodies, and gone with the process. */
const BODY_FOLDER = join(tmpdir(), `silverback-bodies-${process.pid}`)
process.once('exit', () => rmSync(BODY_FOLDER, { recursive: true, force: true }))

export const proxySettings: ProxySettings = {
  listeners: [],
  responseHeaders: {
    server: true,
    via: true,
    proxyLatency: true,
    upstreamLatency: true,
    responseLatency: true,
    upstreamStatus: false,
    requestId: true,
  },
  addedHeaders: [],
  upstreamRequestId: true,
  allowDebugHeader: false,
  trustedIps: [],
  realIpHeader: 'X-Real-IP',
  realIpRecursive: false,
  portMaps: new Map(),
  keepalive: { poolSize: 512, requestsMax: 10_000, idleTimeoutS: 60 },
  client: {
    headBytesMax: 32 * 1024,
    lineBytesMax: 8 * 1024,
    headerCountMax: 100,
    bodyBytesMax: 0,
    heldBodyBytesMax: 64 * 1024,
    keepaliveRequestsMax: 10_000,
    keepaliveTimeoutMs: 75_000,
    headTimeoutMs: 60_000,
    bodyTimeoutMs: 60_000,
    sendTimeoutMs: 60_000,
    bufferedBodyBytesMax: 8 * 1024 * 1024,
  },
  seen: { requestHeadersMax: 100, responseHeadersMax: 100, queryArgumentsMax: 100, formArgumentsMax: 100 },
  bodyFolder: BODY_FOLDER,
  connectionsMax: 0,
  charset: 'UTF-8',
  errorDefaultType: 'text/plain',
  errorTemplates: {},
  tls: {
    defaultCertificates: [],
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: null,
    preferServerCiphers: true,
    sessionTimeoutS: 86_400,
    sessionTickets: false,
    clientCertificate: null,
    trustedCertificates: null,
    upstreams: {
      http: { verify: false, verifyDepth: 1, authorities: null },
      stream: { verify: false, verifyDepth: 1, authorities: null },
    },
  },
  dns: {
    isNewClient: false,
    cacheSize: 10_000,
    noSync: false,
    nameservers: [],
    hostsFile: '',
    order: [],
    staleTtlS: 0,
    notFoundTtlS: 0,
    errorTtlS: 0,
    validTtlS: null,
  },
  accessLogFormat: null,
  accessLog: null,
  streamAccessLog: null,
}

export interface RouteOptions {
  /** Prefix; default `/`. */
  readonly path?: string
  /** Ports on 127.0.0.1, tried in turn; none makes a route without service. */
  readonly ports?: readonly number[]
  readonly route?: Partial<CompiledRoute>
  readonly service?: Partial<CompiledService>
  readonly plugins?: readonly PhaseHandlers[]
  readonly failure?: PickFailure['failure']
}

export interface GatewayOptions {
  readonly routes?: readonly RouteOptions[]
  readonly rewriters?: readonly PhaseHandlers[]
  readonly globals?: readonly PhaseHandlers[]
  readonly settings?: Partial<ProxySettings>
  readonly client?: Partial<ProxySettings['client']>
  readonly clock?: Clock
  readonly rawAccept?: boolean
  readonly ssl?: boolean
  readonly http2?: boolean
  readonly proxyProtocol?: boolean
  readonly hasConfiguration?: boolean
  readonly secureContext?: (sni: string) => SecureContext | null
  readonly hasCertificatePairs?: boolean
}

export interface Gateway {
  readonly port: number
  readonly engine: ProxyEngine
  readonly logged: string[]
  readonly accessLog: string[]
  /** Outcomes reported to balancers, in order. */
  readonly outcomes: PeerOutcome[]
}

export const localAddress: ListenAddress = {
  host: '127.0.0.1',
  port: 0,
  ssl: false,
  http2: false,
  proxyProtocol: false,
  reuseport: false,
  backlog: null,
  ipv6only: false,
}

export async function aGateway(t: TestContext, options: GatewayOptions): Promise<Gateway> {
  const logged: string[] = []
  const accessLog: string[] = []
  const outcomes: PeerOutcome[] = []
  const clock = options.clock ?? systemClock
  const settings: ProxySettings = {
    ...proxySettings,
    accessLog: line => void accessLog.push(line),
    ...options.settings,
    client: { ...proxySettings.client, ...options.client },
  }
  const engine = createProxyEngine({
    config: fakeConfig(options, outcomes),
    settings,
    log: createLogger({ level: 'debug', write: line => void logged.push(line), now: () => 0 }),
    clock,
    random: systemRandom,
    node: { id: 'node', hostname: 'host', workerId: 0 },
    ...(options.rawAccept === undefined ? {} : { rawAccept: options.rawAccept }),
  })
  t.after(() => engine.close())
  const port = await engine.attach(null, {
    ...localAddress,
    ssl: options.ssl === true,
    http2: options.http2 === true,
    proxyProtocol: options.proxyProtocol === true,
  })
  return { port, engine, logged, accessLog, outcomes }
}

function fakeConfig(options: GatewayOptions, outcomes: PeerOutcome[]): RunningConfig {
  const routes = (options.routes ?? []).map((route, index) => compile(route, index, outcomes))
  const globals = planOf((options.globals ?? []).map(instanceOf))
  const fake = {
    head: EMPTY_HEAD,
    hasConfiguration: options.hasConfiguration ?? true,
    reader: { find: () => null, findBy: () => null, findByForeign: () => [], all: () => [] },
    router: {
      match({ path }: { path: string }) {
        const found = routes.find(({ prefix }) => path.startsWith(prefix))
        return found === undefined ? null : { route: found.route, matchedPath: found.prefix, uriCaptures: null }
      },
    },
    globalPlan: () => globals,
    rewriters: (options.rewriters ?? []).map(instanceOf),
    secureContext: options.secureContext ?? (() => null),
    hasCertificatePairs: options.hasCertificatePairs === true,
    close: async () => {},
  }
  return fake as unknown as RunningConfig
}

function compile(
  options: RouteOptions,
  index: number,
  outcomes: PeerOutcome[],
): { prefix: string; route: CompiledRoute } {
  const plan = planOf((options.plugins ?? []).map(instanceOf))
  const service: CompiledService | null =
    options.ports === undefined && options.failure === undefined
      ? null
      : {
          id: `service-${index}`,
          row: { id: `service-${index}`, name: 'a-service' },
          tls: false,
          protocol: 'http',
          http2: false,
          host: '127.0.0.1',
          port: options.ports?.[0] ?? 80,
          path: '/',
          retries: 5,
          connectTimeoutMs: 60_000,
          writeTimeoutMs: 60_000,
          readTimeoutMs: 60_000,
          balancer: balancerOf(options, outcomes),
          tlsOptions: null,
          ...options.service,
        }
  const route: CompiledRoute = {
    id: `route-${index}`,
    row: { id: `route-${index}`, name: 'a-route' },
    service,
    stripPath: true,
    pathHandling: 'v0',
    preserveHost: false,
    http: true,
    https: true,
    grpc: false,
    httpsRedirectStatusCode: 426,
    requestBuffering: true,
    responseBuffering: true,
    plan: () => ({ consumerIndependent: true, anonymous: plan, forConsumer: () => plan }),
    ...options.route,
  }
  return { prefix: options.path ?? '/', route }
}

/** The first peer that has not failed yet in this exchange; then the first again. */
function balancerOf({ ports = [], failure }: RouteOptions, outcomes: PeerOutcome[]): Balancer {
  const peers: Peer[] = ports.map(port => ({ ip: '127.0.0.1', port, hostname: '127.0.0.1', key: `127.0.0.1:${port}` }))
  return {
    pick({ failed }) {
      if (failure !== undefined) return { failure }
      const peer = peers.find(one => !failed.includes(one)) ?? peers[0]!
      return { peer, hostHeader: peer.key }
    },
    release: (_pick, outcome) => void outcomes.push(outcome),
  }
}

function instanceOf(handlers: PhaseHandlers, index: number): PluginInstance {
  const scope = { plugin_id: `${index}`, route_id: null, service_id: null, consumer_id: null }
  return { name: `plugin-${index}`, priority: 100 - index, row: {}, scope, handlers }
}

function planOf(instances: readonly PluginInstance[]): ResolvedPlan {
  return {
    instances,
    hasAccess: instances.some(({ handlers }) => handlers.access !== undefined),
    hasHeaderFilter: instances.some(({ handlers }) => handlers.headerFilter !== undefined),
    hasLog: instances.some(({ handlers }) => handlers.log !== undefined),
  }
}
