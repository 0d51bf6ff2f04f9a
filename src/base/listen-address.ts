/** An address to listen on, as `proxy_listen` and its like describe it. */
export interface ListenAddress {
  /** IPv4, IPv6 without brackets, or a name. */
  readonly host: string
  readonly port: number
  readonly ssl: boolean
  readonly http2: boolean
  readonly proxyProtocol: boolean
  readonly reuseport: boolean
  readonly backlog: number | null
  readonly ipv6only: boolean
  /** `so_keepalive`: TCP keep-alive of accepted connections; null is the kernel's own figure. Absent: off. */
  readonly keepalive?: {
    readonly isOn: boolean
    readonly idleS: number | null
    readonly intervalS: number | null
    readonly count: number | null
  }
  /** An address of `stream_listen`. */
  readonly stream?: true
  /** A stream listener for datagrams. */
  readonly udp?: boolean
  /** One of the machine's own, bound beside the one of the settings that means all of them. */
  readonly isImplied?: true
  /** Asked for, and refused by the settings' rules: the runtime accepts connections at once. */
  readonly deferred?: boolean
}

/** `host:port`, as a person writes it. */
export function formatAddress({ host, port, ssl, udp }: ListenAddress): string {
  return `${host.includes(':') && !host.startsWith('unix:') ? `[${host}]` : host}${host.startsWith('unix:') ? '' : `:${port}`}${ssl ? ' (TLS)' : udp === true ? ' (UDP)' : ''}`
}
