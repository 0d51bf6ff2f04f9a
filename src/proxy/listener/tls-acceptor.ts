/** The TLS side of a listener: a server that makes secure sockets of plain ones, with our certificates and tickets. */
import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls'
import type { ProxyContext } from '../proxy-context.ts'

/** A TLS handshake that takes longer is somebody holding a door open. */
const HANDSHAKE_TIMEOUT_MS = 60_000

export interface TlsAcceptorEvents {
  secured(socket: TLSSocket): void
  /** A handshake is over, one way or the other. */
  handshakeEnded(): void
}

export class TlsAcceptor {
  /** Listens itself, or is handed sockets by `wrap`. */
  readonly server: Server
  /** Handshakes under way: not connections yet, but clients that count on us. */
  handshakes = 0
  readonly #sockets = new Set<Socket>()

  constructor(context: ProxyContext, events: TlsAcceptorEvents, alpn: readonly string[] | null) {
    this.server = createServer(tlsServerOptions(context, alpn))
    this.server.on('connection', () => {
      this.handshakes++
    })
    this.server.on('tlsClientError', error => {
      context.log.info('TLS handshake failed', { message: error.message })
      this.handshakes--
      events.handshakeEnded()
    })
    this.server.on('secureConnection', socket => {
      this.handshakes--
      events.secured(socket)
      events.handshakeEnded()
    })
  }

  /** Speaks TLS on a connection of which `first` has been read already. */
  wrap(socket: Socket, first: Buffer): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    if (first.length > 0) socket.unshift(first)
    this.server.emit('connection', socket)
  }

  /** Ends what was wrapped; connections of the server's own end with it. */
  close(): void {
    for (const socket of [...this.#sockets]) socket.destroy()
  }
}

/** The plain socket under a secure one that was made by `wrap`. Node has no public name for it. */
export function socketUnder(socket: TLSSocket): Socket | null {
  return (socket as unknown as { readonly _parent?: Socket })._parent ?? null
}

function tlsServerOptions({ settings, config }: ProxyContext, alpn: readonly string[] | null): TlsOptions {
  const { tls } = settings
  return {
    key: tls.defaultCertificates.map(({ key }) => key),
    cert: tls.defaultCertificates.map(({ cert }) => cert),
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ...(tls.ciphers === null ? {} : { ciphers: tls.ciphers }),
    honorCipherOrder: tls.preferServerCiphers,
    sessionTimeout: tls.sessionTimeoutS,
    ...(tls.sessionTickets ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    ...(alpn === null ? {} : { ALPNProtocols: [...alpn] }),
    allowHalfOpen: true,
    SNICallback(name, done) {
      done(null, config.secureContext(name) ?? undefined)
    },
  }
}
