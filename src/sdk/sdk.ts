/** The plugin contract: what a plugin declares, what each phase may see, what a plugin may use. */
import type { EntityDefinition, EntityOf, UniqueField } from '../schema/entity.ts'
import type { Fields, RecordOf } from '../schema/field.ts'
import type { EntityReader } from '../entities/entity-reader.ts'
import type { Row } from '../entities/config.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { BatchQueues } from './batch-queue.ts'
import type { SharedCounters } from './counters.ts'
import type { HttpSender } from './http-sender.ts'
import type { MetricRegistry } from './metrics.ts'

export type { EntityDefinition, EntityOf } from '../schema/entity.ts'
export type { Field } from '../schema/field.ts'
export type { PluginSchema } from '../entities/catalog.ts'
export { defineEntity } from '../schema/entity.ts'
export * as field from '../schema/field.ts'
export * as typedefs from '../schema/typedefs.ts'
export type { Row } from '../entities/config.ts'
export type { SharedCounters } from './counters.ts'
export type { MetricRegistry } from './metrics.ts'

export type Awaitable<T> = T | Promise<T>
export type HeaderValue = string | readonly string[]

/**
 * An answer made by a plugin instead of by the upstream. An object body is sent as JSON
 * (`application/json; charset=utf-8`), a string or bytes as they are. With `negotiate` the body's `message` goes
 * through Kong's error templates (by `Accept`, with `request_id`), as `kong.response.error` does.
 */
export interface Reply {
  readonly status: number
  readonly body?: string | Uint8Array | object
  readonly headers?: Readonly<Record<string, HeaderValue>>
  readonly negotiate?: true
}

/** The request as the client sent it. Header names are compared without case; values are latin1 text. */
export interface ClientRequest {
  /** 32 lower-case hex characters; `X-Kong-Request-Id`. */
  readonly id: string
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly httpVersion: '1.0' | '1.1' | '2'
  /** Host header without port, as sent; empty if there was none. */
  readonly host: string
  /** Port the client connected to, after `port_maps`. */
  readonly port: number
  /** As for X-Forwarded-*: the client's own claim if the peer is in `trusted_ips`, else what we see. */
  readonly forwardedScheme: string
  readonly forwardedHost: string
  readonly forwardedPort: number
  /** Address and port of ours that the client is connected to, before `port_maps`. */
  readonly localAddress: string
  readonly localPort: number
  /** Path as sent, without query. */
  readonly rawPath: string
  /** Path without query, normalized as for the router: dot segments, escapes of unreserved characters, slashes. */
  readonly path: string
  /** Query string as sent, without `?`; empty if none. */
  readonly rawQuery: string
  /** After `trusted_ips` / `real_ip_header`. */
  readonly clientIp: string
  /** Serial number of the connection in its worker and of the request on it, from 1. */
  readonly connectionSerial: number
  readonly connectionRequests: number
  /** First value of a header. */
  header(name: string): string | undefined
  headerValues(name: string): readonly string[]
  /**
   * All headers, names in lower case, up to `lua_max_req_headers`; `header` finds those beyond, too. Builds a new
   * object: not for the hot path.
   */
  headers(): Record<string, string | string[]>
  /** First value of a query argument, decoded; '' for one without `=`. Looks at `lua_max_uri_args` arguments. */
  query(name: string): string | undefined
  queryValues(name: string): readonly string[]
  /** All query arguments in order, decoded. `null` stands for an argument without `=`. */
  queryArguments(): readonly (readonly [name: string, value: string | null])[]
  /** How many of a form's `count` arguments are to be looked at (`lua_max_post_args`); fewer are noted in the log. */
  seenFormArguments(count: number): number
  /**
   * The whole body; buffers it (the upstream still gets it). Above `bytesMax` it rejects with an error whose
   * `status` is 413.
   */
  body(bytesMax?: number): Promise<Uint8Array>
  /** Named and numbered captures of the route's regex path; index 0 is the whole match. */
  readonly uriCaptures: Readonly<Record<string, string>>
}

