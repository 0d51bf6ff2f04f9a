/** One listening address for HTTP: plain or TLS, from its bound socket to connections that find requests. */
import { createServer, type Server, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { ListenAddress } from '../../base/listen-address.ts'
import type { ExchangeEvents } from '../exchange.ts'
import type { ProxyContext } from '../proxy-context.ts'
import { type ClientAddress, ClientConnection } from './client-connection.ts'
import { Http2ClientConnection } from './http2-client-connection.ts'
import { listenOn, type ListenSource, plainAddress, setKeepAlive } from './listen-on.ts'
import type { ConnectionOwner, OpenConnection } from './open-connection.ts'
import { ProtocolChoice } from './protocol-choice.ts'
import type { ProxiedAddresses } from '../../base/proxy-header.ts'
import { type OpeningOwner, ProxyOpening } from './proxy-opening.ts'
import { readShared } from './shared-reads.ts'
import { acceptInto, type Receiver } from './raw-accept.ts'
import { socketUnder, TlsAcceptor } from './tls-acceptor.ts'

/** Oldest connections that are looked at for one that may be closed; bounds the price of being full. */
const REUSABLE_LOOKS_MAX = 128

/** A client that offers names and finds none of them is refused by TLS itself, so all that is spoken must be named. */
const HTTP1_NAMES = ['http/1.1', 'http/1.0']

export class Listener implements ConnectionOwner, OpeningOwner {
  readonly address: ListenAddress
  readonly connections = new Set<OpenConnection>()
  readonly #context: ProxyContext
  readonly #events: ExchangeEvents
  readonly #connectionsOpen: () => number
  readonly #server: Server = createServer({ allowHalfOpen: true })
  readonly #tls: TlsAcceptor | null
  readonly #isRawAllowed: boolean
  readonly #openings = new Set<ProxyOpening>()
  /** What PROXY headers said, by plain socket, until the TLS handshake on it is over. */
  readonly #proxied = new WeakMap<Socket, ProxiedAddresses>()
  onIdle: (() => void) | null = null

  constructor(
    context: ProxyContext,
    events: ExchangeEvents,
    address: ListenAddress,
    options: { readonly connectionsOpen: () => number; readonly isRawAllowed: boolean },
  ) {
    this.#context = context
    this.#events = events
    this.address = address
    this.#connectionsOpen = options.connectionsOpen
    this.#isRawAllowed = options.isRawAllowed
    const tlsEvents = {
      secured: (socket: TLSSocket) => this.#acceptSecure(socket),
      handshakeEnded: () => this.#checkIdle(),
    }
    this.#tls = address.ssl
      ? new TlsAcceptor(context, tlsEvents, address.http2 ? ['h2', ...HTTP1_NAMES] : HTTP1_NAMES)
      : null
  }

  /** Resolves with the port once connections are accepted. */
  async listen(source: ListenSource): Promise<number> {
    const port = await listenOn(this.#server, this.address, source, this.#context.log)
    const tls = this.#tls
    if (tls === null) this.#acceptPlain()
    else if (this.address.proxyProtocol) this.#server.on('connection', socket => this.#openTls(socket, tls))
    else this.#server.on('connection', socket => tls.accept(socket))
    return port
  }

  #acceptPlain(): void {
    const { readBuffer } = this.#context
    const accept = this.address.proxyProtocol
      ? (socket: Socket) => this.#openPlain(socket)
      : (socket: Socket) => this.#adopt(socket, { scheme: 'http', sni: '', tls: null }, null)
    acceptInto({ server: this.#server, readBuffer, accept, isRawAllowed: this.#isRawAllowed })
  }

  /** A PROXY header first, then HTTP. */
  #openPlain(socket: Socket): Receiver | null {
    const opening = this.#open(socket)
    if (opening === null) return null
    let receive: Receiver | null = null
    return (bytes, length) => {
      if (receive !== null) return receive(bytes, length)
      const rest = opening.take(bytes, length)
      if (rest === null) return
      this.#openings.delete(opening)
      receive = this.#adopt(socket, { scheme: 'http', sni: '', tls: null }, opening.addresses)
      if (receive === null) socket.destroy()
      else if (rest.length > 0) receive(rest, rest.length)
    }
  }

  /** A PROXY header first, then TLS. */
  #openTls(socket: Socket, tls: TlsAcceptor): void {
    const opening = this.#open(socket)
    if (opening === null) return void socket.destroy()
    const take = (bytes: Buffer) => {
      const rest = opening.take(bytes, bytes.length)
      if (rest === null) return
      this.#openings.delete(opening)
      socket.off('data', take)
      socket.pause()
      if (opening.addresses !== null) this.#proxied.set(socket, opening.addresses)
      tls.accept(socket, rest)
    }
    socket.on('data', take)
  }

  #open(socket: Socket): ProxyOpening | null {
    if (this.#isFull && !this.#makeRoom()) {
      socket.on('error', () => {})
      return null
    }
    const opening = new ProxyOpening(this.#context, socket, this)
    this.#openings.add(opening)
    return opening
  }

  failed(opening: ProxyOpening, reason: string): void {
    const peer = plainAddress(opening.socket.remoteAddress ?? '')
    this.#context.log.info(`a connection was closed for its PROXY header: ${reason}`, { peer })
    this.#openings.delete(opening)
    this.#checkIdle()
  }

  #acceptSecure(socket: TLSSocket): void {
    const { servername } = socket as TLSSocket & { servername?: string | false | null }
    const tls = {
      version: socket.getProtocol() ?? '',
      cipher: socket.getCipher()?.standardName ?? '',
      client_verify: 'NONE',
    }
    const under = this.address.proxyProtocol ? socketUnder(socket) : null
    const proxied = under === null ? null : (this.#proxied.get(under) ?? null)
    const receive = this.#adopt(socket, { scheme: 'https', sni: servername || '', tls }, proxied)
    if (receive === null) socket.destroy()
    else readShared(socket, this.#context.readBuffer, receive)
  }

  get #isFull(): boolean {
    const { connectionsMax } = this.#context.settings
    return connectionsMax > 0 && this.#connectionsOpen() >= connectionsMax
  }

  #adopt(
    socket: Socket,
    security: Pick<ClientAddress, 'scheme' | 'sni' | 'tls'>,
    proxied: ProxiedAddresses | null,
  ): Receiver | null {
    const { settings, trustedPeers } = this.#context
    if ((this.#isFull && !this.#makeRoom()) || socket.remoteAddress === undefined) {
      // An error event without listener would end the process.
      socket.on('error', () => {})
      return null
    }
    if (this.address.keepalive !== undefined) setKeepAlive(socket, this.address.keepalive)
    const peerAddress = plainAddress(socket.remoteAddress)
    const localPort = socket.localPort ?? this.address.port
    const isPeerTrusted = trustedPeers.isTrusted(peerAddress)
    const address: ClientAddress = {
      peerAddress,
      isPeerTrusted,
      proxiedAddress: isPeerTrusted ? (proxied?.sourceAddress ?? null) : null,
      localPort,
      publicPort: settings.portMaps.get(localPort) ?? localPort,
      ...security,
    }
    if (security.tls !== null) return this.#serve(socket, address, (socket as TLSSocket).alpnProtocol === 'h2')
    if (!this.address.http2) return this.#serve(socket, address, false)
    const choice = new ProtocolChoice(this.#context, this, socket, isHttp2 => this.#serve(socket, address, isHttp2))
    this.connections.add(choice)
    return (bytes, length) => choice.receive(bytes, length)
  }

  #serve(socket: Socket, address: ClientAddress, isHttp2: boolean): Receiver {
    const Connection = isHttp2 ? Http2ClientConnection : ClientConnection
    const connection = new Connection(this.#context, this.#events, this, socket, address)
    this.connections.add(connection)
    return (bytes, length) => connection.receive(bytes, length)
  }

  /** As nginx does when it runs out of connections: one that only waits gives way to one that has a request. */
  #makeRoom(): boolean {
    let looked = 0
    for (const connection of this.connections) {
      if (connection.isReusable) {
        connection.destroy()
        return true
      }
      if (++looked === REUSABLE_LOOKS_MAX) break
    }
    return false
  }

  closed(connection: OpenConnection | ProxyOpening): void {
    if (connection instanceof ProxyOpening) this.#openings.delete(connection)
    else this.connections.delete(connection)
    this.#checkIdle()
  }

  /** Connections, those that have not said yet for whom they are among them. */
  get size(): number {
    return this.connections.size + this.#openings.size
  }

  get isIdle(): boolean {
    return this.size === 0 && (this.#tls?.handshakes ?? 0) === 0
  }
  #checkIdle(): void {
    if (this.isIdle) this.onIdle?.()
  }

  /** No new connections; those that there are end with their next answer. */
  stopAccepting(): void {
    this.#server.close()
  }

  /** Ends those without a request. */
  endIdle(): void {
    for (const connection of [...this.connections]) connection.drain()
  }

  close(): void {
    this.#server.close()
    this.#tls?.close()
    for (const opening of [...this.#openings]) opening.socket.destroy()
    for (const connection of [...this.connections]) connection.destroy()
  }
}
