/** The control plane on the network: a TLS listener, WebSockets, and the machine (control-plane.ts) behind them. */
import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { X509Certificate } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Clock, Timer } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import { createConfigExport, type ConfigExport } from './config-export.ts'
import type { ClusterAdmin } from '../entities/cluster-view.ts'
import { createClusterAdmin } from './cluster-admin.ts'
import { type ControlPlane, createControlPlane } from './control-plane.ts'
import type { ControlPlaneAction, ControlPlaneEvent } from './control-plane-events.ts'
import { type ControlPlaneTrust, createTrustGate, peerAddress, type TrustGate } from './control-plane-trust.ts'
import { createDataPlaneRecords, type DataPlaneRecords } from './data-plane-records.ts'
import { ENROLL_BYTES_MAX, type EnrollAnswer, parseEnrollRequest } from './enrollment.ts'
import type { HealthMark } from './health-messages.ts'
import { HealthViews } from './health-views.ts'
import type { ConfigSource } from './link.ts'
import {
  closeReason,
  DATA_PLANE_MESSAGE_BYTES_MAX,
  decodeFromDataPlane,
  ENROLL_PATH,
  encodeMessage,
  SUBPROTOCOL,
  SYNC_PATH,
  WireError,
} from './messages.ts'
import type { ClusterRecords } from './records.ts'
import type { Peer, SessionId } from './session.ts'
import { TICK_INTERVAL_MS } from './timing.ts'

export interface ControlPlaneServerOptions {
  readonly source: ConfigSource
  readonly records: ClusterRecords
  readonly nodeId: string
  /** The Kong version that this control plane is compatible with. */
  readonly version: string
  readonly trust: ControlPlaneTrust
  /** `cluster_data_plane_purge_delay`. */
  readonly purgeDelaySeconds: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** For tests: how long the certificates of nodes live. */
  readonly nodeLifetimeMs?: number
  /** Where an export too large for memory is kept, without a name. */
  readonly spoolFolder?: string
}

export interface ControlPlaneServer {
  /** May be called for several addresses; port 0 lets the system choose. */
  open(address: { readonly host: string; readonly port: number }): Promise<{ host: string; port: number }>
  readonly admin: ClusterAdmin
  /** What the data planes connected here report. */
  readonly health: HealthViews
  /** All marks that data planes are to take over, oldest first. */
  tellMarks(marks: readonly HealthMark[]): void
  /** Other revocation lists (`pki`): all data planes connect again, for a connection cannot be judged twice. */
  revoke(crl: readonly string[]): void
  sessionCount(): number
  close(): Promise<void>
}

interface Connection {
  readonly socket: WebSocket
  readonly nodeId: string | null
  readonly certificate: X509Certificate
}

const HANDSHAKE_TIMEOUT_MS = 10_000
/** A peer that does not answer our closing frame is cut off. */
const CLOSE_TIMEOUT_MS = 1_000
/** How soon a revocation made through another control plane is seen. */
const REVOCATION_POLL_MS = 1_000
const SERVER_CERTIFICATE_CHECK_MS = 3_600_000
const CONNECTIONS_MAX = 10_000
/** Enrolment requests answered per second, all peers together: each costs a signature check. */
const ENROLLS_PER_SECOND_MAX = 50
const MESSAGE_BYTES_MAX = Math.max(...Object.values(DATA_PLANE_MESSAGE_BYTES_MAX))

export async function createControlPlaneServer(options: ControlPlaneServerOptions): Promise<ControlPlaneServer> {
  return new NetworkControlPlane(options, await createTrustGate(options))
}

