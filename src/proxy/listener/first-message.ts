/** The first moments of a connection: a bounded message that has to be whole before anything else can be decided. */
import type { Socket } from 'node:net'
import type { Expiring } from '../deadlines.ts'
import type { ProxyContext } from '../proxy-context.ts'

export interface FirstMessageOwner<Message> {
  /** It never came, or was none; the connection is closed. */
  failed(message: Message, reason: string): void
  /** The connection is gone before its message was complete. */
  closed(message: Message): void
}

export interface FirstMessageOptions {
  readonly timeoutMs: number
  /** What is said of a client that is too slow. */
  readonly lateReason: string
}

const NOTHING = Buffer.alloc(0)

/** Whoever extends it reads with `gather`, and ends with `keep`, `fail` or `release`. */
export abstract class FirstMessage implements Expiring {
  readonly socket: Socket
  deadline: number
  sweepIndex = -1
  readonly #context: ProxyContext
  readonly #owner: FirstMessageOwner<this>
  readonly #lateReason: string
  readonly #onClose = () => this.#gone()
  readonly #onError = () => {}
  /** A client that says no more will never complete it, and holds up nobody. */
  readonly #onEnd = () => void this.socket.destroy()
  #held: Buffer = NOTHING
  #isOver = false

  constructor(context: ProxyContext, socket: Socket, owner: FirstMessageOwner<never>, options: FirstMessageOptions) {
    this.#context = context
    this.#owner = owner as FirstMessageOwner<this>
    this.#lateReason = options.lateReason
    this.socket = socket
    this.deadline = context.deadlines.in(options.timeoutMs)
    context.deadlines.add(this)
    socket.on('error', this.#onError).on('close', this.#onClose).on('end', this.#onEnd)
  }

  /** Everything read so far, a copy; null when nothing is waited for any more. */
  protected gather(bytes: Buffer, length: number): Buffer | null {
    return this.#isOver ? null : Buffer.concat([this.#held, bytes.subarray(0, length)])
  }

  /** More is to come. */
  protected keep(all: Buffer): null {
    this.#held = all
    return null
  }

  protected fail(reason: string): null {
    this.#end()
    this.#owner.failed(this, reason)
    this.socket.destroy()
    return null
  }

  /** From here on the socket is somebody else's. */
  release(): void {
    this.#end()
    this.socket.off('close', this.#onClose).off('error', this.#onError).off('end', this.#onEnd)
  }

  onDeadline(): void {
    this.fail(this.#lateReason)
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
