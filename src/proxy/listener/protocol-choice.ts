/** The first bytes of a plain connection that may speak HTTP/1.1 or, with prior knowledge, HTTP/2 (RFC 9113 section 3.3). */
import type { Socket } from 'node:net'
import type { Expiring } from '../deadlines.ts'
import { PREFACE } from '../http2/frames.ts'
import type { ProxyContext } from '../proxy-context.ts'
import type { ConnectionOwner, OpenConnection } from './open-connection.ts'
import type { Receiver } from './raw-accept.ts'

/** Attaches the connection that speaks the protocol; null if there is no room for it. */
export type Attach = (isHttp2: boolean) => Receiver | null

export class ProtocolChoice implements OpenConnection, Expiring {
  readonly state = 'reading'
  deadline: number
  sweepIndex = -1
  readonly #context: ProxyContext
  readonly #owner: ConnectionOwner
  readonly #socket: Socket
  readonly #attach: Attach
  readonly #onGone = () => this.destroy()
  #receive: Receiver | null = null
  #held: Buffer = NOTHING
  #isOver = false

  constructor(context: ProxyContext, owner: ConnectionOwner, socket: Socket, attach: Attach) {
    this.#context = context
    this.#owner = owner
    this.#socket = socket
    this.#attach = attach
    this.deadline = context.deadlines.in(context.settings.client.headTimeoutMs)
    context.deadlines.add(this)
    for (const event of EVENTS) socket.on(event, this.#onGone)
  }

  get isReusable(): boolean {
    return this.#held.length === 0
  }

  receive(bytes: Buffer, length: number): void {
    if (this.#receive !== null) return this.#receive(bytes, length)
    if (this.#isOver) return
    const isFirst = this.#held.length === 0
    const all = isFirst ? bytes.subarray(0, length) : Buffer.concat([this.#held, bytes.subarray(0, length)])
    const compared = Math.min(all.length, PREFACE.length)
    const isHttp2 = all.compare(PREFACE, 0, compared, 0, compared) === 0
    if (isHttp2 && compared < PREFACE.length) {
      this.#held = Buffer.from(all)
      return
    }
    for (const event of EVENTS) this.#socket.off(event, this.#onGone)
    this.#receive = this.#attach(isHttp2)
    this.#leave()
    if (this.#receive === null) this.#socket.destroy()
    else if (isFirst) this.#receive(bytes, length)
    else this.#receive(all, all.length)
  }

  #leave(): void {
    this.#isOver = true
    this.#context.deadlines.remove(this)
    this.#held = NOTHING
    this.#owner.closed(this)
  }

  onDeadline(): void {
    this.destroy()
  }

  /** It may be about to speak; a new connection would be refused, so this one is served. */
  drain(): void {}

  destroy(): void {
    if (this.#isOver) return
    this.#leave()
    this.#socket.destroy()
  }
}

const NOTHING = Buffer.alloc(0)
const EVENTS = ['error', 'close', 'end'] as const
