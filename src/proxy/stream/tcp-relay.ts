/**
 * One TCP session: the client's socket, the upstream's, and the bytes between them.
 *
 * Whoever cannot be written to makes the other one pause, so memory stays constant. An end of one direction is passed
 * on as such, and the other direction goes on; a reset is passed on as a reset, so that nobody takes it for the end.
 */
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { PeerOutcome, Pick } from '../balancer/balancer.ts'
import type { CompiledRoute, CompiledService } from '../compiled.ts'
import type { Expiring } from '../deadlines.ts'
import { writeInPlace, writeShared } from '../direct-write.ts'
import type { ProxyContext } from '../proxy-context.ts'
import { sendWaiting } from '../turn.ts'
import type { SecureContexts } from '../upstream/secure-contexts.ts'
import { type BulkBuffers, BulkDirection } from './bulk-buffers.ts'
import type { StreamFlow } from './stream-flow.ts'
import type { StreamSession, StreamTransport } from './stream-session.ts'

export interface RelayOwner {
  readonly context: ProxyContext
  readonly flow: StreamFlow
  readonly secureContexts: SecureContexts
  readonly bulkBuffers: BulkBuffers
  closed(relay: TcpRelay): void
}

type State = 'deciding' | 'connecting' | 'open' | 'ending' | 'closed'

/** After our last byte the client has this long to close. */
const LINGER_MS = 2000

export class TcpRelay implements StreamTransport, Expiring {
  deadline = 0
  sweepIndex = -1
  readonly fromClient: BulkDirection
  readonly #fromUpstream: BulkDirection
  readonly #owner: RelayOwner
  readonly #client: Socket
  readonly #isClientRaw: boolean
  /** What was read of the client before its session began. */
  #first: Buffer | null
  #session: StreamSession | null = null
  #upstream: Socket | null = null
  #isUpstreamRaw = true
  #state: State = 'deciding'
  #readTimeoutMs = 0
  #writeTimeoutMs = 0
  #hasClientEnded = false

