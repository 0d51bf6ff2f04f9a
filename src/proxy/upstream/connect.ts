/** Opens connections to peers, plain or TLS. */
import { connect as connectPlain, type OnReadOpts, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { UpstreamTlsOptions } from '../compiled.ts'
import type { Peer } from '../balancer/balancer.ts'
import type { ProxyContext } from '../proxy-context.ts'
import { SecureContexts } from './secure-contexts.ts'
import { type ConnectionConsumer, UpstreamConnection } from './upstream-connection.ts'

/** Our own event of a socket: its handshake is over, and its chain is as it should be. */
export const VERIFIED = 'verified'

export class Connector<Owner> {
  readonly #context: ProxyContext
  readonly #consumer: ConnectionConsumer<Owner>
  readonly #secureContexts: SecureContexts

  constructor(context: ProxyContext, consumer: ConnectionConsumer<Owner>) {
    this.#context = context
    this.#consumer = consumer
    this.#secureContexts = new SecureContexts(context.settings.tls, 'http')
  }

  open(key: string, peer: Peer, tls: UpstreamTlsOptions | null, serverName: string): UpstreamConnection<Owner> {
    return tls === null ? this.#openPlain(key, peer) : this.#openTls(key, peer, tls, serverName)
  }

  #openPlain(key: string, peer: Peer): UpstreamConnection<Owner> {
    const connection = new UpstreamConnection(key, this.#consumer, this.#context.deadlines)
    const { onread } = this.#reads(connection)
    const socket = connectPlain({ host: peer.ip, port: peer.port, noDelay: true, allowHalfOpen: true, onread })
    connection.bind(socket, 'connect')
    return connection
  }

  #openTls(key: string, peer: Peer, options: UpstreamTlsOptions, serverName: string): UpstreamConnection<Owner> {
    const connection = new UpstreamConnection(key, this.#consumer, this.#context.deadlines)
    const socket = this.#tlsSocket(peer, options, serverName, 'http/1.1', this.#reads(connection))
    socket.setNoDelay(true)
    connection.bind(socket, VERIFIED)
    return connection
  }

  /** Into the buffer that all share: no buffer, event and stream push per read. */
  #reads(connection: UpstreamConnection<Owner>) {
    const callback = (length: number, bytes: Uint8Array) => {
      connection.receive(bytes as Buffer, length)
      return true
    }
    return { onread: { buffer: this.#context.readBuffer, callback } }
  }

  /** Plain without `tls`. Over TLS it may be used once it is `VERIFIED`. */
  http2Socket(peer: Peer, tls: UpstreamTlsOptions | null, serverName: string): Socket {
    const socket =
      tls === null ? connectPlain({ host: peer.ip, port: peer.port }) : this.#tlsSocket(peer, tls, serverName, 'h2')
    return socket.setNoDelay(true)
  }

  #tlsSocket(
    peer: Peer,
    options: UpstreamTlsOptions,
    serverName: string,
    protocol: string,
    reads: { readonly onread?: OnReadOpts } = {},
  ): TLSSocket {
    const socket = connectTls({
      host: peer.ip,
      port: peer.port,
      ...reads,
      ...this.#secureContexts.connectOptions(options, serverName),
      ALPNProtocols: [protocol],
    })
    // Whoever uses it learns of the connection only then: nothing may be sent over a chain that is too long.
    socket.once('secureConnect', () => {
      const problem = this.#secureContexts.chainProblem(socket, options)
      if (problem === null) socket.emit(VERIFIED)
      else socket.destroy(new Error(problem))
    })
    return socket
  }
}
