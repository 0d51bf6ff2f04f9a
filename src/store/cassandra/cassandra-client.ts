/** Statements over cassandra-driver: consistency, retries and errors, as the store needs them. */
import cassandra from 'cassandra-driver'
import { StoreError } from '../errors.ts'
import { addressOf, type CassandraOptions } from './connection-options.ts'

export type Value = string | number | boolean | null | readonly (string | number)[]
export interface Statement {
  readonly query: string
  readonly values: readonly Value[]
}
export type Columns = Readonly<Record<string, unknown>>

/** `outside` is what the settings ask of reads that decide nothing; `decisive` sees every finished write. */
export type ReadStrength = 'outside' | 'decisive'

export interface CassandraClient {
  read(query: string, values: readonly Value[], strength: ReadStrength): Promise<readonly Columns[]>
  /** A read of what lightweight transactions write; ends those that were begun. */
  readSerial(query: string, values: readonly Value[]): Promise<readonly Columns[]>
  /** Statements that may be run again without harm. */
  write(statements: Iterable<Statement>): Promise<void>
  /** A lightweight transaction: whether it was applied, and what stood there when it was not. */
  decide(query: string, values: readonly Value[]): Promise<{ applied: boolean; found: Columns | null }>
  /** Changes of tables. */
  define(query: string): Promise<void>
  close(): Promise<void>
}

// Statements of one large change on their way at the same time.
const writesAtOnce = 128
const reconnectMs = 1000
const { consistencies } = cassandra.types
const { loadBalancing, reconnection } = cassandra.policies

export async function connectCassandra(options: CassandraOptions, keyspace: string | null): Promise<CassandraClient> {
  const policy = new RememberingPolicy(balancingOf(options))
  const client = new cassandra.Client(clientOptions(options, keyspace, policy))
  try {
    await client.connect()
  } catch (error) {
    await policy.end(client.shutdown()).catch(() => undefined)
    throw unexpected(error, options)
  }
  const quorum = { prepare: true, isIdempotent: true, consistency: atLeastQuorum(options.writeConsistency) }
  const read = {
    outside: { prepare: true, isIdempotent: true, consistency: consistencyOf(options.readConsistency) },
    decisive: { prepare: true, isIdempotent: true, consistency: atLeastQuorum(options.readConsistency) },
    serial: { prepare: true, isIdempotent: true, consistency: consistencies.serial },
  }
  const execute = async (query: string, values: readonly Value[], how: cassandra.QueryOptions) => {
    try {
      return await client.execute(query, values as unknown[], how)
    } catch (error) {
      throw unexpected(error, options)
    }
  }
  const readAll = async (query: string, values: readonly Value[], how: cassandra.QueryOptions) => {
    const rows: Columns[] = []
    let pageState: string | undefined
    do {
      const page = await execute(query, values, pageState === undefined ? how : { ...how, pageState })
      for (const row of page.rows ?? []) rows.push(row as unknown as Columns)
      pageState = page.pageState ?? undefined
    } while (pageState !== undefined)
    return rows
  }
  return {
    read: (query, values, strength) => readAll(query, values, read[strength]),
    readSerial: (query, values) => readAll(query, values, read.serial),
    async write(statements) {
      const rest = statements[Symbol.iterator]()
      const worker = async () => {
        for (let next = rest.next(); !next.done; next = rest.next()) {
          await execute(next.value.query, next.value.values, quorum)
        }
      }
      await Promise.all(Array.from({ length: writesAtOnce }, worker))
    },
    async decide(query, values) {
      const result = await execute(query, values, {
        prepare: true,
        isIdempotent: false,
        consistency: atLeastQuorum(options.writeConsistency),
        serialConsistency: consistencies.serial,
      })
      return { applied: result.wasApplied(), found: (result.first() as unknown as Columns | null) ?? null }
    },
    async define(query) {
      await execute(query, [], { prepare: false })
    },
    close: () => policy.end(client.shutdown()),
  }
}

