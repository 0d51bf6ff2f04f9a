/** An Admin API on an empty embedded store in this process, and tables of requests with what must come back. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAccess } from '../../../src/admin/access.ts'
import { createAdminTokens } from '../../../src/admin/admin-tokens.ts'
import type { AdminOptions, DatabaseLess } from '../../../src/admin/admin-options.ts'
import { createAdminServer } from '../../../src/admin/server.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { createCountedClock } from '../../../src/base/counted-clock.ts'
import { type LogLevel, silentLogger } from '../../../src/base/logger.ts'
import { systemRandom } from '../../../src/base/random.ts'
import { createCatalog } from '../../../src/entities/catalog.ts'
import { bundledPlugins, pluginSchemas } from '../../../src/plugins/bundled.ts'
import { openEmbeddedStore } from '../../../src/store/embedded/open-embedded-store.ts'
import { createMemoryStore } from '../../../src/store/memory/memory-store.ts'
import { createRepository } from '../../../src/store/repository.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** Parsed when it is JSON, else null. */
  readonly body: any
}

export interface Sent {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly content?: string | Buffer
}

export interface Admin {
  readonly port: number
  send(sent: Sent): Promise<Answer>
  /** `POST /services` with a JSON body, or with a form when it is text. */
  ask(line: string, body?: unknown): Promise<Answer>
  check(cases: readonly Case[]): Promise<void>
  close(): Promise<void>
}

export interface Case {
  /** Method and path. */
  readonly ask: string
  /** An object is sent as JSON, text as a form. */
  readonly with?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly status: number
  /** The whole body. */
  readonly body?: unknown
  /** Members that the body must have, among others. */
  readonly has?: object
  readonly sent?: Readonly<Record<string, string>>
}

export async function openAdmin(part: Partial<AdminOptions> = {}, withoutDatabase = false): Promise<Admin> {
  const folder = mkdtempSync(join(tmpdir(), 'admin-'))
  const catalog = createCatalog({
    plugins: pluginSchemas({ clusterPolicy: true }),
    vaults: new Map(),
    extraEntities: bundledPlugins.flatMap(plugin => plugin.entities ?? []),
  })
  const clock = systemClock
  const memory = createMemoryStore({ catalog, clock })
  const store = withoutDatabase ? memory : await openEmbeddedStore({ path: join(folder, 'store.db'), catalog, clock })
  const tokens = createAdminTokens({ records: store.records, clock, random: systemRandom })
  const address = { host: '127.0.0.1', port: 0, ssl: false, http2: false, proxyProtocol: false, reuseport: false }
  const server = createAdminServer({
    accessLog: null,
    listen: [{ ...address, backlog: null, ipv6only: false }],
    tls: null,
    repository: createRepository({ store, catalog, clock, random: systemRandom }),
    store,
    catalog,
    clock,
    random: systemRandom,
    logger: silentLogger,
    ...facts(),
    databaseLess: withoutDatabase ? loader(memory) : null,
    trustsPeer: () => false,
    clientAuthorities: [],
    clientRevocationLists: [],
    tokens,
    access: createAccess({ auth: null, rateLimit: 0, tokens, clock }),
    audit: null,
    bodyBytesMax: 10 * 1024 * 1024,
    ...part,
  })
  const [bound] = await server.open()
  const port = bound!.port
  const send = (sent: Sent) => exchange(port, sent)
  const ask = (line: string, body?: unknown) => send(requestOf({ ask: line, with: body, status: 0 }))
  return {
    port,
    send,
    ask,
    async check(cases) {
      for (const one of cases) compare(one, await send(requestOf(one)))
    },
    async close() {
      await server.close(0)
      await store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function loader(memory: ReturnType<typeof createMemoryStore>): DatabaseLess {
  let hash = '0'.repeat(32)
  return {
    currentHash: () => hash,
    async replace(config) {
      await memory.replace(config.rows)
      hash = config.hash
    },
  }
}

function facts() {
  let level: LogLevel = 'notice'
  return {
    node: { id: '7b1f5d36-2f1e-4a44-9f7c-5a9b6f0c1e11', hostname: 'testhost', runtimeVersion: 'Node 26' },
    stats: {
      connections: () => ({
        connections_accepted: 1,
        connections_active: 1,
        connections_handled: 1,
        connections_reading: 0,
        connections_waiting: 0,
        connections_writing: 1,
        total_requests: 1,
      }),
      memory: () => ({
        workers: [{ pid: 11, heapBytes: 1_572_864 }],
        shared: { counters: { usedBytes: 1024, capacityBytes: 2_097_152 } },
      }),
      pids: () => ({ master: 10, workers: [11] }),
      dns: async () => null,
      timers: () => ({ running: 0, pending: 2 }),
      timerReport: () => createCountedClock(systemClock).report(),
    },
    settings: () => ({ role: 'traditional', pg_password: '******' }),
    logLevel: {
      level: () => level,
      change: async (request: { level: LogLevel }) => {
        level = request.level
      },
    },
    managerUrls: [],
    sendServerHeader: true,
    sendLatencyHeader: true,
    cluster: null,
    upstreamHealth: null,
    metrics: null,
  }
}

function requestOf({ ask, with: body, headers }: Case): Sent {
  const [method, path] = ask.split(' ') as [string, string]
  if (body === undefined) return { method, path, headers: headers ?? {} }
  const isForm = typeof body === 'string'
  const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json'
  return {
    method,
    path,
    headers: { 'Content-Type': type, ...headers },
    content: isForm ? body : JSON.stringify(body),
  }
}

function compare(one: Case, answer: Answer): void {
  const name = `${one.ask} ${JSON.stringify(one.with) ?? ''} -> ${answer.status} ${answer.text.slice(0, 500)}`
  assert.equal(answer.status, one.status, name)
  if (one.body !== undefined) assert.deepEqual(answer.body, one.body, name)
  if (one.has !== undefined) assert.partialDeepStrictEqual(answer.body, one.has, name)
  for (const [header, value] of Object.entries(one.sent ?? {})) assert.equal(answer.headers[header], value, name)
}

function exchange(port: number, { method, path, headers = {}, content }: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = content === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(content)) }
    const options = { port, method, path, headers: { ...length, ...headers }, agent: false as const }
    const outgoing = httpRequest(options, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', chunk => (text += chunk))
      response.on('end', () => {
        const isJson = response.headers['content-type']?.startsWith('application/json') === true && text !== ''
        const body = isJson ? JSON.parse(text) : null
        resolve({ status: response.statusCode!, headers: response.headers, text, body })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(content)
  })
}
