/** A fake exchange and fake tools, so that a plugin can be tested without a gateway around it. */
import type { Row } from '../../src/entities/config.ts'
import type { EntityReader } from '../../src/entities/entity-reader.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { Clock } from '../../src/base/clock.ts'
import { createLogger } from '../../src/base/logger.ts'
import type { Field, Fields, RecordOf } from '../../src/schema/field.ts'
import { createBatchQueues } from '../../src/sdk/batch-queue.ts'
import { createLocalCounters } from '../../src/sdk/local-counters.ts'
import { createMetricRegistry } from '../../src/sdk/metrics-registry.ts'
import type {
  ClientRequest,
  HeaderValue,
  LogPhase,
  PhaseHandlers,
  PluginDefinition,
  PluginTools,
  Reply,
  RequestPhase,
  ResponsePhase,
  UpstreamRequest,
} from '../../src/sdk/sdk.ts'

type Argument = readonly [name: string, value: string | null]

export interface FakeRequestOptions {
  readonly method?: string
  readonly scheme?: 'http' | 'https'
  readonly host?: string
  readonly path?: string
  /** Without `?`. */
  readonly query?: string
  readonly headers?: Readonly<Record<string, HeaderValue>>
  readonly body?: string | Uint8Array
  readonly clientIp?: string
  readonly uriCaptures?: Readonly<Record<string, string>>
}

export interface FakeExchangeOptions extends FakeRequestOptions {
  readonly route?: Row | null
  readonly service?: Row | null
  readonly consumer?: Row | null
  readonly credential?: Row | null
  /** The upstream's answer, for `headerFilter` and `log`. */
  readonly status?: number
  readonly source?: 'service' | 'exit' | 'error'
  readonly responseHeaders?: Readonly<Record<string, HeaderValue>>
  readonly responseBody?: string
  readonly latencies?: LogPhase['latencies']
}

/** Header fields in order, compared without case; also what a test looks at afterwards. */
export class FakeHeaders {
  fields: [name: string, value: string][] = []

  constructor(initial: Readonly<Record<string, HeaderValue>> = {}) {
    for (const [name, value] of Object.entries(initial)) this.setHeader(name, value)
  }
  header(name: string): string | undefined {
    return this.fields.find(([other]) => sameName(other, name))?.[1]
  }
  headerValues(name: string): readonly string[] {
    return this.fields.filter(([other]) => sameName(other, name)).map(([, value]) => value)
  }
  setHeader(name: string, value: HeaderValue): void {
    this.clearHeader(name)
    for (const one of typeof value === 'string' ? [value] : value) this.fields.push([name, one])
  }
  addHeader(name: string, value: string): void {
    this.fields.push([name, value])
  }
  clearHeader(name: string): void {
    this.fields = this.fields.filter(([other]) => !sameName(other, name))
  }
  headers(): Record<string, string | string[]> {
    const all: Record<string, string | string[]> = {}
    for (const [name] of this.fields) {
      const values = this.headerValues(name)
      all[name.toLowerCase()] = values.length === 1 ? values[0]! : [...values]
    }
    return all
  }
}

class FakeClientRequest extends FakeHeaders implements ClientRequest {
  readonly id = '0123456789abcdef0123456789abcdef'
  readonly httpVersion = '1.1'
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly host: string
  readonly port = 8000
  readonly forwardedScheme: string
  readonly forwardedHost: string
  readonly forwardedPort = 8000
  readonly localAddress = '127.0.0.1'
  readonly localPort = 8000
  readonly rawPath: string
  readonly path: string
  readonly rawQuery: string
  readonly clientIp: string
  readonly connectionSerial = 7
  readonly connectionRequests = 3
  readonly uriCaptures: Readonly<Record<string, string>>
  readonly sent: Buffer

  constructor(options: FakeRequestOptions) {
    super(options.headers)
    this.method = options.method ?? 'GET'
    this.scheme = options.scheme ?? 'http'
    this.host = options.host ?? 'example.test'
    this.forwardedScheme = this.scheme
    this.forwardedHost = this.host
    this.rawPath = options.path ?? '/'
    this.path = this.rawPath
    this.rawQuery = options.query ?? ''
    this.clientIp = options.clientIp ?? '192.0.2.1'
    this.uriCaptures = options.uriCaptures ?? {}
    this.sent = Buffer.from(options.body ?? '')
  }
  query(name: string): string | undefined {
    return this.queryValues(name)[0]
  }
  queryValues(name: string): readonly string[] {
    return this.queryArguments()
      .filter(([other]) => other === name)
      .map(([, value]) => value ?? '')
  }
  queryArguments(): readonly Argument[] {
    return parseQuery(this.rawQuery)
  }
  seenFormArguments(count: number): number {
    return count
  }
  body(bytesMax = Infinity): Promise<Uint8Array> {
    if (this.sent.length > bytesMax) return Promise.reject(Object.assign(new Error('body too large'), { status: 413 }))
    return Promise.resolve(this.sent)
  }
}

