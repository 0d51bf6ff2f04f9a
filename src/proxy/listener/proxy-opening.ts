/** The first moments of a connection from a load balancer: its PROXY header, then the client's own bytes. */
import type { Socket } from 'node:net'
import type { Expiring } from '../deadlines.ts'
import type { ProxyContext } from '../proxy-context.ts'
import { parseProxyHeader, type ProxiedAddresses } from '../../base/proxy-header.ts'

export interface OpeningOwner {
  /** The header never came, or was none; the connection is closed. */
  failed(opening: ProxyOpening, reason: string): void
  /** The connection is gone before its header was complete. */
  closed(opening: ProxyOpening): void
}

const NOTHING = Buffer.alloc(0)

export class ProxyOpening implements Expiring {
  readonly socket: Socket
  addresses: ProxiedAddresses | null = null
  deadline: number
  sweepIndex = -1
  readonly #context: ProxyContext
  readonly #owner: OpeningOwner
  readonly #onClose = () => this.#gone()
  readonly #onError = () => {}
  #held: Buffer = NOTHING
  #isOver = false

  constructor(context: ProxyContext, socket: Socket, owner: OpeningOwner) {
    this.#context = context
    this.#owner = owner
    this.socket = socket
    this.deadline = context.deadlines.in(context.settings.client.headTimeoutMs)
    context.deadlines.add(this)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  /** Returns what follows the header, a copy, once the header is whole; null before, and for ever if it is none. */
  take(bytes: Buffer, length: number): Buffer | null {
    if (this.#isOver) return null
    const all = Buffer.concat([this.#held, bytes.subarray(0, length)])
    const header = parseProxyHeader(all, all.length)
    if (header.state === 'incomplete') {
      this.#held = all
      return null
    }
    if (header.state === 'malformed') {
      this.#end()
      this.#owner.failed(this, header.reason)
      this.socket.destroy()
      return null
    }
    this.addresses = header.addresses
    this.release()
    return all.subarray(header.end)
  }

  /** From here on the socket is somebody else's. */
  release(): void {
    this.#isOver = true
    this.#context.deadlines.remove(this)
    this.socket.off('close', this.#onClose)
    this.socket.off('error', this.#onError)
  }

  onDeadline(): void {
    this.#end()
    this.#owner.failed(this, 'no PROXY header in time')
    this.socket.destroy()
  }

  #gone(): void {
    if (this.#isOver) return
    this.#end()
    this.#owner.closed(this)
  }

  #end(): void {
    this.#isOver = true
    this.#context.deadlines.remove(this)
  }
}
