/** The data plane on the network: dials control planes, and carries out what its machine (data-plane.ts) decides. */
import type { IncomingMessage } from 'node:http'
import type { createConnection, Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { WebSocket } from 'ws'
import type { Clock, Timer } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { ConfigDelta, ConfigHead } from '../entities/config.ts'
import {
  createDataPlane,
  type ApplyResult,
  type DataPlane,
  type DataPlaneAction,
  type DataPlaneEvent,
} from './data-plane.ts'
import { type ClientIdentity, createClientIdentity, type DataPlaneTrust } from './data-plane-trust.ts'
import { HEALTH_CAPABILITY, HEALTH_REPORT_BYTES_MAX, type HealthMark, type UpstreamReport } from './health-messages.ts'
import type { ApplyOutcome, ConfigSink } from './link.ts'
import {
  CONTROL_PLANE_MESSAGE_BYTES_MAX,
  closeReason,
  decodeFromControlPlane,
  encodeMessage,
  HOSTNAME,
  type Hello,
  SUBPROTOCOL,
  SYNC_PATH,
  WireError,
} from './messages.ts'
import { connectOver, type Endpoint, type Tunnel } from './proxy-tunnel.ts'
import { createSnapshotReader, type SnapshotReader } from './snapshot-stream.ts'
import { TICK_INTERVAL_MS } from './timing.ts'
import { decodeBinary, FRAME_BYTES_MAX } from './wire.ts'

export interface DataPlaneClientOptions {
  readonly sink: ConfigSink
  /** Asked before the sink sees a delta: whether it fits the copy here (`SavedConfig.check`). */
  readonly check?: (delta: ConfigDelta) => ApplyOutcome
  /** In order of preference. */
  readonly controlPlanes: readonly Endpoint[]
  readonly node: Omit<Hello, 'type' | 'applied'>
  /** What the node says and hears of the health of targets; control planes are told whether it does. */
  readonly health?: HealthExchange
  readonly trust: DataPlaneTrust
  /** The way to control planes through a proxy. */
  readonly tunnel?: Tunnel
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface HealthExchange {
  /** Whoever is at the other end now knows nothing yet. */
  restart(): void
  /** What is new since the last call, in at most so many bytes of JSON. */
  report(bytesMax: number): readonly UpstreamReport[]
  takeMarks(marks: readonly HealthMark[]): void
}

export interface DataPlaneClientStatus {
  readonly isConnected: boolean
  /** `host:port` of the control plane it is connected to, or tries now. */
  readonly controlPlane: string
  /** Milliseconds since the epoch. */
  readonly certificateExpiresAt: number | null
  readonly isWaitingForApproval: boolean
  /** The last reason why it is not connected, or null. */
  readonly lastError: string | null
}

export interface DataPlaneClient {
  start(): void
  stop(): Promise<void>
  status(): DataPlaneClientStatus
}

const HANDSHAKE_TIMEOUT_MS = 10_000
/** `{"type":"health","upstreams":[]}`, with room. */
const REPORT_FRAME_BYTES = 64
const FRAME_MAX = Math.max(FRAME_BYTES_MAX, ...Object.values(CONTROL_PLANE_MESSAGE_BYTES_MAX))

export async function createDataPlaneClient(options: DataPlaneClientOptions): Promise<DataPlaneClient> {
  // The operating system allows names that the protocol does not; what the node is called must not keep it out.
  const hostname = HOSTNAME.test(options.node.hostname) ? options.node.hostname : 'unknown'
  const own = options.health === undefined ? [] : [HEALTH_CAPABILITY]
  const capabilities = [...options.node.capabilities, ...own]
  const cleaned = { ...options, node: { ...options.node, hostname, capabilities } }
  return new NetworkDataPlane(cleaned, await createClientIdentity(cleaned))
}

/** `ws` calls it with the options of `tls.connect`, and types it as that of `node:net`. */
function over(tunnel: Socket): typeof createConnection {
  return ((options: ConnectionOptions) => connectOver(tunnel, options)) as unknown as typeof createConnection
}

class NetworkDataPlane implements DataPlaneClient {
  readonly #options: DataPlaneClientOptions
  readonly #identity: ClientIdentity
  readonly #machine: DataPlane
  #socket: WebSocket | null = null
  #reader: SnapshotReader | null = null
  #applying: Promise<void> = Promise.resolve()
  #ticking: Timer | null = null
  #retrying: Timer | null = null
  /** Counts attempts, so that the late end of an old one is not taken for the current one's. */
  #attempt = 0
  #endpoint: Endpoint
  #isWaitingForApproval = false
  #lastError: string | null = null

  constructor(options: DataPlaneClientOptions, identity: ClientIdentity) {
    const { node, controlPlanes, random, sink } = options
    this.#options = options
    this.#identity = identity
    this.#endpoint = controlPlanes[0]!
    this.#machine = createDataPlane({ node, endpoints: controlPlanes.length, random, head: sink.head() })
  }

  start(): void {
    this.#step({ type: 'identity', renewAt: this.#identity.renewAt() })
    this.#ticking = this.#options.clock.every(TICK_INTERVAL_MS, () => {
      this.#step({ type: 'tick', isBusy: this.#socket?.isPaused ?? false })
    })
    this.#step({ type: 'start' })
  }

  async stop(): Promise<void> {
    this.#ticking?.cancel()
    this.#retrying?.cancel()
    this.#step({ type: 'stop' })
    await this.#applying
  }

  status(): DataPlaneClientStatus {
    return {
      isConnected: this.#machine.isConnected(),
      controlPlane: `${this.#endpoint.host}:${this.#endpoint.port}`,
      certificateExpiresAt: this.#identity.expiresAt(),
      isWaitingForApproval: this.#isWaitingForApproval,
      lastError: this.#machine.isConnected() ? null : this.#lastError,
    }
  }

  #step(event: DataPlaneEvent): void {
    if (event.type === 'disconnected') this.#lastError = event.reason
    for (const action of this.#machine.step(event, this.#options.clock.now())) this.#perform(action)
  }

  #perform(action: DataPlaneAction): void {
    const { clock, logger, controlPlanes } = this.#options
    if (action.type === 'send') this.#socket?.send(encodeMessage(action.message))
    else if (action.type === 'apply-delta') this.#apply(this.#applyDelta(action.delta))
    else if (action.type === 'begin-snapshot') this.#beginSnapshot(action.head)
    else if (action.type === 'feed-snapshot') this.#feed(action.bytes)
    else if (action.type === 'end-snapshot') this.#reader?.end()
    else if (action.type === 'abort-snapshot') this.#reader?.abort(action.reason)
    else if (action.type === 'connect') {
      this.#endpoint = controlPlanes[action.endpoint]!
      void this.#connect(++this.#attempt, this.#endpoint)
    } else if (action.type === 'disconnect') this.#disconnect(action.reason)
    else if (action.type === 'retry-after') {
      this.#retrying = clock.after(action.ms, () => this.#step({ type: 'retry' }))
    } else if (action.type === 'store-certificate') this.#storeCertificate(action.certificate)
    else if (action.type === 'take-marks') this.#takeMarks(action.marks, action.isFirst)
    else if (action.type === 'report-health') this.#reportHealth()
    else logger[action.level](action.message)
  }

  // ---- health ----

  #takeMarks(marks: readonly HealthMark[], isFirst: boolean): void {
    const { health } = this.#options
    if (isFirst) health?.restart()
    health?.takeMarks(marks)
  }

  #reportHealth(): void {
    // What the network has not taken yet comes first.
    const { health } = this.#options
    if (health === undefined || this.#socket === null || this.#socket.bufferedAmount > HEALTH_REPORT_BYTES_MAX) return
    const upstreams = health.report(HEALTH_REPORT_BYTES_MAX - REPORT_FRAME_BYTES)
    if (upstreams.length > 0) this.#socket.send(encodeMessage({ type: 'health', upstreams }))
  }

  // ---- applying ----

  #apply(work: Promise<ApplyResult>): void {
    this.#applying = work
      .catch((error): ApplyResult => ({ ok: false, failure: (error as Error).message, isStream: false }))
      .then(result => {
        this.#reader = null
        this.#socket?.resume()
        this.#step({ type: 'applied', result, head: this.#options.sink.head() })
      })
  }

  async #applyDelta(delta: ConfigDelta): Promise<ApplyResult> {
    const fits = this.#options.check?.(delta) ?? { ok: true }
    return fits.ok ? this.#options.sink.applyDelta(delta) : fits
  }

  #beginSnapshot(head: ConfigHead): void {
    const reader = createSnapshotReader(head.config_hash)
    this.#reader = reader
    this.#apply(this.#applySnapshot(head, reader))
  }

  async #applySnapshot(head: ConfigHead, reader: SnapshotReader): Promise<ApplyResult> {
    try {
      const outcome = await this.#options.sink.applySnapshot(head, reader.batches)
      // A sink that refuses early leaves the rest unread.
      reader.abort('not needed')
      return outcome
    } catch (error) {
      const failure = reader.failure()
      const hash = reader.wrongHash()
      reader.abort('not needed')
      if (hash !== null) {
        const message = `is ${hash}, expected ${head.config_hash}`
        return { ok: false, refusal: { entity: '', key: '', field: 'config_hash', message } }
      }
      if (failure !== null) return { ok: false, failure, isStream: true }
      throw error
    }
  }

  /** While the sink is behind nothing more is read from the network, so memory stays bounded. */
  #feed(bytes: Uint8Array): void {
    const reader = this.#reader
    if (reader === null || reader.feed(bytes)) return
    const socket = this.#socket
    // Frames that were already read still come while it is paused; one waiter is enough.
    if (socket === null || socket.isPaused) return
    socket.pause()
    void reader.drained().then(() => socket.resume())
  }

  // ---- connection ----

  /** Says which control plane, as there may be several. */
  #disconnected(reason: string): void {
    this.#step({ type: 'disconnected', reason: `${this.#endpoint.host}:${this.#endpoint.port}: ${reason}` })
    this.#lastError = reason
  }

  async #connect(attempt: number, endpoint: Endpoint): Promise<void> {
    const fail = (reason: string) => {
      if (attempt === this.#attempt) this.#disconnected(reason)
    }
    try {
      const credentials = await this.#identity.credentials(endpoint)
      this.#isWaitingForApproval = !credentials.ok && credentials.isPending
      if (!credentials.ok) return fail(credentials.reason)
      if (attempt !== this.#attempt) return
      this.#step({ type: 'identity', renewAt: this.#identity.renewAt() })
      const tunnel = (await this.#options.tunnel?.(endpoint)) ?? null
      if (attempt !== this.#attempt) return void tunnel?.destroy()
      this.#dial(attempt, endpoint, { tls: credentials.tls, tunnel })
    } catch (error) {
      const { message } = error as Error
      const advice = this.#identity.advice(error as Error)
      fail(advice === null ? message : `${message} (${advice})`)
    }
  }

  #dial(
    attempt: number,
    { host, port }: Endpoint,
    { tls, tunnel }: { readonly tls: object; readonly tunnel: Socket | null },
  ): void {
    const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
    const socket = new WebSocket(`wss://${authority}${SYNC_PATH}`, SUBPROTOCOL, {
      ...tls,
      ...(tunnel === null ? {} : { createConnection: over(tunnel) }),
      perMessageDeflate: false,
      maxPayload: FRAME_MAX,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      followRedirects: false,
    })
    this.#socket = socket
    let reason = 'connection closed'
    socket.on('open', () => {
      if (attempt === this.#attempt) this.#step({ type: 'connected' })
    })
    socket.on('message', (data, isBinary) => {
      if (attempt === this.#attempt) this.#receive(data as Buffer, isBinary)
    })
    socket.on('unexpected-response', (_request, response: IncomingMessage) => {
      reason = `refused: ${response.headers['x-silverback-reason'] ?? response.statusCode}`
      if (response.statusCode === 403) this.#identity.refused(reason)
      response.destroy()
      socket.terminate()
    })
    // 'close' follows.
    socket.on('error', error => {
      const advice = this.#identity.advice(error)
      if (reason === 'connection closed') reason = advice === null ? error.message : `${error.message} (${advice})`
    })
    socket.on('close', (_code, text) => {
      if (attempt !== this.#attempt) return
      this.#socket = null
      this.#disconnected(text.length > 0 ? `closed by control plane: ${text}` : reason)
    })
  }

  #receive(data: Buffer, isBinary: boolean): void {
    try {
      if (isBinary) this.#step(decodeBinary(data))
      else this.#step({ type: 'message', message: decodeFromControlPlane(data.toString()) })
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      this.#disconnect(error.message)
      this.#step({ type: 'disconnected', reason: error.message })
    }
  }

  #disconnect(reason: string): void {
    // Whatever this connection still says is no longer listened to.
    this.#attempt++
    const socket = this.#socket
    this.#socket = null
    if (socket === null) return
    socket.close(1000, closeReason(reason))
    this.#options.clock.after(1_000, () => socket.terminate())
  }

  #storeCertificate(certificate: string): void {
    try {
      this.#identity.storeCertificate(certificate)
      this.#step({ type: 'identity', renewAt: this.#identity.renewAt() })
    } catch (error) {
      this.#options.logger.error(`cannot store the renewed certificate: ${(error as Error).message}`)
    }
  }
}