class FakeUpstreamRequest extends FakeHeaders implements UpstreamRequest {
  method: string
  path: string
  arguments: readonly Argument[]
  /** What a plugin put in place of the client's body. */
  replacedBody: Uint8Array | string | null = null
  readonly #request: FakeClientRequest

  constructor(request: FakeClientRequest) {
    super(request.headers())
    this.#request = request
    this.method = request.method
    this.path = request.rawPath
    this.arguments = request.queryArguments()
  }
  setMethod(method: string): void {
    this.method = method
  }
  setPath(path: string): void {
    this.path = path
  }
  queryArguments(): readonly Argument[] {
    return this.arguments
  }
  setQueryArguments(query: readonly Argument[]): void {
    this.arguments = query
  }
  clearQuery(name: string): void {
    this.arguments = this.arguments.filter(([other]) => other !== name)
  }
  body(bytesMax?: number): Promise<Uint8Array> {
    return this.replacedBody === null ? this.#request.body(bytesMax) : Promise.resolve(Buffer.from(this.replacedBody))
  }
  setBody(body: Uint8Array | string): void {
    this.replacedBody = body
  }
}

class FakeResponse extends FakeHeaders {
  status: number
  readonly source: 'service' | 'exit' | 'error'
  readonly transforms: ((body: Buffer) => Uint8Array | Promise<Uint8Array>)[] = []

  constructor(options: FakeExchangeOptions) {
    super(options.responseHeaders)
    this.status = options.status ?? 200
    this.source = options.source ?? 'service'
  }
  transformBody(transform: (body: Buffer) => Uint8Array | Promise<Uint8Array>): void {
    this.transforms.push(transform)
  }
}

/** One exchange through all its phases; the same object is every phase's argument. */
export class FakeExchange {
  readonly request: FakeClientRequest
  readonly upstreamRequest: FakeUpstreamRequest
  readonly response: FakeResponse
  readonly route: Row | null
  readonly service: Row | null
  consumer: Row | null
  credential: Row | null
  isAnonymous = false
  readonly shared: Record<string, unknown> = {}
  readonly logFields: Record<string, unknown> = {}
  readonly latencies: LogPhase['latencies']
  readonly requestBytes = 100
  readonly responseBytes = 200
  readonly #options: FakeExchangeOptions

  constructor(options: FakeExchangeOptions = {}) {
    this.#options = options
    this.request = new FakeClientRequest(options)
    this.upstreamRequest = new FakeUpstreamRequest(this.request)
    this.response = new FakeResponse(options)
    this.route = options.route ?? null
    this.service = options.service ?? null
    this.consumer = options.consumer ?? null
    this.credential = options.credential ?? null
    this.latencies = options.latencies ?? { kong: 1, proxy: 20, request: 21 }
  }
  setLogField(name: string, value: unknown): void {
    this.logFields[name] = value
  }
  authenticate(consumer: Row | null, credential: Row | null, options?: { readonly anonymous?: boolean }): void {
    this.consumer = consumer
    this.credential = credential
    this.isAnonymous = options?.anonymous === true
  }
  serialize(): Record<string, unknown> {
    return { request: { method: this.request.method }, response: { status: this.response.status }, ...this.logFields }
  }

  async access(handlers: PhaseHandlers): Promise<Reply | undefined> {
    return (await handlers.access?.(this as unknown as RequestPhase)) ?? undefined
  }
  headerFilter(handlers: PhaseHandlers): void {
    handlers.headerFilter?.(this as unknown as ResponsePhase)
  }
  log(handlers: PhaseHandlers): void {
    handlers.log?.(this as unknown as LogPhase)
  }
  /** The upstream's body after the transforms that were asked for. */
  async transformedBody(): Promise<string> {
    let body = Buffer.from(this.#options.responseBody ?? '')
    for (const transform of this.response.transforms) body = Buffer.from(await transform(body))
    return body.toString()
  }
}

/** A clock that moves only when told, running what falls due on the way. */
export class FakeClock implements Clock {
  #now: number
  #timers: { at: number; every: number | null; callback: () => void }[] = []

