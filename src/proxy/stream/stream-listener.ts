/**
 * One TCP address of `stream_listen`: from its bound socket to sessions.
 *
 * With `proxy_protocol` the header comes first. With `ssl` the ClientHello is read next, without answering it: the
 * route that it leads to says whether TLS ends here (`tls`) or at the upstream (`tls_passthrough`).
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { ListenAddress } from '../../base/listen-address.ts'
import type { CompiledRoute } from '../compiled.ts'
import { listenOn, type ListenSource, plainAddress, setKeepAlive } from '../listener/listen-on.ts'
import type { ProxiedAddresses } from '../../base/proxy-header.ts'
import { ProxyOpening } from '../listener/proxy-opening.ts'
import { acceptInto, type Receiver } from '../listener/raw-accept.ts'
import { socketUnder, TlsAcceptor } from '../listener/tls-acceptor.ts'
import type { ProxyContext } from '../proxy-context.ts'
import type { SecureContexts } from '../upstream/secure-contexts.ts'
import type { BulkBuffers } from './bulk-buffers.ts'
import { HelloOpening } from './hello-opening.ts'
import type { StreamFlow } from './stream-flow.ts'
import { type StreamClient, StreamSession } from './stream-session.ts'
import { type RelayOwner, TcpRelay } from './tcp-relay.ts'

export interface StreamListenerOptions {
  readonly context: ProxyContext
  readonly flow: StreamFlow
  readonly secureContexts: SecureContexts
  readonly bulkBuffers: BulkBuffers
  readonly connectionsOpen: () => number
  readonly isRawAllowed: boolean
}

type Opening = ProxyOpening | HelloOpening

interface Ahead {
  readonly client: StreamClient
  readonly route: CompiledRoute
}

export class StreamListener implements RelayOwner {
  readonly address: ListenAddress
  readonly context: ProxyContext
  readonly flow: StreamFlow
  readonly secureContexts: SecureContexts
  readonly bulkBuffers: BulkBuffers
  readonly relays = new Set<TcpRelay>()
  readonly #options: StreamListenerOptions
  readonly #server: Server = createServer({ allowHalfOpen: true })
  readonly #tls: TlsAcceptor | null
  readonly #openings = new Set<Opening>()
  /** What was decided by the ClientHello, by plain socket, until the handshake on it is over. */
  readonly #ahead = new WeakMap<Socket, Ahead>()
  onIdle: (() => void) | null = null

  constructor(address: ListenAddress, options: StreamListenerOptions) {
    this.address = address
    this.context = options.context
    this.flow = options.flow
    this.secureContexts = options.secureContexts
    this.bulkBuffers = options.bulkBuffers
    this.#options = options
    const events = {
      secured: (socket: TLSSocket) => this.#secured(socket),
      handshakeEnded: () => this.#checkIdle(),
    }
    this.#tls = address.ssl ? new TlsAcceptor(options.context, events, null) : null
  }

  async listen(source: ListenSource): Promise<number> {
    const port = await listenOn(this.#server, this.address, source, this.context.log)
    const { readBuffer } = this.context
    const { isRawAllowed } = this.#options
    const accept = (socket: Socket) => this.#accept(socket)
    acceptInto({ server: this.#server, readBuffer, accept, isRawAllowed, swapsBuffers: true })
    return port
  }

  #accept(socket: Socket): Receiver | null {
    const { connectionsMax } = this.context.settings
    const isFull = connectionsMax > 0 && this.#options.connectionsOpen() >= connectionsMax
    if (isFull || socket.remoteAddress === undefined) {
      socket.on('error', () => {})
      return null
    }
    this.context.streamCounts.accepted++
    socket.setNoDelay(true)
    if (this.address.keepalive !== undefined) setKeepAlive(socket, this.address.keepalive)
    if (this.address.proxyProtocol) return this.#awaitHeader(socket)
    return this.#tls === null ? this.#begin(socket, null, null) : this.#awaitHello(socket, null, null)
  }

  #awaitHeader(socket: Socket): Receiver {
    const opening = new ProxyOpening(this.context, socket, this)
    this.#openings.add(opening)
    let receive: Receiver | null = null
    const first: Receiver = (bytes, length) => {
      if (receive !== null) return receive(bytes, length)
      const rest = opening.take(bytes, length)
      if (rest === null) return
      this.#openings.delete(opening)
      if (this.#tls === null) receive = this.#begin(socket, opening.addresses, rest)
      else receive = this.#awaitHello(socket, opening.addresses, rest)
      first.nextBuffer = () => receive?.nextBuffer?.()
    }
    return first
  }

  #awaitHello(socket: Socket, proxied: ProxiedAddresses | null, first: Buffer | null): Receiver {
    const opening = new HelloOpening(this.context, socket, this)
    this.#openings.add(opening)
    let receive: Receiver = (bytes, length) => {
      const hello = opening.take(bytes, length)
      if (hello === null) return
      this.#openings.delete(opening)
      receive = this.#decide(socket, this.#clientOf(socket, 'tls', proxied, hello.sni), hello.bytes)
    }
    const begin: Receiver = (bytes, length) => receive(bytes, length)
    begin.nextBuffer = () => receive.nextBuffer?.()
    if (first !== null && first.length > 0) receive(first, first.length)
    return begin
  }

  /** By the server name: to be decrypted here, to be passed on as it is, or nobody's. */
  #decide(socket: Socket, client: StreamClient, bytes: Buffer): Receiver {
    const seen = new StreamSession(this.context, client, NO_TRANSPORT)
    const route = this.context.config.streamRouter.match(seen)
    const isTerminated = route !== null && (route.row['protocols'] as readonly string[]).includes('tls')
    if (isTerminated) {
      socket.pause()
      this.#ahead.set(socket, { client, route })
      this.#tls!.start(socket, bytes, client.sni)
      return () => {}
    }
    return this.#relay(socket, { ...client, protocol: 'tls_passthrough' }, route ?? undefined, bytes)
  }

  #secured(socket: TLSSocket): void {
    const under = socketUnder(socket)
    const ahead = under === null ? undefined : this.#ahead.get(under)
    if (ahead === undefined) {
      socket.on('error', () => {})
      return void socket.destroy()
    }
    const tls = {
      version: socket.getProtocol() ?? '',
      cipher: socket.getCipher()?.standardName ?? '',
      client_verify: 'NONE',
    }
    const relay = new TcpRelay(this, socket, { isRaw: false, first: null })
    this.relays.add(relay)
    relay.start(new StreamSession(this.context, { ...ahead.client, tls }, relay), ahead.route)
  }

  #begin(socket: Socket, proxied: ProxiedAddresses | null, first: Buffer | null): Receiver {
    return this.#relay(socket, this.#clientOf(socket, 'tcp', proxied, ''), undefined, first)
  }

  #relay(socket: Socket, client: StreamClient, route: CompiledRoute | undefined, first: Buffer | null): Receiver {
    const relay = new TcpRelay(this, socket, { isRaw: true, first })
    this.relays.add(relay)
    relay.start(new StreamSession(this.context, client, relay), route)
    const receive: Receiver = (bytes, length) => relay.clientBytes(bytes, length)
    receive.nextBuffer = () => relay.fromClient.nextBuffer()
    return receive
  }

  #clientOf(socket: Socket, protocol: 'tcp' | 'tls', proxied: ProxiedAddresses | null, sni: string): StreamClient {
    const { settings, trustedPeers } = this.context
    const peer = plainAddress(socket.remoteAddress ?? '')
    // nginx's stream proxy knows no other source than the PROXY header.
    const believed = proxied !== null && trustedPeers.isTrusted(peer) ? proxied : null
    const localPort = socket.localPort ?? this.address.port
    return {
      protocol,
      clientIp: believed?.sourceAddress ?? peer,
      clientPort: believed?.sourcePort ?? socket.remotePort ?? 0,
      localAddress: plainAddress(socket.localAddress ?? ''),
      port: settings.portMaps.get(localPort) ?? localPort,
      sni,
      tls: null,
    }
  }

  failed(opening: Opening, reason: string): void {
    const client = plainAddress(opening.socket.remoteAddress ?? '')
    this.context.streamLog.info(`a connection was closed before it was routed: ${reason}`, { client })
    this.closed(opening)
  }

  closed(ended: TcpRelay | Opening): void {
    if (ended instanceof TcpRelay) this.relays.delete(ended)
    else this.#openings.delete(ended)
    this.#checkIdle()
  }

  get size(): number {
    return this.relays.size + this.#openings.size
  }
  get isIdle(): boolean {
    return this.size === 0 && (this.#tls?.handshakes ?? 0) === 0
  }
  #checkIdle(): void {
    if (this.isIdle) this.onIdle?.()
  }

  stopAccepting(): void {
    this.#server.close()
  }

  /** A session has no pauses of which we knew that they are some: it ends when one of its sides wants. */
  endIdle(): void {}

  close(): void {
    this.#server.close()
    this.#tls?.close()
    for (const opening of [...this.#openings]) opening.socket.destroy()
    for (const relay of [...this.relays]) relay.destroy()
  }
}

/** A session that is only looked at. */
const NO_TRANSPORT = { connect: () => {}, refuse: () => {} }
