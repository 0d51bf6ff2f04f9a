/** One listening address: plain or TLS, from its bound socket to connections that find requests. */
import { constants } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls'
import type { ListenAddress } from '../../base/listen-address.ts'
import type { ExchangeEvents } from '../exchange.ts'
import type { ProxyContext } from '../proxy-context.ts'
import { ClientConnection, type ConnectionOwner } from './client-connection.ts'
import { acceptInto, type Receiver } from './raw-accept.ts'

/** nginx's default; the kernel may allow less. */
const BACKLOG = 16384
/** A TLS handshake that takes longer is somebody holding a door open. */
const HANDSHAKE_TIMEOUT_MS = 60_000

/** A bound TCP handle, a server, or null to bind the address here. */
export type ListenSource = object | null

export class Listener implements ConnectionOwner {
  readonly address: ListenAddress
  readonly connections = new Set<ClientConnection>()
  readonly #context: ProxyContext
  readonly #events: ExchangeEvents
  readonly #connectionsOpen: () => number
  readonly #server: Server
  readonly #isRawAllowed: boolean
  /** TLS handshakes under way: not connections yet, but clients that count on us. */
  #handshakes = 0
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
    this.#server = address.ssl ? this.#createTlsServer() : createServer({ allowHalfOpen: true })
  }

  /** Resolves with the port once connections are accepted. */
  listen(source: ListenSource): Promise<number> {
    const server = this.#server
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.once('listening', () => {
        server.off('error', reject)
        server.on('error', error => this.#context.log.error('listener failed', { message: error.message }))
        if (!this.address.ssl) this.#acceptPlain()
        resolve((server.address() as { port: number }).port)
      })
      const backlog = this.address.backlog ?? BACKLOG
      if (source !== null) server.listen(source, backlog)
      else server.listen({ host: this.address.host, port: this.address.port, backlog, ipv6Only: this.address.ipv6only })
    })
  }

  #acceptPlain(): void {
    const { readBuffer } = this.#context
    const accept = (socket: Socket) => this.#adopt(socket, 'http', '', null)
    acceptInto({ server: this.#server, readBuffer, accept, isRawAllowed: this.#isRawAllowed })
  }

  #createTlsServer(): Server {
    const { settings, config, log } = this.#context
    const { tls } = settings
    const options: TlsOptions = {
      key: tls.defaultCertificates.map(({ key }) => key),
      cert: tls.defaultCertificates.map(({ cert }) => cert),
      minVersion: tls.minVersion,
      maxVersion: tls.maxVersion,
      ...(tls.ciphers === null ? {} : { ciphers: tls.ciphers }),
      honorCipherOrder: tls.preferServerCiphers,
      sessionTimeout: tls.sessionTimeoutS,
      ...(tls.sessionTickets ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      ALPNProtocols: ['http/1.1'],
      allowHalfOpen: true,
      SNICallback(name, done) {
        done(null, config.secureContext(name) ?? undefined)
      },
    }
    const server = createTlsServer(options)
    server.on('connection', () => {
      this.#handshakes++
    })
    server.on('tlsClientError', error => {
      log.info('TLS handshake failed', { message: error.message })
      this.#handshakes--
      this.#checkIdle()
    })
    server.on('secureConnection', socket => {
      this.#handshakes--
      this.#acceptSecure(socket)
    })
    return server
  }

  #acceptSecure(socket: TLSSocket): void {
    const { servername } = socket as TLSSocket & { servername?: string | false | null }
    const tls = {
      version: socket.getProtocol() ?? '',
      cipher: socket.getCipher()?.standardName ?? '',
      client_verify: 'NONE',
    }
    const receive = this.#adopt(socket, 'https', servername || '', tls)
    if (receive === null) socket.destroy()
    else socket.on('data', (bytes: Buffer) => receive(bytes, bytes.length))
  }

  #adopt(socket: Socket, scheme: 'http' | 'https', sni: string, tls: ClientConnection['tls']): Receiver | null {
    const { settings, trustedPeers } = this.#context
    const isFull = settings.connectionsMax > 0 && this.#connectionsOpen() >= settings.connectionsMax
    if (isFull || socket.remoteAddress === undefined) {
      // An error event without listener would end the process.
      socket.on('error', () => {})
      return null
    }
    const peerAddress = plainAddress(socket.remoteAddress)
    const localPort = socket.localPort ?? this.address.port
    const connection = new ClientConnection(this.#context, this.#events, this, socket, {
      peerAddress,
      isPeerTrusted: trustedPeers.isTrusted(peerAddress),
      localPort,
      publicPort: settings.portMaps.get(localPort) ?? localPort,
      scheme,
      sni,
      tls,
    })
    this.connections.add(connection)
    return (bytes, length) => connection.receive(bytes, length)
  }

  closed(connection: ClientConnection): void {
    this.connections.delete(connection)
    this.#checkIdle()
  }

  get isIdle(): boolean {
    return this.connections.size === 0 && this.#handshakes === 0
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
    for (const connection of [...this.connections]) connection.destroy()
  }
}

/** IPv4 addresses on a dual-stack socket as what they are. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
