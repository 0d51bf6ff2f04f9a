/** What health checks say of a peer, and what they hear of it. */

/** The two in the middle take traffic as their neighbours do, and have begun to doubt. */
export type PeerState = 'healthy' | 'mostly_healthy' | 'mostly_unhealthy' | 'unhealthy'

export type PeerEvent = 'success' | 'http_failure' | 'tcp_failure' | 'timeout'

export function takesTraffic(state: PeerState): boolean {
  return state === 'healthy' || state === 'mostly_healthy'
}

/** Who a peer is, the same in every process. */
export interface PeerIdentity {
  readonly hostname: string
  readonly ip: string
  readonly port: number
  /** Host of the SRV record that led to it: Kong's address, as it looks the IP up when it connects. No part of who it is. */
  readonly srvName?: string
}

export function peerName({ hostname, ip, port }: PeerIdentity): string {
  return `${hostname}|${ip}|${port}`
}

export function parsePeerName(name: string): PeerIdentity {
  const [hostname = '', ip = '', port = ''] = name.split('|')
  return { hostname, ip, port: Number(port) }
}

/** From a worker: the same event a number of times in a row. */
export interface PeerReport {
  readonly upstream: string
  readonly peer: string
  readonly event: PeerEvent
  /** The number of the newest mark by hand that the worker knew of when the tries began. */
  readonly marks: number
  count: number
}

/** To the workers. */
export interface PeerChange {
  readonly upstream: string
  readonly peer: string
  readonly state: PeerState
}
