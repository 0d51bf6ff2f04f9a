/**
 * One UDP address of `stream_listen`. Datagrams of one client address and port are a session, which has a socket of
 * its own towards the upstream and ends when nothing has come from either side for the service's `read_timeout`.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { ListenAddress } from '../../base/listen-address.ts'
import { type ListenSource, plainAddress } from '../listener/listen-on.ts'
import type { ProxyContext } from '../proxy-context.ts'
import type { StreamFlow } from './stream-flow.ts'
import { StreamSession } from './stream-session.ts'
import { UdpRelay } from './udp-relay.ts'

/** Sessions of one address and worker, each of which holds a file descriptor; further clients are not heard. */
const SESSIONS_MAX = 8192
/** A flood is told of once in a while. */
const COMPLAINT_INTERVAL_MS = 10_000

export interface UdpListenerOptions {
  readonly context: ProxyContext
  readonly flow: StreamFlow
  readonly connectionsOpen: () => number
}

export class UdpListener {
  readonly address: ListenAddress
  readonly context: ProxyContext
  readonly flow: StreamFlow
  readonly #connectionsOpen: () => number
  readonly #socket: Socket
  readonly #sessions = new Map<string, UdpRelay>()
  #localAddress = ''
  #port = 0
  #isListening = false
  #complainedAt = Number.NEGATIVE_INFINITY
  onIdle: (() => void) | null = null

  constructor(address: ListenAddress, { context, flow, connectionsOpen }: UdpListenerOptions) {
    this.address = address
    this.context = context
    this.flow = flow
    this.#connectionsOpen = connectionsOpen
    const type = isIPv6(address.host) ? 'udp6' : 'udp4'
    this.#socket = createSocket({ type, ...(type === 'udp6' ? { ipv6Only: address.ipv6only } : {}) })
    this.#socket.on('message', (bytes, from) => this.#received(bytes, from))
  }

  listen(source: ListenSource): Promise<number> {
    const socket = this.#socket
    return new Promise((resolve, reject) => {
      socket.once('error', reject)
      const listening = () => {
        const { address, port } = socket.address()
        this.#localAddress = plainAddress(address)
        this.#port = this.context.settings.portMaps.get(port) ?? port
        this.#isListening = true
        socket.off('error', reject)
        socket.on('error', error => this.context.log.error('listener failed', { message: error.message }))
        resolve(port)
      }
      socket.once('listening', listening)
      if (source === null) socket.bind({ address: this.address.host, port: this.address.port, exclusive: true })
      // A bound handle: what Node's own `cluster` module passes, too.
      else socket.bind(source as never)
    })
  }

  #received(bytes: Buffer, from: RemoteInfo): void {
    const key = `${from.address} ${from.port}`
    const known = this.#sessions.get(key)
    if (known !== undefined) return known.clientBytes(bytes)
    const { connectionsMax } = this.context.settings
    const isFull =
      this.#sessions.size >= SESSIONS_MAX || (connectionsMax > 0 && this.#connectionsOpen() >= connectionsMax)
    if (isFull) return this.#complain()
    this.context.streamCounts.accepted++
    const relay = new UdpRelay(this, this.#socket, { key, address: from.address, port: from.port })
    this.#sessions.set(key, relay)
    const client = {
      protocol: 'udp',
      clientIp: plainAddress(from.address),
      clientPort: from.port,
      localAddress: this.#localAddress,
      port: this.#port,
      sni: '',
      tls: null,
    } as const
    relay.start(new StreamSession(this.context, client, relay), bytes)
  }

  #complain(): void {
    const now = this.context.clock.monotonic()
    if (now - this.#complainedAt < COMPLAINT_INTERVAL_MS) return
    this.#complainedAt = now
    this.context.streamLog.error(
      `more than ${this.#sessions.size} UDP sessions: datagrams of new clients are dropped`,
      {
        port: this.#port,
      },
    )
  }

  closed(relay: UdpRelay): void {
    this.#sessions.delete(relay.client.key)
    if (this.isIdle) this.onIdle?.()
  }

  get size(): number {
    return this.#sessions.size
  }
  get isIdle(): boolean {
    return this.#sessions.size === 0
  }

  /** Datagrams of clients go to whoever comes after us; answers to those that we have still pass. */
  stopAccepting(): void {
    const handle = handleOf(this.#socket)
    handle?.recvStop?.()
  }

  endIdle(): void {}

  close(): void {
    for (const relay of [...this.#sessions.values()]) relay.destroy()
    if (this.#isListening) {
      this.#isListening = false
      this.#socket.close()
    }
  }
}

/** Node has no public way to stop receiving without closing; where its inside looks otherwise, we go on receiving. */
function handleOf(socket: Socket): { recvStop?(): void } | undefined {
  const symbol = Object.getOwnPropertySymbols(socket).find(one => one.description === 'state symbol')
  if (symbol === undefined) return undefined
  return (socket as unknown as Record<symbol, { handle?: { recvStop?(): void } }>)[symbol]?.handle
}
