/** A TLS client until its ClientHello is complete. */
import type { Socket } from 'node:net'
import { FirstMessage, type FirstMessageOwner } from '../listener/first-message.ts'
import type { ProxyContext } from '../proxy-context.ts'
import { parseClientHello } from './client-hello.ts'

export type HelloOwner = FirstMessageOwner<HelloOpening>

/** nginx's `preread_timeout`. */
const HELLO_TIMEOUT_MS = 30_000

export interface HelloOpeningOptions {
  /** Taken for a hello without a name, so that TLS itself can tell the client what is wrong. */
  readonly takesMalformed: boolean
}

export class HelloOpening extends FirstMessage {
  readonly #takesMalformed: boolean

  constructor(context: ProxyContext, socket: Socket, owner: HelloOwner, options?: HelloOpeningOptions) {
    super(context, socket, owner, { timeoutMs: HELLO_TIMEOUT_MS, lateReason: 'no ClientHello in time' })
    this.#takesMalformed = options?.takesMalformed === true
  }

  /** The server name and everything read so far, a copy; null as long as there is no whole hello. */
  take(bytes: Buffer, length: number): { readonly sni: string; readonly bytes: Buffer } | null {
    const all = this.gather(bytes, length)
    if (all === null) return null
    const hello = parseClientHello(all, all.length)
    if (hello.state === 'incomplete') return this.keep(all)
    if (hello.state === 'refused' && !this.#takesMalformed) return this.fail(hello.reason)
    this.release()
    return { sni: hello.state === 'complete' ? hello.sni : '', bytes: all }
  }
}
