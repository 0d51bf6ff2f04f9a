/** Opens connections to peers, plain or TLS. */
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import type { UpstreamTlsOptions } from '../compiled.ts'
import type { Peer } from '../balancer/balancer.ts'
import type { ProxyContext } from '../proxy-context.ts'
import { type ConnectionConsumer, UpstreamConnection } from './upstream-connection.ts'

/** Contexts are costly to make and few: one per TLS pool key, in the order of last use. */
const SECURE_CONTEXTS_MAX = 1000

export class Connector<Owner> {
  readonly #context: ProxyContext
  readonly #consumer: ConnectionConsumer<Owner>
  readonly #secureContexts = new Map<UpstreamTlsOptions, SecureContext>()

  constructor(context: ProxyContext, consumer: ConnectionConsumer<Owner>) {
    this.#context = context
    this.#consumer = consumer
  }

  open(key: string, peer: Peer, tls: UpstreamTlsOptions | null, serverName: string): UpstreamConnection<Owner> {
    return tls === null ? this.#openPlain(key, peer) : this.#openTls(key, peer, tls, serverName)
  }

  #openPlain(key: string, peer: Peer): UpstreamConnection<Owner> {
    const connection = new UpstreamConnection(key, this.#consumer, this.#context.deadlines)
    const socket = connectPlain({
      host: peer.ip,
      port: peer.port,
      noDelay: true,
      allowHalfOpen: true,
      onread: {
        buffer: this.#context.readBuffer,
        callback(length, bytes) {
          connection.receive(bytes as Buffer, length)
          return true
        },
      },
    })
    connection.bind(socket, 'connect')
    return connection
  }

  #openTls(key: string, peer: Peer, options: UpstreamTlsOptions, serverName: string): UpstreamConnection<Owner> {
    const connection = new UpstreamConnection(key, this.#consumer, this.#context.deadlines)
    const socket = this.#tlsSocket(peer, options, serverName, 'http/1.1')
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => connection.receive(bytes, bytes.length))
    connection.bind(socket, 'secureConnect')
    return connection
  }

  /** Plain without `tls`. */
  http2Socket(peer: Peer, tls: UpstreamTlsOptions | null, serverName: string): Socket {
    const socket =
      tls === null ? connectPlain({ host: peer.ip, port: peer.port }) : this.#tlsSocket(peer, tls, serverName, 'h2')
    return socket.setNoDelay(true)
  }

  #tlsSocket(peer: Peer, options: UpstreamTlsOptions, serverName: string, protocol: string): TLSSocket {
    return connectTls({
      host: peer.ip,
      port: peer.port,
      // Names only (RFC 6066 section 3); an address is verified against the certificate all the same.
      ...(isIP(serverName) === 0 && serverName !== '' ? { servername: serverName } : {}),
      secureContext: this.#secureContext(options),
      rejectUnauthorized: options.verify === true,
      ALPNProtocols: [protocol],
    })
  }

  #secureContext(options: UpstreamTlsOptions): SecureContext {
    let secureContext = this.#secureContexts.get(options)
    if (secureContext === undefined) {
      const { tls } = this.#context.settings
      const own = options.cert !== null && options.key !== null ? { cert: options.cert, key: options.key } : null
      const certificate = own ?? tls.clientCertificate
      const ca = options.ca ?? (tls.trustedCertificates === null ? null : [tls.trustedCertificates])
      secureContext = createSecureContext({
        ...(certificate === null ? {} : { cert: certificate.cert, key: certificate.key }),
        ...(ca === null ? {} : { ca: [...ca] }),
        minVersion: tls.minVersion,
        maxVersion: tls.maxVersion,
      })
      if (this.#secureContexts.size >= SECURE_CONTEXTS_MAX) this.#secureContexts.clear()
      this.#secureContexts.set(options, secureContext)
    }
    return secureContext
  }
}