/** The request as it will be sent to the upstream; starts as a copy of the client's. */
export interface UpstreamRequest {
  header(name: string): string | undefined
  headerValues(name: string): readonly string[]
  setHeader(name: string, value: HeaderValue): void
  addHeader(name: string, value: string): void
  clearHeader(name: string): void
  readonly method: string
  setMethod(method: string): void
  /** Path without query, as it will be sent. */
  readonly path: string
  setPath(path: string): void
  queryArguments(): readonly (readonly [name: string, value: string | null])[]
  setQueryArguments(query: readonly (readonly [name: string, value: string | null])[]): void
  clearQuery(name: string): void
  /** The body as it will be sent: the client's, or what a plugin put in its place. Otherwise as ClientRequest.body. */
  body(bytesMax?: number): Promise<Uint8Array>
  setBody(body: Uint8Array | string): void
}

/** Headers that the answer to the client will carry, whoever makes the answer. */
export interface ResponseHeaders {
  header(name: string): string | undefined
  setHeader(name: string, value: HeaderValue): void
  addHeader(name: string, value: string): void
  clearHeader(name: string): void
}

interface EveryPhase {
  readonly request: ClientRequest
  /** Null before the router ran, and for a request that matched none. */
  readonly route: Row | null
  readonly service: Row | null
  readonly consumer: Row | null
  readonly credential: Row | null
  /** State that plugins share during one exchange (`kong.ctx.shared`): the same object in every phase. */
  readonly shared: Record<string, unknown>
  /** Sets a member of the log entry (`kong.log.set_serialize_value`); dots lead into objects, undefined removes it. */
  setLogField(name: string, value: unknown): void
}

/** What `rewrite` and `access` see: nothing was sent to the upstream yet. */
export interface RequestPhase extends EveryPhase {
  readonly upstreamRequest: UpstreamRequest
  /** Set or added to the answer when it is sent, be it the upstream's or our own. */
  readonly response: ResponseHeaders
  /** Sets consumer and credential, and the headers that all authentication plugins set. Null, null clears both. */
  authenticate(consumer: Row | null, credential: Row | null, options?: { readonly anonymous?: boolean }): void
}

/**
 * What `headerFilter` sees: the answer's head is known and may be changed. The gateway's own fields (`headers` in
 * kong.conf: Via, latencies, request id, Server) are set after the filters, as in Kong, whatever these did.
 */
export interface ResponsePhase extends EveryPhase {
  readonly response: ResponseHeaders & {
    status: number
    /** `service`: from the upstream; `exit`: a plugin's Reply; `error`: made by the gateway. */
    readonly source: 'service' | 'exit' | 'error'
    /** Up to `lua_max_resp_headers`. */
    headers(): Record<string, string | string[]>
    /**
     * Buffers the body and replaces it. Content-Length follows. Several transforms run in plugin order.
     * A body with Content-Encoding is passed as it is on the wire.
     */
    transformBody(transform: (body: Buffer) => Awaitable<Uint8Array>): void
  }
}

/** What `log` sees: everything is over, nothing may be changed. */
export interface LogPhase extends EveryPhase {
  readonly response: {
    readonly status: number
    readonly source: 'service' | 'exit' | 'error'
    header(name: string): string | undefined
  }
  readonly latencies: {
    /** Whole milliseconds, as in Kong's log entry; `proxy` is -1 when nothing was proxied. */
    readonly kong: number
    readonly proxy: number
    readonly request: number
  }
  readonly requestBytes: number
  readonly responseBytes: number
  /** A fresh log entry (reference: proxy.md 12), safe to keep after the phase. */
  serialize(): Record<string, unknown>
}

/** A TCP connection or a UDP session of a client, as `preread` sees it: nothing was sent to the upstream yet. */
export interface StreamPhase {
  readonly protocol: 'tcp' | 'tls' | 'tls_passthrough' | 'udp'
  /** Of the client: the peer's, or what a trusted load balancer's PROXY header says. */
  readonly clientIp: string
  readonly clientPort: number
  /** Port the client connected to, after `port_maps`. */
  readonly port: number
  /** Server name of a TLS client in lower case; empty without. */
  readonly sni: string
  /** Null when none matched: then only `streamLog` of global instances runs. */
  readonly route: Row | null
  readonly service: Row | null
  readonly shared: Record<string, unknown>
  setLogField(name: string, value: unknown): void
}

