/**
 * One request with its response: the state that the pipeline, the forwarder and plugins share.
 *
 * What only plugins ask for is made when they ask, so an exchange without plugins is one object. Phase views
 * (`request`, `upstreamRequest`, `response`) read the connection's head, which the next request overwrites: they are
 * good until the exchange is over, no longer.
 */
import type { Row } from '../entities/config.ts'
import type { LogPhase, RequestPhase, ResponsePhase } from '../sdk/sdk.ts'
import type { HashInput, Peer, Pick, PickState } from './balancer/balancer.ts'
import type { BodyTransformation } from './body-transformation.ts'
import type { CompiledRoute, PluginInstance, PluginPlan } from './compiled.ts'
import { buildUpstreamPath, buildUpstreamPathV1 } from './path-building.ts'
import { escapePath, normalizePath } from './http/normal-path.ts'
import { ClientRequestView } from './exchange-request.ts'
import { Answer } from './exchange-answer.ts'
import { UpstreamRequestEdits } from './exchange-upstream-request.ts'
import type { FailureCode } from './errors.ts'
import type { TrailerSection } from './http/chunked-decoder.ts'
import type { RequestHead } from './http/request-head.ts'
import type { AnswerSpool } from './upstream/answer-spool.ts'
import type { ProxyContext } from './proxy-context.ts'
import type { RequestBody } from './request-body.ts'
import type { RouteMatch, RouterInput } from './router/router.ts'
import type { UpstreamSide } from './upstream/upstream-side.ts'
import { serializeExchange } from './log-entry.ts'

/** What an exchange needs of the connection it came on. */
export interface ClientSide {
  readonly peerAddress: string
  readonly isPeerTrusted: boolean
  /** The client's address by a PROXY header of a trusted peer. */
  readonly proxiedAddress: string | null
  /** Port the client connected to, and as it sees it (`port_maps`). */
  readonly localAddress: string
  readonly localPort: number
  readonly publicPort: number
  readonly scheme: 'http' | 'https'
  readonly sni: string
  readonly serial: number
  readonly requests: number
  readonly head: RequestHead
  readonly bytesWritten: number
  readonly tls: { readonly version: string; readonly cipher: string; readonly client_verify: string } | null
  /** Request lines that are the same for all requests of this connection; see upstream-request-head.ts. */
  readonly forwardedLines: string
  /** Whether the connection may serve another request after this one. */
  canKeepAlive(): boolean
  /** Hands bytes over in one write; false when the client should not be given more for now. */
  write(head: string, bytes: Buffer | null, from: number, to: number, tail: string): boolean
  /** Lets the body flow, with `100 Continue` first if the client waits for it. */
  readBody(): void
  pauseBody(): void
  /** The parts of the request that routes ask for; one object per connection. */
  routerInput(exchange: Exchange): RouterInput
  /** The answer is complete: on to the next request, or close. */
  finish(keepAlive: boolean): void
  destroy(): void
}

/** What a connection reports about its exchange; the pipeline implements it. */
export interface ExchangeEvents {
  begin(exchange: Exchange): void
  /** Instead of `begin`: what came is no request. */
  headRefused(exchange: Exchange, code: FailureCode): void
  bodyArrived(exchange: Exchange, bytes: Buffer, from: number, to: number): void
  /** The rest of the body cannot be read. */
  bodyRefused(exchange: Exchange, code: FailureCode): void
  clientDrained(exchange: Exchange): void
  clientGone(exchange: Exchange): void
  /** The client has sent its last byte through a tunnel. */
  tunnelHalfClosed(exchange: Exchange): void
}

/** One failed attempt at a peer, for the log. */
export interface FailedTry {
  readonly peer: Peer
  readonly startedAt: number
  readonly code: FailureCode
}

const NO_PEERS: readonly Peer[] = []
const NO_INSTANCES: readonly (PluginInstance | null)[] = []

export class Exchange implements RequestPhase, ResponsePhase, LogPhase, HashInput, PickState {
  readonly context: ProxyContext
  readonly client: ClientSide
  readonly head: RequestHead
  readonly body: RequestBody | null
  /** Wall clock, milliseconds. */
  readonly startedAt: number
  readonly id: string
  readonly clientIp: string
  readonly rawPath: string
  /** Without `?`; `hasQuery` tells an empty query from none. */
  readonly rawQuery: string
  readonly hasQuery: boolean
  /** Normalised, for matching. */
  readonly path: string

