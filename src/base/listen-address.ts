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
}

/** `host:port`, as a person writes it. */
export function formatAddress({ host, port, ssl }: ListenAddress): string {
  return `${host.includes(':') && !host.startsWith('unix:') ? `[${host}]` : host}${host.startsWith('unix:') ? '' : `:${port}`}${ssl ? ' (TLS)' : ''}`
}
