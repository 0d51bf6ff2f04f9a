/**
 * Sockets that the main process binds and its workers listen on.
 *
 * There is one socket per address and worker slot, all on one port (SO_REUSEPORT), and the main process keeps each of
 * them open. So the kernel spreads connections evenly, and those that wait in the queue of a worker that has died or
 * is being replaced are accepted by its successor instead of being reset; nginx does the same.
 */
import { lookup } from 'node:dns/promises'
import net from 'node:net'
import { getSystemErrorMap } from 'node:util'
import type { ListenAddress } from '../base/listen-address.ts'

/** libuv's uv_tcp_flags. */
const UV_TCP_IPV6ONLY = 1
const UV_TCP_REUSEPORT = 2

/** A bound TCP or UDP handle; what Node's own `cluster` module passes to its workers. */
export interface BoundSocket {
  getsockname(out: { address?: string; port?: number }): number
  close(): void
}
type CreateServerHandle = (
  address: string,
  port: number,
  type: 4 | 6,
  fd: number,
  flags: number,
) => BoundSocket | number
const createServerHandle = (net as unknown as { _createServerHandle: CreateServerHandle })._createServerHandle

interface UdpBinding {
  readonly UDP: new () => BoundSocket & {
    bind(address: string, port: number, flags: number): number
    bind6(address: string, port: number, flags: number): number
  }
  readonly constants: Readonly<Record<`UV_UDP_${'IPV6ONLY' | 'REUSEPORT'}`, number>>
}
/** Node's public way to bind a UDP socket also begins to receive, and what the main process receives is lost. */
const udpBinding = (): UdpBinding => (process as unknown as { binding(name: string): UdpBinding }).binding('udp_wrap')

export interface BoundAddress {
  /** With the port that the system chose, if 0 was asked for. */
  readonly address: ListenAddress
  /** At least one per worker slot: a reload that takes workers away leaves their sockets to those that stay. */
  readonly sockets: readonly BoundSocket[]
}

/** Those on which the worker of a slot listens. */
export function socketsOf({ sockets }: BoundAddress, slot: number, workerCount: number): BoundSocket[] {
  return [...new Set(sockets.filter((_, at) => at % workerCount === slot))]
}

/** Closes all sockets of some addresses but those that others have, too. */
export function closeSockets(bound: readonly BoundAddress[], kept: readonly BoundAddress[] = []): void {
  const wanted = new Set(kept.flatMap(({ sockets }) => sockets))
  for (const socket of new Set(bound.flatMap(({ sockets }) => sockets))) if (!wanted.has(socket)) socket.close()
}

export class BindError extends Error {
  override readonly name = 'BindError'
  /** As Node's own errors have them. */
  readonly code: string
  readonly address: string
  readonly port: number

  constructor(message: string, { code, host, port }: { code: string; host: string; port: number }) {
    super(message)
    this.code = code
    this.address = host
    this.port = port
  }
}

/**
 * Binds an address once per slot. Fails if anybody else, another node of ours included, uses the port. What is bound
 * there already is kept, for closing a socket resets the connections that wait in its queue.
 */
export async function bindAddress(
  address: ListenAddress,
  slots: number,
  before: BoundAddress | null = null,
): Promise<BoundAddress> {
  if (before !== null && before.sockets.length >= slots) return { address, sockets: before.sockets }
  const { host, family } = await resolve(address.host)
  const type = family === 6 ? 6 : 4
  const udp = address.udp === true ? udpBinding().constants : null
  const ipv6only = type === 6 && address.ipv6only ? (udp?.UV_UDP_IPV6ONLY ?? UV_TCP_IPV6ONLY) : 0
  const shared = process.platform === 'linux' ? (udp?.UV_UDP_REUSEPORT ?? UV_TCP_REUSEPORT) : 0
  // Without this probe a second node would silently share the port, since both set SO_REUSEPORT. Where the port is
  // ours for all addresses already, it would find ourselves.
  if (address.port !== 0 && before === null && address.isImplied !== true)
    bindOne(address, host, address.port, type, ipv6only).close()
  const sockets = [...(before?.sockets ?? [])]
  let port = address.port
  try {
    for (let slot = sockets.length; slot < slots; slot++) {
      if (slot > 0 && shared === 0) {
        sockets.push(sockets[0]!)
        continue
      }
      const socket = bindOne(address, host, port, type, ipv6only | shared)
      sockets.push(socket)
      port = portOf(socket)
    }
  } catch (error) {
    closeSockets([{ address, sockets }], before === null ? [] : [before])
    throw error
  }
  return { address: { ...address, port }, sockets }
}

async function resolve(host: string): Promise<{ host: string; family: number }> {
  const family = net.isIP(host)
  if (family !== 0) return { host, family }
  try {
    const found = await lookup(host)
    return { host: found.address, family: found.family }
  } catch (cause) {
    throw new Error(`cannot listen on ${host}: the name does not resolve`, { cause })
  }
}

function bindOne(asked: ListenAddress, host: string, port: number, type: 4 | 6, flags: number): BoundSocket {
  const socket = asked.udp === true ? bindUdp(host, port, type, flags) : createServerHandle(host, port, type, -1, flags)
  if (typeof socket === 'number') throw bindError(asked, port, socket)
  // libuv keeps EADDRINUSE back until listen(); asking for the address brings it out.
  const status = socket.getsockname({})
  if (status !== 0) {
    socket.close()
    throw bindError(asked, port, status)
  }
  return socket
}

function bindUdp(host: string, port: number, type: 4 | 6, flags: number): BoundSocket | number {
  const { UDP } = udpBinding()
  const socket = new UDP()
  const status = type === 6 ? socket.bind6(host, port, flags) : socket.bind(host, port, flags)
  if (status === 0) return socket
  socket.close()
  return status
}

function portOf(socket: BoundSocket): number {
  const out: { port?: number } = {}
  socket.getsockname(out)
  return out.port ?? 0
}

function bindError({ host }: ListenAddress, port: number, status: number): BindError {
  const [code, text] = getSystemErrorMap().get(status) ?? ['unknown', 'unknown error']
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return new BindError(`bind() to ${place} failed (${code}: ${text})`, { code, host, port })
}