  constructor(now = Date.UTC(2026, 0, 15, 12, 30, 15, 250)) {
    this.#now = now
  }
  now(): number {
    return this.#now
  }
  monotonic(): number {
    return this.#now
  }
  after(ms: number, callback: () => void) {
    return this.#add({ at: this.#now + ms, every: null, callback })
  }
  every(ms: number, callback: () => void) {
    return this.#add({ at: this.#now + ms, every: ms, callback })
  }
  #add(timer: { at: number; every: number | null; callback: () => void }) {
    this.#timers.push(timer)
    return { cancel: () => void (this.#timers = this.#timers.filter(other => other !== timer)) }
  }
  /** Lets promises settle between timers, so that what they start sees the time of its start. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await settle()
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#now = Math.max(this.#now, next.at)
      if (next.every === null) this.#timers = this.#timers.filter(other => other !== next)
      else next.at += next.every
      next.callback()
      await settle()
    }
    this.#now = end
  }
}

/** All promises that can settle without time passing have settled. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise(resolve => setImmediate(resolve))
}

export type FakeRows = Readonly<Record<string, readonly Row[]>>

export function fakeEntities(rows: FakeRows): EntityReader {
  const of = (entity: string) => rows[entity] ?? []
  return {
    find: (entity, key) => of(entity).find(row => row['id'] === key) ?? null,
    findBy: (entity, field, value) => of(entity).find(row => row[field] === value) ?? null,
    findByForeign: (entity, field, key) => of(entity).filter(row => (row[field] as { id: string } | null)?.id === key),
    all: of,
  }
}

export interface FakeToolsOptions extends Partial<PluginTools> {
  readonly rows?: FakeRows
}
export type FakeTools = PluginTools & { readonly clock: FakeClock; readonly logged: string[] }

export function fakeTools({ rows = {}, ...replaced }: FakeToolsOptions = {}): FakeTools {
  const clock = (replaced.clock as FakeClock | undefined) ?? new FakeClock()
  const logged: string[] = []
  const log = createLogger({ level: 'debug', write: line => logged.push(line.trimEnd()), now: () => 0 })
  const entities = fakeEntities(rows)
  return {
    find: ((entity: { name: string }, by: string, value: string) =>
      entities.findBy(entity.name, by, value)) as unknown as PluginTools['find'],
    entities,
    log,
    random: seededRandom(1),
    fetch: () => Promise.reject(new Error('no network in tests')),
    send: () => Promise.reject(new Error('no network in tests')),
    queues: createBatchQueues({ clock, log }),
    counters: createLocalCounters({ clock }),
    metrics: createMetricRegistry(),
    node: { id: '4b6fa5a6-6bd0-4be5-8a3c-6a5f4f0f3c11', hostname: 'node-1', role: 'traditional', workerId: 0 },
    scope: { plugin_id: '11111111-1111-4111-8111-111111111111', route_id: null, service_id: null, consumer_id: null },
    ...replaced,
    clock,
    logged,
  }
}

/** A whole config from the given part: defaults filled, the rest null. */
export function configOf<C extends Fields>(plugin: PluginDefinition<C>, given: object = {}): RecordOf<C> {
  return fill(plugin.config, given as Record<string, unknown>) as RecordOf<C>
}

/** The handlers of one instance with this config. */
export function prepared<C extends Fields>(
  plugin: PluginDefinition<C>,
  given: object = {},
  tools: PluginTools = fakeTools(),
): PhaseHandlers {
  return plugin.prepare(configOf(plugin, given), tools)
}

function fill(fields: Fields, given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const whole: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields)) whole[name] = given[name] ?? defaultOf(field)
  for (const [name, field] of Object.entries(fields)) {
    if (field.type === 'record' && field.fields !== undefined && typeof given[name] === 'object' && given[name]) {
      whole[name] = fill(field.fields, given[name] as Record<string, unknown>)
    }
  }
  for (const name of Object.keys(given)) if (!(name in fields)) throw new Error(`no such config field: ${name}`)
  return whole
}

function defaultOf(field: Field): unknown {
  if (field.default !== undefined) return field.default
  if (field.type === 'record' && field.required !== false && field.fields !== undefined) return fill(field.fields, {})
  return null
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

function parseQuery(query: string): Argument[] {
  if (query === '') return []
  return query.split('&').map(part => {
    const equals = part.indexOf('=')
    if (equals === -1) return [decodeURIComponent(part), null]
    return [decodeURIComponent(part.slice(0, equals)), decodeURIComponent(part.slice(equals + 1))]
  })
}