function clientOptions(
  options: CassandraOptions,
  keyspace: string | null,
  loadBalancing: LoadBalancingPolicy,
): cassandra.ClientOptions {
  const { contactPoints, port, timeoutMs, tls, username, password, schemaAgreementMs } = options
  return {
    contactPoints: [...contactPoints],
    ...(keyspace === null ? {} : { keyspace }),
    protocolOptions: { port, maxSchemaAgreementWaitSeconds: Math.max(1, Math.ceil(schemaAgreementMs / 1000)) },
    socketOptions: { connectTimeout: timeoutMs, readTimeout: timeoutMs },
    // Times of writes are ours where order matters, and the server's everywhere else: never this machine's clock.
    policies: {
      loadBalancing,
      reconnection: new reconnection.ConstantReconnectionPolicy(reconnectMs),
      timestampGeneration: null as unknown as cassandra.policies.timestampGeneration.TimestampGenerator,
    },
    ...(options.localDatacenter === null ? {} : { localDataCenter: options.localDatacenter }),
    ...(password === null ? {} : { authProvider: new cassandra.auth.PlainTextAuthProvider(username, password) }),
    ...(tls === null ? {} : { sslOptions: { rejectUnauthorized: tls.verify, ...authoritiesOf(tls.authorities) } }),
  }
}

type LoadBalancingPolicy = cassandra.policies.loadBalancing.LoadBalancingPolicy

/**
 * Driver 4.10 loses sight of a node that was away: it makes another object for it, shuts that down at the end, and the
 * first one goes on trying to connect for ever. So we remember which there are.
 */
class RememberingPolicy extends cassandra.policies.loadBalancing.LoadBalancingPolicy {
  readonly #inner: LoadBalancingPolicy
  readonly #hosts = new Set<cassandra.Host & { shutdown?: (waits: boolean) => Promise<void> }>()

  constructor(inner: LoadBalancingPolicy) {
    super()
    this.#inner = inner
  }

  override init(client: cassandra.Client, hosts: cassandra.HostMap, done: cassandra.EmptyCallback): void {
    this.#inner.init(client, hosts, done)
  }

  override getDistance(host: cassandra.Host): cassandra.types.distance {
    this.#hosts.add(host)
    return this.#inner.getDistance(host)
  }

  override newQueryPlan(...given: Parameters<LoadBalancingPolicy['newQueryPlan']>): void {
    this.#inner.newQueryPlan(...given)
  }

  override getOptions(): Map<string, object> {
    return this.#inner.getOptions()
  }

  async end(shutdown: Promise<void>): Promise<void> {
    await shutdown
    await Promise.all([...this.#hosts].map(host => host.shutdown?.(false)))
  }
}

function authoritiesOf(authorities: string | null): { ca?: string } {
  return authorities === null ? {} : { ca: authorities }
}

/** The policies with `Request` in their name differ in Kong only in how long one node is kept, which a pool decides here. */
function balancingOf({ balancing, localDatacenter }: CassandraOptions): LoadBalancingPolicy {
  if (balancing === 'RoundRobin' || balancing === 'RequestRoundRobin') {
    return new loadBalancing.TokenAwarePolicy(new loadBalancing.RoundRobinPolicy())
  }
  if (localDatacenter === null) {
    throw new StoreError('database_error', `cassandra_lb_policy ${balancing} needs cassandra_local_datacenter`)
  }
  return new loadBalancing.TokenAwarePolicy(new loadBalancing.DCAwareRoundRobinPolicy(localDatacenter))
}

function consistencyOf(name: string): cassandra.types.consistencies {
  const [first = '', ...rest] = name.toLowerCase().split('_')
  const camel = first + rest.map(word => word[0]!.toUpperCase() + word.slice(1)).join('')
  const found = (consistencies as unknown as Record<string, cassandra.types.consistencies>)[camel]
  if (found === undefined) throw new StoreError('database_error', `Cassandra knows no consistency '${name}'`)
  return found
}

/**
 * What a transaction reads and writes needs a majority, as its decision does anyway: with less, the next one might
 * not see it, and a name could be given away twice.
 */
function atLeastQuorum(name: string): cassandra.types.consistencies {
  return name === 'ALL' || name === 'EACH_QUORUM' ? consistencies.all : consistencies.quorum
}

function unexpected(error: unknown, options: CassandraOptions): unknown {
  if (error instanceof StoreError) return error
  const { innerErrors, message } = error as Error & { innerErrors?: Readonly<Record<string, Error>> }
  const inner = Object.values(innerErrors ?? {})[0]
  const text = inner?.message || message
  return new StoreError('database_error', `Cassandra at ${addressOf(options)}: ${text}`, undefined, error)
}