  match: RouteMatch | null = null
  matchedRoute: CompiledRoute | null = null
  plan: PluginPlan | null = null
  /** The instances that run for this exchange, by position; replaced from a position on when a consumer appears. */
  instances: readonly (PluginInstance | null)[] = NO_INSTANCES
  hasHeaderFilter = false
  hasLog = false
  consumer: Row | null = null
  credential: Row | null = null

  pick: Pick | null = null
  failed: readonly Peer[] = NO_PEERS
  /** The peer that was tried last, and when. */
  peer: Peer | null = null
  triedAt = 0
  failedTries: FailedTry[] | null = null
  lastFailure: FailureCode | null = null
  triesLeft = 0
  hasMetStaleConnection = false
  upstream: UpstreamSide | null = null
  /** Path without query for the upstream; '' until somebody asks. */
  #upstreamPath = ''
  /** Wall clock of handing the request to the upstream, and of the first byte of its answer; 0 before. */
  sentAt = 0
  answeredAt = 0
  /** A peer was chosen: from here on the answer counts as proxied. */
  isProxied = false
  /** The request body is awaited before anything is sent. */
  awaitsBody = false

  status = 0
  source: 'service' | 'exit' | 'error' = 'service'
  upstreamStatus = 0
  /** Head of the answer, built but not yet written; it goes out with the first bytes of the body. */
  pendingHead = ''
  /** Head of the answer as sent, for the log; '' until then. */
  sentHead = ''
  sendsChunks = false
  answerTrailers: TrailerSection | null = null
  /** What the client has not taken yet, with `response_buffering`. */
  answerSpool: AnswerSpool | null = null
  keepAlive = false
  responseBytes = 0
  isOver = false
  /** Bytes pass both ways untouched. */
  isTunnel = false
  /** The body is larger than `client_max_body_size`. */
  isBodyTooLarge = false
  hasAccess = false
  /** Status code and phrase of the upstream's answer, where plugins edit it. */
  statusText = ''
  transformation: BodyTransformation | null = null

  #request: ClientRequestView | null = null
  #upstreamRequest: UpstreamRequestEdits | null = null
  #answer: Answer | null = null
  #shared: Record<string, unknown> | null = null
  #issuedCookie = ''
  logFields: Map<string, unknown> | null = null

  constructor(context: ProxyContext, client: ClientSide, body: RequestBody | null) {
    const { head } = client
    this.context = context
    this.client = client
    this.head = head
    this.body = body
    this.startedAt = context.clock.now()
    this.id = context.requestIds.next()
    this.clientIp = client.isPeerTrusted ? realIp(context, client) : client.peerAddress
    const { target } = head
    this.rawPath = head.path
    this.hasQuery = target.length > head.path.length
    this.rawQuery = this.hasQuery ? target.slice(head.path.length + 1) : ''
    this.path = head.isPlain && !head.path.includes('//') ? head.path : normalizePath(head.path)
  }