/** A session that is over. */
export interface StreamLogPhase extends StreamPhase {
  /** nginx's: 200, 403 (refused by a plugin), 500 (no route), 502 (upstream unreachable), 503 (no service or target). */
  readonly status: number
  /** Whether bytes came from the upstream, or the end was ours. */
  readonly source: 'service' | 'exit' | 'error'
  readonly latencies: { readonly kong: number; readonly session: number }
  /** Bytes from and to the client, inside TLS where we terminate it. */
  readonly receivedBytes: number
  readonly sentBytes: number
  /** A fresh log entry (reference: proxy.md 12, stream), safe to keep after the phase. */
  serialize(): Record<string, unknown>
}

/** A phase that is absent costs nothing. A handler that returns a Reply ends the request. */
export interface PhaseHandlers {
  /** Global instances only: no route is known yet. */
  rewrite?(exchange: RequestPhase): Awaitable<Reply | undefined>
  access?(exchange: RequestPhase): Awaitable<Reply | undefined>
  headerFilter?(exchange: ResponsePhase): void
  log?(exchange: LogPhase): void
  /** TCP, TLS and UDP. A Reply ends the session; its text is sent if its status is below 400. */
  preread?(session: StreamPhase): Awaitable<Reply | undefined>
  streamLog?(session: StreamLogPhase): void
  /** The instance was removed or replaced; requests in flight may still call its phases once. */
  close?(): Awaitable<void>
}

/** Where an instance applies; null is any. */
export interface PluginScope {
  readonly plugin_id: string
  readonly route_id: string | null
  readonly service_id: string | null
  readonly consumer_id: string | null
}

/** What a plugin may use besides the exchange. Everything here is replaceable in tests. */
export interface PluginTools {
  /** Looks a row up by a unique field. Synchronous on every node that proxies; awaitable for a store to come. */
  find<F extends Fields, U extends UniqueField<F> & string>(
    entity: EntityDefinition<F>,
    by: U,
    value: string,
  ): Awaitable<EntityOf<EntityDefinition<F>> | null>
  readonly entities: EntityReader
  readonly log: Logger
  readonly clock: Clock
  readonly random: Random
  readonly fetch: typeof fetch
  /** One HTTP request to a server that the operator configured; keeps connections alive. */
  readonly send: HttpSender
  /** Queues of this worker by name: instances with equal settings share one, and it survives their replacement. */
  readonly queues: BatchQueues
  /** Counters shared by all workers of the node. */
  readonly counters: SharedCounters
  /** Metrics of this worker; the node adds up those of all workers when it is asked for them. */
  readonly metrics: MetricRegistry
  readonly node: { readonly id: string; readonly hostname: string; readonly role: string; readonly workerId: number }
  readonly scope: PluginScope
}

export type PluginProtocol = 'http' | 'https' | 'tcp' | 'tls' | 'tls_passthrough' | 'udp' | 'grpc' | 'grpcs'

export interface PluginDefinition<C extends Fields = Fields> {
  readonly name: string
  /** Higher runs earlier; equal ones by name, descending (Kong 3.x). */
  readonly priority: number
  /** Accepted in `protocols`; also the default unless `protocols_default` differs. */
  readonly protocols: readonly PluginProtocol[]
  readonly protocols_default?: readonly PluginProtocol[]
  /** To what an instance may be attached, besides globally. */
  readonly scopes: readonly ('service' | 'route' | 'consumer')[]
  readonly docs: { readonly summary: string; readonly details?: string; readonly example: object }
  readonly entities?: readonly EntityDefinition[]
  readonly config: C
  /** Rules across fields of `config`, Kong's names, and shorthands; see schema/entity.ts. */
  readonly entity_checks?: EntityDefinition['entity_checks']
  readonly shorthand_fields?: EntityDefinition['shorthand_fields']
  /** A rule that needs code: a message on the whole of `config`, or null. Runs when the fields are valid. */
  config_validator?(config: RecordOf<C>): string | null
  /** Runs once per configured instance, whenever its configuration changes. Precompute here; throw to refuse. */
  prepare(config: RecordOf<C>, tools: PluginTools): PhaseHandlers
}

export function definePlugin<const C extends Fields>(definition: PluginDefinition<C>): PluginDefinition<C> {
  return definition
}