class NetworkControlPlane implements ControlPlaneServer {
  readonly #options: ControlPlaneServerOptions
  readonly #gate: TrustGate
  readonly #machine: ControlPlane
  readonly #export: ConfigExport
  readonly #statuses: DataPlaneRecords
  readonly #connections = new Map<SessionId, Connection>()
  readonly #servers: Server[] = []
  readonly #timers: Timer[] = []
  readonly #sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MESSAGE_BYTES_MAX,
    handleProtocols: offered => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  })
  readonly admin: ClusterAdmin
  readonly health = new HealthViews()
  #unsubscribe = () => {}
  #lastSession = 0
  #revocations = 0
  #isClosed = false
  #enrollsLeft = ENROLLS_PER_SECOND_MAX

  constructor(options: ControlPlaneServerOptions, gate: TrustGate) {
    const { source, records, nodeId, version, purgeDelaySeconds, clock, random, logger } = options
    const { spoolFolder = tmpdir() } = options
    this.#options = options
    this.#gate = gate
    this.#machine = createControlPlane({ nodeId, version })
    this.#export = createConfigExport({ source, logger, random, spoolFolder, emit: event => this.#step(event) })
    this.#statuses = createDataPlaneRecords({ records, purgeDelaySeconds, clock, logger })
    this.admin = createClusterAdmin({
      statuses: this.#statuses,
      health: this.health,
      joining: gate.joining,
      onRevoked: id => this.#step({ type: 'revoked', nodeId: id }),
    })
  }

  async open({ host, port }: { readonly host: string; readonly port: number }) {
    const server = createServer(
      {
        ...this.#gate.material(),
        requestCert: true,
        // Judged by the gate, whose answer says why; nothing is served before it agreed.
        rejectUnauthorized: false,
        minVersion: 'TLSv1.2',
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        headersTimeout: HANDSHAKE_TIMEOUT_MS,
        requestTimeout: HANDSHAKE_TIMEOUT_MS,
        maxHeaderSize: 8 * 1024,
      },
      (request, response) => void this.#answer(request, response),
    )
    server.maxConnections = CONNECTIONS_MAX
    server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port }, resolve)
    })
    server.on('error', error => this.#options.logger.error(`cluster listener: ${error.message}`))
    this.#servers.push(server)
    if (this.#servers.length === 1) await this.#start()
    const bound = server.address() as AddressInfo
    return { host: bound.address, port: bound.port }
  }

  revoke(crl: readonly string[]): void {
    if (!this.#gate.revoke(crl)) return
    for (const server of this.#servers) server.setSecureContext(this.#gate.material())
    for (const { socket } of this.#connections.values()) socket.close(1012, 'revocation lists have changed')
  }

  tellMarks(marks: readonly HealthMark[]): void {
    this.#step({ type: 'marks', marks })
  }

  sessionCount(): number {
    return this.#machine.sessionCount()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#unsubscribe()
    for (const timer of this.#timers) timer.cancel()
    for (const { socket } of this.#connections.values()) {
      socket.close(1001, 'control plane is stopping')
      socket.terminate()
    }
    this.#connections.clear()
    await Promise.all(
      this.#servers.map(server => {
        server.closeAllConnections()
        return new Promise(resolve => server.close(resolve))
      }),
    )
    this.#export.close()
    await this.#statuses.close()
  }

  async #start(): Promise<void> {
    const { clock, source } = this.#options
    this.#timers.push(
      clock.every(TICK_INTERVAL_MS, () => {
        this.#enrollsLeft = ENROLLS_PER_SECOND_MAX
        this.#step({ type: 'tick' })
      }),
      clock.every(SERVER_CERTIFICATE_CHECK_MS, () => {
        if (!this.#gate.refresh()) return
        for (const server of this.#servers) server.setSecureContext(this.#gate.material())
      }),
    )
    const enrollment = this.#gate.joining?.enrollment
    if (enrollment !== undefined) {
      this.#revocations = await enrollment.revocationCount()
      this.#timers.push(clock.every(REVOCATION_POLL_MS, () => void this.#pollRevocations()))
    }
    this.#unsubscribe = source.onHead(head => this.#step({ type: 'head', head, isAnswer: false }))
    this.#step({ type: 'head', head: await source.head(), isAnswer: true })
  }

  async #pollRevocations(): Promise<void> {
    const { enrollment } = this.#gate.joining!
    try {
      const count = await enrollment.revocationCount()
      if (count === this.#revocations) return
      this.#revocations = count
      for (const nodeId of new Set([...this.#connections.values()].map(connection => connection.nodeId))) {
        if (nodeId !== null && (await enrollment.isRevoked(nodeId))) this.#step({ type: 'revoked', nodeId })
      }
    } catch (error) {
      this.#options.logger.error(`cannot read revocations: ${(error as Error).message}`)
    }
  }

  // ---- machine ----

  #step(event: ControlPlaneEvent): void {
    if (this.#isClosed) return
    for (const action of this.#machine.step(event, this.#options.clock.now())) this.#perform(action)
  }

  #perform(action: ControlPlaneAction): void {
    if (action.type === 'send') this.#send(action.session, encodeMessage(action.message))
    else if (action.type === 'send-delta') this.#send(action.session, action.frame)
    else if (action.type === 'send-chunk') {
      const chunk = this.#export.chunk(action.spool, action.chunk)
      if (chunk !== null) this.#send(action.session, chunk)
    } else if (action.type === 'close') this.#closeSession(action.session, action.reason)
    else if (action.type === 'build-delta') void this.#export.buildDelta(action.from)
    else if (action.type === 'start-spool') void this.#export.startSpool(action.spool)
    else if (action.type === 'free-spool') this.#export.freeSpool(action.spool)
    else if (action.type === 'read-head') void this.#readHead()
    else if (action.type === 'renew') void this.#renew(action.session)
    else if (action.type === 'record') this.#statuses.note(action.record, action.changed)
    else if (action.type === 'health') this.health.take(action.session, action.nodeId, action.upstreams)
    else if (action.type === 'health-over') this.health.drop(action.session)
    else this.#options.clock.after(action.ms, () => this.#step({ type: 'tick' }))
  }

  async #readHead(): Promise<void> {
    try {
      this.#step({ type: 'head', head: await this.#options.source.head(), isAnswer: true })
    } catch (error) {
      // The machine asks again with the next tick.
      this.#options.logger.error(`cannot read the version of the configuration: ${(error as Error).message}`)
    }
  }

  async #renew(session: SessionId): Promise<void> {
    const connection = this.#connections.get(session)
    if (connection === undefined || connection.nodeId === null) return
    try {
      const issued = await this.#gate.joining!.enrollment.renew(connection.nodeId, connection.certificate)
      if (issued === null) return this.#step({ type: 'revoked', nodeId: connection.nodeId })
      this.#step({ type: 'renewed', session, ...issued })
    } catch (error) {
      // The data plane asks again long before its certificate ends.
      this.#options.logger.error(`cannot renew the certificate of ${connection.nodeId}: ${(error as Error).message}`)
    }
  }

  #send(session: SessionId, frame: string | Uint8Array): void {
    this.#connections.get(session)?.socket.send(frame, error => {
      if (!error) this.#step({ type: 'flushed', session, frames: 1 })
    })
  }

  #closeSession(session: SessionId, reason: string): void {
    const connection = this.#connections.get(session)
    if (connection === undefined) return
    this.#connections.delete(session)
    this.#options.logger.warn(`closing the connection of data plane ${connection.nodeId ?? session}: ${reason}`)
    connection.socket.close(1008, closeReason(reason))
    // What is still queued for a revoked node must not reach it.
    if (reason === 'node revoked') connection.socket.terminate()
    else this.#options.clock.after(CLOSE_TIMEOUT_MS, () => connection.socket.terminate())
  }

  // ---- network ----

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    if (request.url !== SYNC_PATH) return refuse(socket, 404, 'unknown path')
    try {
      const admission = await this.#gate.admit(socket as TLSSocket)
      if (!admission.ok) {
        this.#options.logger.warn(`refused ${peerAddress(socket as TLSSocket)}: ${admission.reason}`)
        return refuse(socket, 403, admission.reason)
      }
      if (this.#isClosed || socket.destroyed) return void socket.destroy()
      this.#sockets.handleUpgrade(request, socket, head, webSocket => {
        if (webSocket.protocol !== SUBPROTOCOL) return webSocket.close(1002, `subprotocol ${SUBPROTOCOL} expected`)
        this.#accept(webSocket, admission.peer, admission.certificate)
      })
    } catch (error) {
      this.#options.logger.error(`cannot check the identity of a data plane: ${(error as Error).message}`)
      refuse(socket, 503, 'identity cannot be checked now')
    }
  }

  #accept(socket: WebSocket, peer: Peer, certificate: X509Certificate): void {
    const session = ++this.#lastSession
    this.#connections.set(session, { socket, nodeId: peer.nodeId, certificate })
    // 'close' follows.
    socket.on('error', error => this.#options.logger.info(`data plane ${peer.nodeId ?? session}: ${error.message}`))
    socket.on('close', () => {
      this.#connections.delete(session)
      this.#step({ type: 'closed', session })
    })
    socket.on('message', (data, isBinary) => {
      if (!this.#connections.has(session)) return
      try {
        if (isBinary) throw new WireError('a data plane sends no binary frames')
        const message = decodeFromDataPlane((data as Buffer).toString())
        this.#step({ type: 'message', session, message })
      } catch (error) {
        if (!(error instanceof WireError)) throw error
        this.#closeSession(session, error.message)
        this.#step({ type: 'closed', session })
      }
    })
    this.#step({ type: 'opened', session, peer })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { joining } = this.#gate
    response.setHeader('connection', 'close')
    if (joining === null || request.url !== ENROLL_PATH || request.method !== 'POST') {
      response.writeHead(404).end()
      return
    }
    if (--this.#enrollsLeft < 0) {
      response.writeHead(429).end()
      return
    }
    try {
      const body = await readBody(request)
      const asked = body === null ? null : parseEnrollRequest(body)
      if (asked === null) {
        response.writeHead(400).end()
        return
      }
      const answer = await joining.enrollment.enroll(asked, peerAddress(request.socket as TLSSocket))
      if (answer.status === 'refused') this.#options.logger.warn(`refused node ${asked.node_id}: ${answer.reason}`)
      respond(response, answer)
    } catch (error) {
      this.#options.logger.error(`cannot answer an enrolment: ${(error as Error).message}`)
      if (!response.headersSent) response.writeHead(503).end()
    }
  }
}

function respond(response: ServerResponse, answer: EnrollAnswer): void {
  const status = { issued: 200, pending: 202, refused: 403 }[answer.status]
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
}

async function readBody(request: IncomingMessage): Promise<string | null> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of request) {
    bytes += piece.length
    if (bytes > ENROLL_BYTES_MAX) return null
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

function refuse(socket: Duplex, status: number, reason: string): void {
  const line = reason.replace(/[^\x20-\x7e]/g, ' ').slice(0, 200)
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-length: 0\r\nx-silverback-reason: ${line}\r\n\r\n`,
  )
}
