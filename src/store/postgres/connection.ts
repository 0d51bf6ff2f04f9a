/** One connection to PostgreSQL: opened with TLS and schema as set, statements prepared once and kept. */
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { type Client as PgClient, default as pg, type QueryResult } from 'pg'
import { StoreError } from '../errors.ts'
import { isSlow } from './connection-failure.ts'
import { addressOf, type PostgresOptions, type PostgresTls } from './connection-options.ts'

// Every entity needs about ten statements; texts beyond these (IN lists of any length) are planned each time.
const preparedMax = 500
// An IN list makes a text of its own for every length; preparing those would drive out the others.
const preparedParametersMax = 60
const keepAliveMs = 10_000

/** A statement's answer, with numbers as PostgreSQL sends them: 64-bit integers are text. */
export type Answer = QueryResult<Record<string, unknown>>

export interface StatementOptions {
  /** Overrides the timeout of the connection, for what may take long for a reason; 0 waits for ever. */
  readonly timeoutMs?: number
}

export class Connection {
  readonly #client: PgClient
  readonly #names = new Map<string, string>()
  #failure: Error | null = null
  readonly #onLost: (() => void)[] = []
  readonly #isPipelined: boolean
  #isGathering = false

  constructor(client: PgClient, isPipelined: boolean) {
    this.#client = client
    this.#isPipelined = isPipelined
    client.on('error', error => this.#lost(error))
    client.on('end', () => this.#lost(new Error('the connection was closed')))
  }

  /** False once the connection is broken or closed; it never heals. */
  get isUsable(): boolean {
    return this.#failure === null
  }

  onLost(listener: () => void): void {
    this.#onLost.push(listener)
  }

  onNotification(listener: (payload: string) => void): void {
    this.#client.on('notification', ({ payload }) => listener(payload ?? ''))
  }

  /** Statements may be sent before earlier ones are answered; they are carried out in order. */
  async query(text: string, values: readonly unknown[] = [], { timeoutMs }: StatementOptions = {}): Promise<Answer> {
    if (this.#failure !== null) throw this.#failure
    const name = this.#nameOf(text, values.length)
    const config = {
      text,
      values: values as unknown[],
      ...(name === null ? {} : { name }),
      // pg knows it for single statements too; its type definitions do not.
      ...(timeoutMs === undefined ? {} : { query_timeout: timeoutMs }),
    }
    if (this.#isPipelined) this.#gather()
    try {
      return await this.#client.query<Record<string, unknown>>(config)
    } catch (error) {
      // The answer of a statement that took too long would be taken for that of the next.
      if (isSlow(error)) this.destroy(error as Error)
      throw error
    }
  }

  /** Waits for nothing; what is under way fails. */
  destroy(reason: Error): void {
    this.#lost(reason)
    this.#client.connection.stream.destroy()
  }

  async close(): Promise<void> {
    if (this.#failure !== null) return
    this.#failure = new Error('the connection was closed')
    this.#onLost.length = 0
    await this.#client.end().catch(() => undefined)
  }

  /** What is asked in one turn of the event loop leaves in one write: each costs as much as a statement does. */
  #gather(): void {
    if (this.#isGathering) return
    this.#isGathering = true
    const { stream } = this.#client.connection
    stream.cork()
    setImmediate(() => {
      this.#isGathering = false
      stream.uncork()
    })
  }

  #lost(error: Error): void {
    if (this.#failure !== null) return
    this.#failure = error
    for (const listener of this.#onLost.splice(0)) listener()
  }

  #nameOf(text: string, parameters: number): string | null {
    const known = this.#names.get(text)
    if (known !== undefined) return known
    // Statements about the transaction itself have nothing to plan.
    if (parameters === 0 && !text.startsWith('select')) return null
    if (parameters > preparedParametersMax || this.#names.size >= preparedMax) return null
    const name = createHash('md5').update(text).digest('hex')
    this.#names.set(text, name)
    return name
  }
}

/** `pipelined` sends statements without waiting for the answers to earlier ones. */
export async function openConnection(options: PostgresOptions, { pipelined = false } = {}): Promise<Connection> {
  try {
    return new Connection(await connect(options, options.tls, pipelined), pipelined)
  } catch (error) {
    // pg's words for a server that answers the question for TLS with no.
    const hasNoTls = (error as Error).message === 'The server does not support SSL connections'
    if (hasNoTls && options.tls?.required === false) {
      return new Connection(await connect(options, null, pipelined), pipelined)
    }
    throw error
  }
}

async function connect(options: PostgresOptions, tls: PostgresTls | null, pipelined: boolean): Promise<PgClient> {
  const { host, port, user, password, database, schema, timeoutMs } = options
  const client = new pg.Client({
    host,
    port,
    user,
    database,
    // Null would have pg look for a password elsewhere (~/.pgpass, PGPASSWORD).
    password: password ?? '',
    ssl: tls === null ? false : tlsOptions(tls, host),
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveMs,
    application_name: 'silverback',
    ...(schema === null ? {} : { options: `-c search_path=${escapeOption(pg.escapeIdentifier(schema))}` }),
    ...(pipelined ? { pipeline: true } : {}),
  })
  // A failing start reports by its promise; without a listener the event would end the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
    return client
  } catch (error) {
    client.connection.stream.destroy()
    throw error
  }
}

function tlsOptions({ verify, authorities, certificate, key, versionMin }: PostgresTls, host: string) {
  return {
    rejectUnauthorized: verify,
    // What the certificate must name; an address cannot be asked for by SNI.
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(authorities === null ? {} : { ca: authorities }),
    ...(certificate === null ? {} : { cert: certificate }),
    ...(key === null ? {} : { key }),
    ...(versionMin === null ? {} : { minVersion: versionMin }),
  }
}

/** In the startup packet's options, blanks separate and backslashes escape. */
function escapeOption(text: string): string {
  return text.replaceAll(/([\\\s])/g, '\\$1')
}

/** Names the place and the reason, for whoever starts a node or a command. */
export function cannotConnect(options: PostgresOptions, error: unknown): StoreError {
  const { message, code } = error as { readonly message?: string; readonly code?: string }
  const reason = message === undefined || message === '' ? (code ?? 'unknown reason') : message
  const text = `cannot connect to PostgreSQL at ${addressOf(options)} as user '${options.user}': ${reason}`
  return new StoreError('database_error', text, undefined, error)
}
