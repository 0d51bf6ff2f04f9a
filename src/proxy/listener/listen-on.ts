/** What listeners of every kind have in common: how a server takes its address, and how accepted sockets are set up. */
import type { AddressInfo, Server, Socket } from 'node:net'
import type { ListenAddress } from '../../base/listen-address.ts'
import type { Logger } from '../../base/logger.ts'

/** nginx's default; the kernel may allow less. */
const BACKLOG = 16384

/** A bound TCP handle, a server, or null to bind the address here. */
export type ListenSource = object | null

/** Resolves with the port once the server listens. */
export function listenOn(server: Server, address: ListenAddress, source: ListenSource, log: Logger): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      server.on('error', error => log.error('listener failed', { message: error.message }))
      resolve((server.address() as AddressInfo).port)
    })
    const backlog = address.backlog ?? BACKLOG
    if (source !== null) server.listen(source, backlog)
    else server.listen({ host: address.host, port: address.port, backlog, ipv6Only: address.ipv6only })
  })
}

/** Linux's own figures, for what `so_keepalive` leaves open. */
const KEEPALIVE = { idleS: 7200, intervalS: 75, count: 9 }
type SetKeepAlive = (on: boolean, idleMs: number, intervalMs: number, count: number) => void

/** Applies `so_keepalive`. */
export function setKeepAlive(socket: Socket, keepalive: NonNullable<ListenAddress['keepalive']>): void {
  const set: SetKeepAlive = socket.setKeepAlive.bind(socket)
  const idleS = keepalive.idleS ?? KEEPALIVE.idleS
  const intervalS = keepalive.intervalS ?? KEEPALIVE.intervalS
  set(keepalive.isOn, idleS * 1000, intervalS * 1000, keepalive.count ?? KEEPALIVE.count)
}

/** IPv4 addresses on a dual-stack socket as what they are. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
