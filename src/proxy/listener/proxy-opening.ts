/** The first moments of a connection from a load balancer: its PROXY header, then the client's own bytes. */
import type { Socket } from 'node:net'
import { parseProxyHeader, type ProxiedAddresses } from '../../base/proxy-header.ts'
import type { ProxyContext } from '../proxy-context.ts'
import { FirstMessage, type FirstMessageOwner } from './first-message.ts'

export type OpeningOwner = FirstMessageOwner<ProxyOpening>

export class ProxyOpening extends FirstMessage {
  addresses: ProxiedAddresses | null = null

  constructor(context: ProxyContext, socket: Socket, owner: OpeningOwner) {
    const timeoutMs = context.settings.client.headTimeoutMs
    super(context, socket, owner, { timeoutMs, lateReason: 'no PROXY header in time' })
  }

  /** Returns what follows the header, a copy, once the header is whole; null before, and for ever if it is none. */
  take(bytes: Buffer, length: number): Buffer | null {
    const all = this.gather(bytes, length)
    if (all === null) return null
    const header = parseProxyHeader(all, all.length)
    if (header.state === 'incomplete') return this.keep(all)
    if (header.state === 'malformed') return this.fail(header.reason)
    this.addresses = header.addresses
    this.release()
    return all.subarray(header.end)
  }
}
