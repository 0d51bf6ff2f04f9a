/** One TCP connection or UDP session: what is known of it, for plugins, balancers and logs. */
import type { Row } from '../../entities/config.ts'
import type { StreamLogPhase } from '../../sdk/sdk.ts'
import type { HashInput, Peer, Pick } from '../balancer/balancer.ts'
import type { CompiledRoute, PluginInstance } from '../compiled.ts'
import type { ProxyContext } from '../proxy-context.ts'
import type { StreamInput } from '../router/stream-router.ts'

/** How the session talks to its client and to the upstream. */
export interface StreamTransport {
  /** Answers with `connected` or `connectFailed` of the flow. */
  connect(session: StreamSession, pick: Pick): void
  /** Ends the client's side, after a last text. */
  refuse(session: StreamSession, text: string | Uint8Array): void
}

export interface StreamClient {
  readonly protocol: StreamLogPhase['protocol']
  readonly clientIp: string
  readonly clientPort: number
  readonly localAddress: string
  /** After `port_maps`. */
  readonly port: number
  readonly sni: string
  readonly tls: { readonly version: string; readonly cipher: string; readonly client_verify: string } | null
}

export interface StreamTry {
  readonly peer: Peer
  readonly startedAt: number
  isFailed: boolean
}

const NO_INSTANCES: readonly (PluginInstance | null)[] = []

export class StreamSession implements StreamLogPhase, HashInput, StreamInput {
  readonly context: ProxyContext
  readonly client: StreamClient
  readonly transport: StreamTransport
  readonly startedAt: number
  matchedRoute: CompiledRoute | null = null
  instances = NO_INSTANCES
  status = 200
  source: StreamLogPhase['source'] = 'error'
  isOver = false
  pick: Pick | null = null
  triesLeft = 0
  failed: readonly Peer[] = []
  tries: StreamTry[] = []
  /** When the upstream was connected, or the session refused. */
  decidedAt = 0
  receivedBytes = 0
  sentBytes = 0
  upstreamReceivedBytes = 0
  upstreamSentBytes = 0
  shared: Record<string, unknown> = {}
  readonly consumerId = null
  readonly credentialId = null
  readonly path = ''
  #logFields: Map<string, unknown> | null = null

  constructor(context: ProxyContext, client: StreamClient, transport: StreamTransport) {
    this.context = context
    this.client = client
    this.transport = transport
    this.startedAt = context.clock.now()
  }

  get protocol(): StreamInput['protocol'] {
    return this.client.protocol === 'tls_passthrough' ? 'tls' : this.client.protocol
  }
  get clientIp(): string {
    return this.client.clientIp
  }
  get clientPort(): number {
    return this.client.clientPort
  }
  get port(): number {
    return this.client.port
  }
  get sni(): string {
    return this.client.sni
  }
  get sourceIp(): string {
    return this.client.clientIp
  }
  get sourcePort(): number {
    return this.client.clientPort
  }
  get destinationIp(): string {
    return this.client.localAddress
  }
  get destinationPort(): number {
    return this.client.port
  }
  get route(): Row | null {
    return this.matchedRoute?.row ?? null
  }
  get service(): Row | null {
    return this.matchedRoute?.service?.row ?? null
  }

  /** There are no headers, arguments or cookies to hash: the upstream's fallback counts. */
  header(_name: string): undefined {}
  query(_name: string): undefined {}
  cookie(_name: string): undefined {}
  capture(_name: string): undefined {}
  issueCookie(_name: string, _path: string): string {
    return ''
  }

  get latencies(): StreamLogPhase['latencies'] {
    const now = this.context.clock.now()
    return { kong: (this.decidedAt || now) - this.startedAt, session: now - this.startedAt }
  }

  setLogField(name: string, value: unknown): void {
    this.#logFields ??= new Map()
    this.#logFields.set(name, value)
  }

  serialize(): Record<string, unknown> {
    const { client, context, route, service } = this
    const entry: Record<string, unknown> = {
      session: {
        ...(client.tls === null ? {} : { tls: client.tls }),
        received: this.receivedBytes,
        sent: this.sentBytes,
        status: this.status,
        server_port: client.port,
      },
      upstream: { received: this.upstreamReceivedBytes, sent: this.upstreamSentBytes },
      latencies: this.latencies,
      tries: this.tries.map(serializeTry),
      client_ip: client.clientIp,
      started_at: this.startedAt,
    }
    if (route !== null) entry['route'] = route
    if (service !== null) entry['service'] = service
    const workspace = route?.['ws_id']
    if (workspace != null) {
      entry['workspace'] = workspace
      const name = context.config.reader.find('workspaces', String(workspace))?.['name']
      if (name !== undefined) entry['workspace_name'] = name
    }
    for (const [name, value] of this.#logFields ?? []) setMember(entry, name.split('.'), value)
    return entry
  }
}

function serializeTry({ peer, startedAt, isFailed }: StreamTry): Record<string, unknown> {
  const timing = { balancer_start: startedAt, balancer_start_ns: startedAt * 1e6 }
  const rest = { balancer_latency: 0, balancer_latency_ns: 0 }
  return { ip: peer.ip, port: peer.port, ...timing, ...rest, ...(isFailed ? { state: 'failed', code: 502 } : {}) }
}

/** Dots lead into objects; undefined removes. */
function setMember(entry: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let object = entry
  for (const name of path.slice(0, -1)) {
    const inner = object[name]
    const next = inner !== null && typeof inner === 'object' ? { ...inner } : {}
    object[name] = next
    object = next as Record<string, unknown>
  }
  const last = path.at(-1)!
  if (value === undefined) delete object[last]
  else object[last] = value
}