  /** `isRaw`: bytes come through `clientBytes`, in a buffer that will be overwritten. Else the socket's events are used. */
  constructor(owner: RelayOwner, client: Socket, { isRaw, first }: { isRaw: boolean; first: Buffer | null }) {
    this.#owner = owner
    this.#client = client
    this.#isClientRaw = isRaw
    this.#first = first
    this.fromClient = new BulkDirection(owner.bulkBuffers, owner.context.readBuffer)
    this.#fromUpstream = new BulkDirection(owner.bulkBuffers, owner.context.readBuffer)
    owner.context.deadlines.add(this)
    client.pause()
    client.on('end', () => this.#clientEnded())
    client.on('drain', () => this.#resume(this.#upstream))
    client.on('error', () => this.#broke())
    client.on('close', () => this.#clientClosed())
  }

  /** From here on the session ends with the relay, and is logged then. */
  start(session: StreamSession, route: CompiledRoute | undefined): void {
    this.#session = session
    this.#owner.flow.begin(session, route)
  }

  connect(session: StreamSession, pick: Pick): void {
    const { context } = this.#owner
    const service = session.matchedRoute!.service!
    this.#state = 'connecting'
    this.#readTimeoutMs = service.readTimeoutMs
    this.#writeTimeoutMs = service.writeTimeoutMs
    const upstream = service.tlsOptions === null ? this.#openPlain(pick) : this.#openTls(session, service, pick)
    this.#upstream = upstream
    this.deadline = context.deadlines.in(service.connectTimeoutMs)
    upstream.on('end', () => this.#upstreamEnded(upstream))
    upstream.on('drain', () => this.#resume(this.#client))
    upstream.on('error', error => this.#upstreamFailed(upstream, { kind: 'connect_failed' }, error.message))
    upstream.on('close', () => this.#upstreamClosed(upstream))
  }

  #openPlain({ peer }: Pick): Socket {
    let hasBuffer = false
    const first = () => {
      hasBuffer = true
      return this.#owner.context.readBuffer
    }
    this.#isUpstreamRaw = true
    const upstream: Socket = connectPlain({
      host: peer.ip,
      port: peer.port,
      noDelay: true,
      allowHalfOpen: true,
      onread: {
        // A socket that begins asks once before its first read.
        buffer: () => this.#fromUpstream.nextBuffer() ?? (hasBuffer ? (undefined as never) : first()),
        callback: (length, bytes) => {
          this.#upstreamBytes(bytes as Buffer, length, true)
          return true
        },
      },
    })
    upstream.once('connect', () => this.#connected(upstream))
    return upstream
  }

  /** The name for the upstream's TLS is the client's if the route says so, else the target's (or `host_header`). */
  #openTls(session: StreamSession, { tlsOptions }: CompiledService, { peer, hostHeader }: Pick): Socket {
    this.#isUpstreamRaw = false
    const name = session.matchedRoute!.preserveHost && session.sni !== '' ? session.sni : withoutPort(hostHeader)
    const options = this.#owner.secureContexts.connectOptions(tlsOptions!, name)
    const address = { host: peer.ip, port: peer.port, allowHalfOpen: true }
    const upstream: TLSSocket = connectTls({ ...options, ...address } as ConnectionOptions)
    upstream.setNoDelay(true)
    upstream.pause()
    upstream.on('data', (bytes: Buffer) => this.#upstreamBytes(bytes, bytes.length, false))
    upstream.once('secureConnect', () => {
      const problem = this.#owner.secureContexts.chainProblem(upstream, tlsOptions!)
      if (problem === null) this.#connected(upstream)
      else upstream.destroy(new Error(problem))
    })
    return upstream
  }

  #connected(upstream: Socket): void {
    if (this.#state !== 'connecting' || upstream !== this.#upstream) return
    this.#state = 'open'
    this.#touch()
    this.#owner.flow.connected(this.#session!)
    const first = this.#first
    this.#first = null
    if (first !== null && first.length > 0) this.clientBytes(first, first.length)
    if (this.#hasClientEnded) upstream.end()
    if (!this.#isClientRaw) this.#client.on('data', (bytes: Buffer) => this.clientBytes(bytes, bytes.length))
    if (!this.#isUpstreamRaw) upstream.resume()
    if (!upstream.writableNeedDrain) this.#client.resume()
  }

  clientBytes(bytes: Buffer, length: number): void {
    if (this.#state === 'ending' || this.#state === 'closed') return
    if (this.#state !== 'open') {
      // A pause takes effect after the read that is under way.
      const kept = Buffer.copyBytesFrom(bytes, 0, length)
      this.#first = this.#first === null ? kept : Buffer.concat([this.#first, kept])
      return
    }
    const session = this.#session!
    session.receivedBytes += length
    session.upstreamSentBytes += length
    const goesOn = this.#isUpstreamRaw
      ? this.#passRaw(this.fromClient, this.#client, this.#upstream!, bytes, length)
      : this.#pass(this.#upstream!, bytes, length)
    if (!goesOn) this.#client.pause()
    this.#touch(!goesOn)
  }

  #upstreamBytes(bytes: Buffer, length: number, isRaw: boolean): void {
    if (this.#state !== 'open') return
    const session = this.#session!
    session.upstreamReceivedBytes += length
    session.sentBytes += length
    const goesOn =
      isRaw && this.#isClientRaw
        ? this.#passRaw(this.#fromUpstream, this.#upstream!, this.#client, bytes, length)
        : this.#pass(this.#client, bytes, length)
    if (!goesOn) this.#upstream!.pause()
    this.#touch(!goesOn)
  }

  /** Between two plain sockets: without a copy where the direction has a buffer of its own. */
  #passRaw(direction: BulkDirection, from: Socket, to: Socket, bytes: Buffer, length: number): boolean {
    direction.noteRead(length)
    if (!direction.owns(bytes)) return writeShared(to, bytes, length)
    direction.isPending = true
    const goesOn = writeInPlace(to, bytes, length, () => {
      direction.isPending = false
      this.#resume(from)
    })
    // Where it went through the stream it was copied.
    if (goesOn || to.writableLength > 0) direction.isPending = false
    return goesOn
  }

  #pass(to: Socket, bytes: Buffer, length: number): boolean {
    sendWaiting()
    const isOwned = bytes.length === length && bytes.buffer !== this.#owner.context.readBuffer.buffer
    const isHeld = this.fromClient.owns(bytes) || this.#fromUpstream.owns(bytes)
    return to.write(isOwned && !isHeld ? bytes : Buffer.copyBytesFrom(bytes, 0, length))
  }

  #touch(isStuck = false): void {
    this.deadline = this.#owner.context.deadlines.in(isStuck ? this.#writeTimeoutMs : this.#readTimeoutMs)
  }

  #resume(socket: Socket | null): void {
    if (this.#state !== 'open' || socket === null) return
    this.#touch()
    socket.resume()
  }

  #clientEnded(): void {
    sendWaiting()
    this.#hasClientEnded = true
    if (this.#state === 'open') this.#upstream!.end()
    else if (this.#state === 'ending') this.#client.destroySoon()
  }

  #upstreamEnded(upstream: Socket): void {
    sendWaiting()
    if (upstream !== this.#upstream) return
    if (this.#state === 'open') this.#client.end()
    else this.#upstreamFailed(upstream, { kind: 'connect_failed' }, 'closed while connecting')
  }

  #upstreamFailed(upstream: Socket, outcome: PeerOutcome, reason: string): void {
    sendWaiting()
    if (upstream !== this.#upstream) return
    if (this.#state === 'open') return this.#broke()
    if (this.#state !== 'connecting') return
    this.#upstream = null
    this.#state = 'deciding'
    this.deadline = 0
    upstream.destroy()
    this.#owner.flow.connectFailed(this.#session!, outcome, reason)
  }

  #upstreamClosed(upstream: Socket): void {
    sendWaiting()
    if (upstream !== this.#upstream) return
    if (this.#state === 'connecting') {
      return this.#upstreamFailed(upstream, { kind: 'connect_failed' }, 'closed while connecting')
    }
    // Its last bytes may still be on their way to the client.
    if (this.#client.writableEnded) this.#client.destroySoon()
    else this.#client.end(() => this.#client.destroySoon())
  }

  #clientClosed(): void {
    sendWaiting()
    if (this.#upstream !== null && !this.#upstream.destroyed) {
      if (this.#state === 'open' && !this.#hasClientEnded) this.#upstream.destroy()
      else this.#upstream.destroySoon()
    }
    this.#close()
  }

  /** One side was reset or fell silent: the other is told in the same way. */
  #broke(): void {
    sendWaiting()
    if (this.#upstream !== null) abort(this.#upstream)
    abort(this.#client)
    this.#close()
  }

  refuse(session: StreamSession, text: string | Uint8Array): void {
    sendWaiting()
    if (this.#state === 'closed') return
    this.#state = 'ending'
    session.sentBytes += typeof text === 'string' ? Buffer.byteLength(text) : text.length
    if (text.length === 0 && !('encrypted' in this.#client)) return this.#dropClient()
    if (text.length > 0) this.#client.write(text)
    this.#client.end()
    // What the client still sends is read and dropped, so that no reset destroys what it has not read yet.
    if (!this.#isClientRaw) this.#client.on('data', () => {})
    this.#client.resume()
    this.deadline = this.#owner.context.deadlines.in(LINGER_MS)
    if (this.#hasClientEnded) this.#client.destroySoon()
  }

  /**
   * As nginx does it: at once, so that a client whose bytes went nowhere sees a reset and not an end. For what was not
   * read yet the kernel sees to that.
   */
  #dropClient(): void {
    if ((this.#first?.length ?? 0) > 0) abort(this.#client)
    else this.#client.destroy()
  }

  onDeadline(): void {
    if (this.#state === 'connecting') {
      return this.#upstreamFailed(this.#upstream!, { kind: 'timed_out' }, 'timed out')
    }
    this.destroy()
  }

  destroy(): void {
    sendWaiting()
    this.#upstream?.destroy()
    this.#client.destroy()
    this.#close()
  }

  #close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.fromClient.release()
    this.#fromUpstream.release()
    this.#owner.context.deadlines.remove(this)
    if (this.#session !== null) this.#owner.flow.ended(this.#session)
    this.#owner.closed(this)
  }
}

function abort(socket: Socket): void {
  if (socket.destroyed) return
  if (typeof socket.resetAndDestroy === 'function' && !('encrypted' in socket)) socket.resetAndDestroy()
  else socket.destroy()
}

/** The host of a Host header: names of servers have no port (RFC 6066 section 3). */
function withoutPort(host: string): string {
  const end = host.startsWith('[') ? host.indexOf(']') + 1 : host.indexOf(':')
  return (end <= 0 ? host : host.slice(0, end)).replace(/^\[|\]$/g, '')
}
