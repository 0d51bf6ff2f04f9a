/**
 * Configuration in the form in which requests use it: everything that can be decided beforehand, decided.
 *
 * Objects here are never changed once a request can see them; a change of configuration makes new ones. So a
 * request keeps the route it matched, with service, target choice and plan, to its end.
 */
import type { Row } from '../entities/config.ts'
import type { PhaseHandlers, PluginScope } from '../sdk/sdk.ts'
import type { Balancer } from './balancer/balancer.ts'

export interface CompiledRoute {
  readonly id: string
  readonly row: Row
  /** Null for a route without service: 503 unless a plugin answers. */
  readonly service: CompiledService | null
  readonly stripPath: boolean
  readonly preserveHost: boolean
  /** How service path and request path are joined. */
  readonly pathHandling: 'v0' | 'v1'
  /** Accepts plaintext / TLS requests; when only TLS, plaintext ones get `httpsRedirectStatusCode`. */
  readonly http: boolean
  readonly https: boolean
  readonly grpc: boolean
  readonly httpsRedirectStatusCode: 426 | 301 | 302 | 307 | 308
  readonly requestBuffering: boolean
  readonly responseBuffering: boolean
  /** Which plugin instances run. Built when first asked for after a change of plugins; cannot fail. */
  plan(): PluginPlan
}

export interface CompiledService {
  readonly id: string
  readonly row: Row
  /** `https` and `grpcs` speak TLS to the upstream. */
  readonly tls: boolean
  readonly protocol: string
  /** `grpc` and `grpcs` speak HTTP/2 to the upstream. */
  readonly http2: boolean
  readonly host: string
  readonly port: number
  /** Never null: '/' when unset. */
  readonly path: string
  readonly retries: number
  readonly connectTimeoutMs: number
  readonly writeTimeoutMs: number
  readonly readTimeoutMs: number
  readonly balancer: Balancer
  /** Options for TLS to the upstream, with a key under which connections may be shared; null when `tls` is false. */
  readonly tlsOptions: UpstreamTlsOptions | null
}

export interface UpstreamTlsOptions {
  /** Equal keys mean that a pooled connection may serve both. */
  readonly poolKey: string
  readonly cert: string | null
  readonly key: string | null
  /** Null: as nginx's default, not verified. */
  readonly verify: boolean | null
  readonly verifyDepth: number | null
  /** PEM certificates to trust instead of the configured bundle. */
  readonly ca: readonly string[] | null
}

/** A live instance of a plugin: what `prepare` returned, and from which row. */
export interface PluginInstance {
  readonly name: string
  readonly priority: number
  readonly row: Row
  readonly scope: PluginScope
  readonly handlers: PhaseHandlers
}

/**
 * The plugins of one route, in order, one position per plugin name. At each position runs the most specific instance;
 * which one that is may depend on the consumer, known only once an authentication plugin has run.
 */
export interface PluginPlan {
  /** No position depends on the consumer: `forConsumer` returns `anonymous` for everybody. */
  readonly consumerIndependent: boolean
  /** The instances for a request without consumer. */
  readonly anonymous: ResolvedPlan
  /** Cached per consumer; all resolved plans of one plan have the same positions. */
  forConsumer(consumerId: string): ResolvedPlan
}

export interface ResolvedPlan {
  /** One entry per position; null where no instance applies. */
  readonly instances: readonly (PluginInstance | null)[]
  /** True when some instance has the phase; the engine then walks `instances`. */
  readonly hasAccess: boolean
  readonly hasHeaderFilter: boolean
  readonly hasLog: boolean
}