  get request(): ClientRequestView {
    return (this.#request ??= new ClientRequestView(this))
  }

  get upstreamRequest(): UpstreamRequestEdits {
    return (this.#upstreamRequest ??= new UpstreamRequestEdits(this))
  }

  /** Null when no plugin touched the upstream request: then its head is copied from the client's. */
  get upstreamEdits(): UpstreamRequestEdits | null {
    return this.#upstreamRequest
  }

  get response(): Answer {
    return (this.#answer ??= new Answer(this))
  }

  /** Null when no plugin touched the answer: then its head is copied from the upstream's. */
  get answerEdits(): Answer | null {
    return this.#answer
  }

  get route(): Row | null {
    return this.matchedRoute === null ? null : this.matchedRoute.row
  }

  get service(): Row | null {
    return this.matchedRoute?.service?.row ?? null
  }

  get shared(): Record<string, unknown> {
    return (this.#shared ??= {})
  }

  /** Plugins see less of the message than there is. The words are Kong's. */
  noteCut(what: string): void {
    this.context.log.notice(`${what} truncated`, { request_id: this.id })
  }

  setLogField(name: string, value: unknown): void {
    this.logFields ??= new Map()
    this.logFields.set(name, value)
  }

  /** As Kong's authentication plugins do: all of them set the same headers (plugins.md). */
  authenticate(consumer: Row | null, credential: Row | null, options?: { readonly anonymous?: boolean }): void {
    this.consumer = consumer
    this.credential = credential
    const edits = this.upstreamRequest
    edits.setOrClear('X-Consumer-ID', 'x-consumer-id', consumer?.['id'])
    edits.setOrClear('X-Consumer-Custom-ID', 'x-consumer-custom-id', consumer?.['custom_id'])
    edits.setOrClear('X-Consumer-Username', 'x-consumer-username', consumer?.['username'])
    edits.setOrClear(
      'X-Credential-Identifier',
      'x-credential-identifier',
      credential === null ? null : credentialIdentifier(credential),
    )
    const isAnonymous = options?.anonymous === true || (consumer !== null && credential === null)
    edits.setOrClear('X-Anonymous-Consumer', 'x-anonymous-consumer', isAnonymous ? 'true' : null)
  }

  noteFailedTry(code: FailureCode): void {
    this.failedTries ??= []
    this.failedTries.push({ peer: this.peer!, startedAt: this.triedAt, code })
    this.lastFailure = code
  }

  /** What `strip_path` takes off the path; '' when the route does not strip. */
  get strippedPrefix(): string {
    const match = this.match
    return match !== null && match.route.stripPath ? this.path.slice(0, match.matchedPath.length) : ''
  }

  /** Service path and request path joined, escaped, before any edit of a plugin. */
  upstreamPath(): string {
    if (this.#upstreamPath !== '') return this.#upstreamPath
    const base = this.matchedRoute?.service?.path ?? '/'
    const stripped = this.matchedRoute?.stripPath === true ? this.strippedPrefix : null
    const build = this.matchedRoute?.pathHandling === 'v1' ? buildUpstreamPathV1 : buildUpstreamPath
    const joined = build(base, this.path, stripped)
    return (this.#upstreamPath = base === '/' && this.head.isPlain ? joined : escapePath(joined))
  }

  get consumerId(): string | null {
    return (this.consumer?.['id'] as string | undefined) ?? null
  }

  get credentialId(): string | null {
    return (this.credential?.['id'] as string | undefined) ?? null
  }

  header(name: string): string | undefined {
    const lowerName = name.toLowerCase()
    const first = this.head.find(lowerName)
    return first === undefined ? undefined : this.head.findAll(lowerName).join(', ')
  }

  query(name: string): string | undefined {
    // An argument without `=` is `true`, as in Kong; one alone that is empty counts as none.
    const values: string[] = []
    for (const [key, value] of this.request.queryArguments()) if (key === name) values.push(value ?? 'true')
    return values.length > 1 ? values.sort().join(',') : values[0] || undefined
  }

  cookie(name: string): string | undefined {
    for (const header of this.head.findAll('cookie')) {
      for (const pair of header.split(';')) {
        const equals = pair.indexOf('=')
        if (equals !== -1 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim()
      }
    }
    return undefined
  }

  capture(name: string): string | undefined {
    return this.match?.uriCaptures?.[name]
  }

  /** Attributes, their spelling included, are Kong's. */
  issueCookie(name: string, path: string): string {
    if (this.#issuedCookie === '') {
      this.#issuedCookie = this.context.random.uuid()
      const cookie = `${name}=${this.#issuedCookie}; Path=${path}; Same-Site=Lax; HttpOnly`
      this.response.addHeader('Set-Cookie', cookie)
    }
    return this.#issuedCookie
  }

  /** Whatever its head says, such an answer has no body. */
  get hasBodilessAnswer(): boolean {
    return this.head.method === 'HEAD' || this.status === 204 || this.status === 304
  }

  get latencies(): LogPhase['latencies'] {
    const now = this.context.clock.now()
    const request = now - this.startedAt
    if (!this.isProxied) return { kong: request, proxy: -1, request }
    const sentAt = this.sentAt === 0 ? now : this.sentAt
    return { kong: sentAt - this.startedAt, proxy: (this.answeredAt === 0 ? now : this.answeredAt) - sentAt, request }
  }

  get requestBytes(): number {
    return this.head.text.length + (this.body?.received ?? 0)
  }

  serialize(): Record<string, unknown> {
    return serializeExchange(this)
  }
}

function realIp(context: ProxyContext, client: ClientSide): string {
  const { realIpHeader } = context.settings
  if (realIpHeader === 'proxy_protocol') return client.proxiedAddress ?? client.peerAddress
  const values = client.head.findAll(realIpHeader.toLowerCase())
  return values.length === 0 ? client.peerAddress : context.trustedPeers.clientIp(client.peerAddress, values)
}

/** What Kong's plugins identify a credential by: its user name where it has one, else its id. */
function credentialIdentifier(credential: Row): unknown {
  return credential['username'] ?? credential['client_id'] ?? credential['id']
}
