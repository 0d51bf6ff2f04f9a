/** A TLS client of the stream proxy until its ClientHello is complete. */
import type { Socket } from 'node:net'
import type { Expiring } from '../deadlines.ts'
import type { ProxyContext } from '../proxy-context.ts'
import { parseClientHello } from './client-hello.ts'

export interface HelloOwner {
  failed(opening: HelloOpening, reason: string): void
  closed(opening: HelloOpening): void
}

/** nginx's `preread_timeout`. */
const HELLO_TIMEOUT_MS = 30_000
const NOTHING = Buffer.alloc(0)

export interface HelloOpeningOptions {
  /** Taken for a hello without a name, so that TLS itself can tell the client what is wrong. */
  readonly takesMalformed: boolean
}

export class HelloOpening implements Expiring {
  readonly socket: Socket
  deadline: number
  sweepIndex = -1
  readonly #context: ProxyContext
  readonly #owner: HelloOwner
  readonly #onClose = () => this.#gone()
  readonly #onError = () => {}
  #held: Buffer = NOTHING
  #isOver = false

  readonly #takesMalformed: boolean

  constructor(context: ProxyContext, socket: Socket, owner: HelloOwner, options?: HelloOpeningOptions) {
    this.#takesMalformed = options?.takesMalformed === true
    this.#context = context
    this.#owner = owner
    this.socket = socket
    this.deadline = context.deadlines.in(HELLO_TIMEOUT_MS)
    context.deadlines.add(this)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  /** The server name and everything read so far, a copy; null as long as there is no whole hello. */
  take(bytes: Buffer, length: number): { readonly sni: string; readonly bytes: Buffer } | null {
    if (this.#isOver) return null
    const all = Buffer.concat([this.#held, bytes.subarray(0, length)])
    const hello = parseClientHello(all, all.length)
    if (hello.state === 'incomplete') {
      this.#held = all
      return null
    }
    this.#end()
    if (hello.state === 'complete' || this.#takesMalformed) {
      this.socket.off('close', this.#onClose)
      this.socket.off('error', this.#onError)
      return { sni: hello.state === 'complete' ? hello.sni : '', bytes: all }
    }
    this.#owner.failed(this, hello.reason)
    this.socket.destroy()
    return null
  }

  onDeadline(): void {
    this.#end()
    this.#owner.failed(this, 'no ClientHello in time')
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
