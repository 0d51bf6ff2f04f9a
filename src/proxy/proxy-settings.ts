/** The few settings that proxying needs, already parsed; `gateway.ts` fills them from kong.conf. */
import type { ListenAddress } from '../base/listen-address.ts'
import type { LogFormat } from '../base/log-format.ts'

/** How upstreams are verified unless their service says so itself. */
export interface UpstreamTrust {
  readonly verify: boolean
  /** Authorities between a certificate and its root. */
  readonly verifyDepth: number
  /** PEM bundle; null is the system's. */
  readonly authorities: string | null
}

export interface ProxySettings {
  readonly listeners: readonly ListenAddress[]
  /** `headers`: which of our own headers the client gets. */
  readonly responseHeaders: {
    readonly server: boolean
    readonly via: boolean
    readonly proxyLatency: boolean
    readonly upstreamLatency: boolean
    readonly responseLatency: boolean
    readonly upstreamStatus: boolean
    readonly requestId: boolean
  }
  /** nginx's `add_header`; unless `always`, on nginx's list of statuses only. */
  readonly addedHeaders: readonly { readonly name: string; readonly value: string; readonly always: boolean }[]
  /** `headers_upstream`. */
  readonly upstreamRequestId: boolean
  readonly allowDebugHeader: boolean
  /** CIDR ranges or addresses; `unix:` for Unix sockets. */
  readonly trustedIps: readonly string[]
  readonly realIpHeader: string
  readonly realIpRecursive: boolean
  /** Port the client sees, by port we listen on. */
  readonly portMaps: ReadonlyMap<number, number>
  readonly keepalive: {
    /** Idle connections kept per upstream address and worker; 0 switches keep-alive off. */
    readonly poolSize: number
    readonly requestsMax: number
    /** Seconds; 0 is unlimited. */
    readonly idleTimeoutS: number
  }
  readonly client: {
    /** A request head larger than this is refused with 400, a request line that is with 414. */
    readonly headBytesMax: number
    /** The same for one line. */
    readonly lineBytesMax: number
    readonly headerCountMax: number
    /** 0 is unlimited. */
    readonly bodyBytesMax: number
    /** Part of a body that is held in memory until it is complete. */
    readonly heldBodyBytesMax: number
    readonly keepaliveRequestsMax: number
    /** Milliseconds: idle between requests, for a whole head, between two reads of a body, between two writes. */
    readonly keepaliveTimeoutMs: number
    readonly headTimeoutMs: number
    readonly bodyTimeoutMs: number
    readonly sendTimeoutMs: number
    /** Bodies buffered for plugins. */
    readonly bufferedBodyBytesMax: number
  }
  /** How much of a message plugins get to see (`lua_max_*`); all of it is passed on. */
  readonly seen: {
    readonly requestHeadersMax: number
    readonly responseHeadersMax: number
    readonly queryArgumentsMax: number
    readonly formArgumentsMax: number
  }
  /** Where request bodies are gathered that are larger than `heldBodyBytesMax`. */
  readonly bodyFolder: string
  /** Connections at most per worker; further ones are closed at accept. 0 is unlimited. */
  readonly connectionsMax: number
  /** Added to the type of proxied text that names none (nginx's charset filter); null adds nothing. */
  readonly charset: string | null
  readonly errorDefaultType: string
  /** Templates with `%s` for message and request id, by kind. */
  readonly errorTemplates: Readonly<Partial<Record<'html' | 'json' | 'xml' | 'plain', string>>>
  readonly tls: {
    /** PEM texts; certificates without an SNI match are served from here. RSA and ECDSA pairs may stand together. */
    readonly defaultCertificates: readonly { readonly cert: string; readonly key: string }[]
    readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
    readonly maxVersion: 'TLSv1.2' | 'TLSv1.3'
    /** OpenSSL cipher list, or null for Node's own. */
    readonly ciphers: string | null
    readonly preferServerCiphers: boolean
    readonly sessionTimeoutS: number
    readonly sessionTickets: boolean
    /** Presented to upstreams that ask and have no certificate of their own in the service. */
    readonly clientCertificate: { readonly cert: string; readonly key: string } | null
    /** PEM bundle that active health checks verify against; null is the system's. */
    readonly trustedCertificates: string | null
    /** What counts where a service says nothing. */
    readonly upstreams: Readonly<Record<'http' | 'stream', UpstreamTrust>>
  }
  readonly dns: {
    /** `new_dns_client`: its own rules of what is asked for, and counters. */
    readonly isNewClient: boolean
    readonly nameservers: readonly string[]
    readonly hostsFile: string
    readonly order: readonly string[]
    readonly staleTtlS: number
    readonly notFoundTtlS: number
    readonly errorTtlS: number
    readonly validTtlS: number | null
    /** Names. */
    readonly cacheSize: number
    /** Those who ask for one name at the same time do not share the question. */
    readonly noSync: boolean
  }
  /** Null is Kong's own. */
  readonly accessLogFormat: LogFormat | null
  /** One line per request, without newline, or null when switched off. */
  readonly accessLog: ((line: string) => void) | null
  /** The same for sessions of the stream proxy. */
  readonly streamAccessLog: ((line: string) => void) | null
}
