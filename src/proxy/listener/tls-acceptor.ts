/** The TLS side of a listener: makes secure sockets of plain ones, with our certificates and tickets. */
import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { createServer, type SecureContext, type Server, type TLSSocket, type TlsOptions } from 'node:tls'
import type { ProxyContext } from '../proxy-context.ts'
import { HelloOpening, type HelloOwner } from '../stream/hello-opening.ts'
import type { TicketKeysUser } from './ticket-keys.ts'

/** A TLS handshake that takes longer is somebody holding a door open. */
const HANDSHAKE_TIMEOUT_MS = 60_000
/** Tickets are for this use alone. It must be the same in all workers; Node's default follows the command line. */
const SESSION_CONTEXT = 'silverback'
const NOTHING = Buffer.alloc(0)

export interface TlsAcceptorEvents {
  secured(socket: TLSSocket): void
  /** A handshake is over, one way or the other. */
  handshakeEnded(): void
}

export class TlsAcceptor implements HelloOwner {
  readonly #context: ProxyContext
  readonly #events: TlsAcceptorEvents
  /** Does not listen itself: it is handed sockets. */
  readonly #server: Server
  readonly #openings = new Set<HelloOpening>()
  readonly #sockets = new Set<Socket>()
  /** Plain sockets whose context was chosen before TLS began. */
  readonly #chosen = new WeakSet<Socket>()
  #handshakes = 0

  constructor(context: ProxyContext, events: TlsAcceptorEvents, alpn: readonly string[] | null) {
    this.#context = context
    this.#events = events
    this.#server = createServer(this.#options(alpn))
    context.ticketKeys.add(this.#server)
    this.#server.on('tlsClientError', error => {
      context.log.info('TLS handshake failed', { message: error.message })
      this.#ended()
    })
    this.#server.on('secureConnection', socket => {
      this.#handshakes--
      events.secured(socket)
      events.handshakeEnded()
    })
  }

  #options(alpn: readonly string[] | null): TlsOptions {
    const { settings, config } = this.#context
    const { tls } = settings
    const chosen = this.#chosen
    return {
      key: tls.defaultCertificates.map(({ key }) => key),
      cert: tls.defaultCertificates.map(({ cert }) => cert),
      minVersion: tls.minVersion,
      maxVersion: tls.maxVersion,
      ...(tls.ciphers === null ? {} : { ciphers: tls.ciphers }),
      honorCipherOrder: tls.preferServerCiphers,
      sessionTimeout: tls.sessionTimeoutS,
      sessionIdContext: SESSION_CONTEXT,
      ...(tls.sessionTickets ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      ...(alpn === null ? {} : { ALPNProtocols: [...alpn] }),
      allowHalfOpen: true,
      SNICallback(this: TLSSocket, name, done) {
        const under = socketUnder(this)
        const isChosen = under !== null && chosen.has(under)
        done(null, isChosen ? undefined : (config.secureContext(name) ?? undefined))
      },
    }
  }

  /** Handshakes under way: not connections yet, but clients that count on us. */
  get handshakes(): number {
    return this.#handshakes + this.#openings.size
  }

  /** Speaks TLS on a connection of which `first` has been read already. */
  accept(socket: Socket, first: Buffer = NOTHING): void {
    if (!this.#context.config.hasCertificatePairs) return this.start(socket, first, null)
    const opening = new HelloOpening(this.#context, socket, this, { takesMalformed: true })
    this.#openings.add(opening)
    const take = (bytes: Buffer) => {
      const hello = opening.take(bytes, bytes.length)
      if (hello === null) return
      this.#openings.delete(opening)
      socket.off('data', take)
      socket.pause()
      this.start(socket, hello.bytes, hello.sni)
    }
    socket.on('data', take)
    if (first.length > 0) take(first)
  }

  /** The same where the server name is known; null leaves it to be asked for in the handshake. */
  start(socket: Socket, first: Buffer, sni: string | null): void {
    this.#handshakes++
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    if (first.length > 0) socket.unshift(first)
    const context = sni === null ? null : this.#context.config.secureContext(sni)
    if (context === null) return void this.#server.emit('connection', socket)
    this.#chosen.add(socket)
    this.#context.ticketKeys.apply(context.context as TicketKeysUser)
    startWith(this.#server, context, socket)
  }

  failed(opening: HelloOpening, reason: string): void {
    this.#context.log.info('TLS handshake failed', { message: reason })
    this.closed(opening)
  }

  closed(opening: HelloOpening): void {
    this.#openings.delete(opening)
    this.#events.handshakeEnded()
  }

  #ended(): void {
    this.#handshakes--
    this.#events.handshakeEnded()
  }

  /** Ends every connection, those in a handshake too. */
  close(): void {
    this.#context.ticketKeys.remove(this.#server)
    for (const opening of [...this.#openings]) opening.socket.destroy()
    for (const socket of [...this.#sockets]) socket.destroy()
  }
}

/** The plain socket under a secure one. Node has no public name for it. */
export function socketUnder(socket: TLSSocket): Socket | null {
  return (socket as unknown as { readonly _parent?: Socket })._parent ?? null
}

/**
 * A TLS server begins each connection with a context of its own; which one it is, is no public matter of Node, but the
 * only way to one with several pairs of keys: a context that comes later, by name, brings one pair.
 */
function startWith(server: Server, context: SecureContext, socket: Socket): void {
  const inside = server as unknown as { _sharedCreds: SecureContext }
  const own = inside._sharedCreds
  inside._sharedCreds = context
  try {
    server.emit('connection', socket)
  } finally {
    inside._sharedCreds = own
  }
}
