/** One UDP session: a client's address on our socket, and a socket of its own towards the upstream. */
import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { Pick } from '../balancer/balancer.ts'
import type { Expiring } from '../deadlines.ts'
import type { ProxyContext } from '../proxy-context.ts'
import type { StreamFlow } from './stream-flow.ts'
import type { StreamSession, StreamTransport } from './stream-session.ts'

export interface UdpRelayOwner {
  readonly context: ProxyContext
  readonly flow: StreamFlow
  closed(relay: UdpRelay): void
}

export interface UdpClient {
  readonly key: string
  readonly address: string
  readonly port: number
}

/** Datagrams held while the upstream is being chosen; what comes beyond is lost, as datagrams may be. */
const HELD_DATAGRAMS_MAX = 16

export class UdpRelay implements StreamTransport, Expiring {
  readonly client: UdpClient
  deadline = 0
  sweepIndex = -1
  readonly #owner: UdpRelayOwner
  readonly #socket: Socket
  #session: StreamSession | null = null
  #upstream: Socket | null = null
  #isConnected = false
  #isClosed = false
  #hasAnswered = false
  #held: Buffer[] = []
  #idleTimeoutMs = 0

  constructor(owner: UdpRelayOwner, socket: Socket, client: UdpClient) {
    this.#owner = owner
    this.#socket = socket
    this.client = client
    owner.context.deadlines.add(this)
  }

  start(session: StreamSession, first: Buffer): void {
    this.#session = session
    this.clientBytes(first)
    this.#owner.flow.begin(session)
  }

  connect(session: StreamSession, { peer }: Pick): void {
    const service = session.matchedRoute!.service!
    this.#idleTimeoutMs = service.readTimeoutMs
    const upstream = createSocket(isIPv6(peer.ip) ? 'udp6' : 'udp4')
    this.#upstream = upstream
    this.#isConnected = false
    upstream.on('message', bytes => this.#upstreamBytes(bytes))
    upstream.on('error', error => this.#upstreamFailed(upstream, error.message))
    // The family is known and the address is one: nothing is looked up, and nothing is waited for.
    upstream.connect(peer.port, peer.ip, () => this.#connected(upstream))
    this.#touch()
  }

  #connected(upstream: Socket): void {
    if (upstream !== this.#upstream || this.#isClosed) return
    this.#isConnected = true
    this.#owner.flow.connected(this.#session!)
    for (const bytes of this.#held) this.#send(bytes)
  }

  clientBytes(bytes: Buffer): void {
    this.#session!.receivedBytes += bytes.length
    if (this.#isConnected) {
      this.#held = []
      this.#send(bytes)
    } else if (this.#held.length < HELD_DATAGRAMS_MAX) this.#held.push(bytes)
  }

  #send(bytes: Buffer): void {
    this.#session!.upstreamSentBytes += bytes.length
    this.#upstream!.send(bytes)
    this.#touch()
  }

  #upstreamBytes(bytes: Buffer): void {
    const session = this.#session!
    this.#hasAnswered = true
    this.#held = []
    session.upstreamReceivedBytes += bytes.length
    session.sentBytes += bytes.length
    // What the client does not take is lost, as datagrams may be.
    this.#socket.send(bytes, this.client.port, this.client.address, () => {})
    this.#touch()
  }

  /** Nobody listens there: what was sent is sent to another peer, unless this one has answered before. */
  #upstreamFailed(upstream: Socket, reason: string): void {
    if (upstream !== this.#upstream || this.#isClosed) return
    upstream.close()
    this.#upstream = null
    this.#isConnected = false
    if (this.#hasAnswered || this.#held.length === 0) return this.destroy()
    this.#owner.flow.connectFailed(this.#session!, { kind: 'connect_failed' }, reason)
  }

  #touch(): void {
    this.deadline = this.#owner.context.deadlines.in(this.#idleTimeoutMs)
  }

  refuse(session: StreamSession, text: string | Uint8Array): void {
    if (text.length > 0) {
      session.sentBytes += typeof text === 'string' ? Buffer.byteLength(text) : text.length
      this.#socket.send(text, this.client.port, this.client.address, () => {})
    }
    this.destroy()
  }

  onDeadline(): void {
    this.destroy()
  }

  destroy(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#owner.context.deadlines.remove(this)
    this.#upstream?.close()
    this.#upstream = null
    if (this.#session !== null) this.#owner.flow.ended(this.#session)
    this.#owner.closed(this)
  }
}
