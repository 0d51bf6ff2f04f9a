/** A real Cassandra server for tests, of its own: from Maven Central, a temporary folder, free ports, gone at the end. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { CassandraOptions } from '../../src/store/cassandra/connection-options.ts'
import { freePort } from './nodes.ts'

export interface CassandraServer {
  readonly host: string
  readonly port: number
  /** How to reach a keyspace of its own, which is not there yet. */
  newKeyspace(): CassandraOptions
  /** Null when the server is not ours to stop. */
  readonly control: { stop(): Promise<void>; start(): Promise<void> } | null
  close(): Promise<void>
}

const outside = process.env['KONG_TEST_CASSANDRA']
const startMsMax = 240_000
const isThere = (program: string) => spawnSync(program, ['-version'], { stdio: 'ignore' }).error === undefined

/** Why tests on Cassandra are skipped; false when they run. */
export function cassandraIsMissing(): string | false {
  if (outside !== undefined || process.env['KONG_TEST_REQUIRE'] === 'all') return false
  if (isThere(java) && (existsSync(libraryFolder()) || isThere('mvn'))) return false
  return 'Cassandra needs Java 17 and Maven: apt-get install openjdk-17-jre-headless maven, or KONG_TEST_CASSANDRA=host:port'
}

export async function startCassandra(): Promise<CassandraServer> {
  if (outside !== undefined) {
    const [host = '127.0.0.1', port = '9042'] = outside.split(':')
    return { ...serverAt(host, Number(port)), control: null, close: async () => {} }
  }
  const libraries = fetchLibraries()
  const folder = mkdtempSync(join(tmpdir(), 'cassandra-'))
  const [port, storagePort] = [await freePort(), await freePort()]
  writeFileSync(join(folder, 'cassandra.yaml'), configuration(folder, port, storagePort))
  const daemon = new Daemon(libraries, folder, port)
  try {
    await daemon.start()
  } catch (error) {
    await daemon.stop('kill')
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
  return {
    ...serverAt('127.0.0.1', port),
    control: { stop: () => daemon.stop('drain'), start: () => daemon.start() },
    async close() {
      await daemon.stop('kill')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function serverAt(host: string, port: number): Pick<CassandraServer, 'host' | 'port' | 'newKeyspace'> {
  return {
    host,
    port,
    newKeyspace: () => cassandraOptions({ contactPoints: [host], port }),
  }
}

export function cassandraOptions(given: Partial<CassandraOptions>): CassandraOptions {
  return {
    contactPoints: ['127.0.0.1'],
    port: 9042,
    keyspace: `test_${randomBytes(6).toString('hex')}`,
    timeoutMs: 30_000,
    tls: null,
    username: 'cassandra',
    password: 'cassandra',
    readConsistency: 'ONE',
    writeConsistency: 'ONE',
    balancing: 'RequestRoundRobin',
    localDatacenter: null,
    replication: { strategy: 'SimpleStrategy', factor: 1 },
    schemaAgreementMs: 30_000,
    ...given,
  }
}

/** As a node's settings. */
export function cassandraSettings({ contactPoints, port, keyspace }: CassandraOptions): Record<string, string> {
  return {
    storage: 'cassandra',
    cassandra_contact_points: contactPoints.join(','),
    cassandra_port: String(port),
    cassandra_keyspace: keyspace,
    cassandra_timeout: '30000',
  }
}

class Daemon {
  readonly #libraries: string
  readonly #folder: string
  readonly #port: number
  #guard: ReturnType<typeof spawn> | null = null
  #ended: Promise<void> = Promise.resolve()

  constructor(libraries: string, folder: string, port: number) {
    this.#libraries = libraries
    this.#folder = folder
    this.#port = port
  }

  async start(): Promise<void> {
    const log = openSync(join(this.#folder, 'log'), 'a')
    // The shell waits for our end of its input to close, which it does however this process ends, and ends the server.
    const script =
      '"$@" </dev/null & server=$!; (signal=KILL; read -r word; [ "$word" = drain ] && signal=TERM; kill -$signal $server) <&3 2>/dev/null & wait $server'
    const guard = spawn('/bin/sh', ['-c', `exec 3<&0; ${script}`, 'guard', java, ...this.#arguments()], {
      stdio: ['pipe', log, log],
    })
    this.#guard = guard
    this.#ended = new Promise(resolve => guard.once('exit', () => resolve()))
    await this.#answers()
  }

  /** In order, so that nothing written is lost; otherwise as fast as may be. */
  async stop(how: 'drain' | 'kill'): Promise<void> {
    this.#guard?.stdin?.end(`${how}\n`)
    await this.#ended
    this.#guard = null
  }

  #arguments(): string[] {
    const properties = {
      'cassandra.config': `file://${this.#folder}/cassandra.yaml`,
      'cassandra.storagedir': this.#folder,
      'cassandra-foreground': 'yes',
      // One node: nobody to wait for.
      'cassandra.skip_wait_for_gossip_to_settle': '0',
      'cassandra.ring_delay_ms': '100',
      // Changes of tables need not survive the loss of power.
      'cassandra.unsafesystem': 'true',
      'logback.configurationFile': new URL('./cassandra/logback.xml', import.meta.url).pathname,
    }
    const forModules = [
      '-Djava.security.manager=allow',
      ...openModules.flatMap(module => [`--add-opens=${module}=ALL-UNNAMED`, `--add-exports=${module}=ALL-UNNAMED`]),
    ]
    return [
      // It measures objects; without it, by means that newer Javas forbid.
      ...globSync(join(this.#libraries, 'jamm-*.jar')).map(path => `-javaagent:${path}`),
      ...(hasModules() ? forModules : []),
      ...['-Xms512m', '-Xmx768m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=4', '-XX:+ExitOnOutOfMemoryError'],
      ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
      ...['-cp', join(this.#libraries, '*'), 'org.apache.cassandra.service.CassandraDaemon'],
    ]
  }

  async #answers(): Promise<void> {
    const deadline = performance.now() + startMsMax
    let hasEnded = false
    this.#ended.then(() => {
      hasEnded = true
    })
    // The port opens last, once queries are answered.
    while (!(await accepts(this.#port))) {
      if (hasEnded || performance.now() > deadline) {
        throw new Error(`Cassandra did not start:\n${readFileSync(join(this.#folder, 'log'), 'utf8').slice(-4000)}`)
      }
      await pause(100)
    }
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function libraryFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return join(cache, 'silverback-test', 'cassandra', version())
}

const pom = new URL('./cassandra/pom.xml', import.meta.url).pathname

/** Of the pom, unless another is asked for. */
function version(): string {
  const given = process.env['KONG_TEST_CASSANDRA_VERSION']
  return given ?? /<cassandra>([^<]+)/.exec(readFileSync(pom, 'utf8'))![1]!
}

const java = process.env['KONG_TEST_CASSANDRA_JAVA'] ?? 'java'

/** Java 8, the only one that Cassandra 3.11 runs on, knows no modules. */
function hasModules(): boolean {
  return !/version "1\.8/.test(spawnSync(java, ['-version'], { encoding: 'utf8' }).stderr ?? '')
}

/** Fetched once for each user and version; complete or not there, however many tests begin at once. */
function fetchLibraries(): string {
  const folder = libraryFolder()
  if (existsSync(folder)) return folder
  mkdirSync(join(folder, '..'), { recursive: true })
  const partial = mkdtempSync(`${folder}-`)
  const thrift = version().startsWith('3.') ? ['-Pthrift'] : []
  const given = [...thrift, `-Dcassandra=${version()}`, '-DincludeScope=runtime']
  const goals = ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', ...given]
  execFileSync('mvn', [...goals, `-DoutputDirectory=${partial}`], { stdio: ['ignore', 'pipe', 'pipe'] })
  try {
    renameSync(partial, folder)
  } catch {
    rmSync(partial, { recursive: true, force: true }) // Another test was first.
  }
  return folder
}

// What Cassandra reaches into since Java closed its modules (as in its own conf/jvm17-server.options).
const openModules = [
  'java.base/java.io',
  'java.base/java.lang',
  'java.base/java.lang.module',
  'java.base/java.lang.ref',
  'java.base/java.lang.reflect',
  'java.base/java.math',
  'java.base/java.net',
  'java.base/java.nio',
  'java.base/java.util',
  'java.base/java.util.concurrent',
  'java.base/java.util.concurrent.atomic',
  'java.base/jdk.internal.loader',
  'java.base/jdk.internal.math',
  'java.base/jdk.internal.misc',
  'java.base/jdk.internal.module',
  'java.base/jdk.internal.ref',
  'java.base/jdk.internal.reflect',
  'java.base/jdk.internal.util.jar',
  'java.base/sun.nio.ch',
  'java.management.rmi/com.sun.jmx.remote.internal.rmi',
  'java.rmi/sun.rmi.registry',
  'java.rmi/sun.rmi.server',
  'java.rmi/sun.rmi.transport.tcp',
  'jdk.management/com.sun.management.internal',
  'jdk.unsupported/sun.misc',
]

function configuration(folder: string, port: number, storagePort: number): string {
  return JSON.stringify({
    cluster_name: 'test',
    num_tokens: 1,
    partitioner: 'org.apache.cassandra.dht.Murmur3Partitioner',
    data_file_directories: [join(folder, 'data')],
    commitlog_directory: join(folder, 'commitlog'),
    saved_caches_directory: join(folder, 'saved_caches'),
    hints_directory: join(folder, 'hints'),
    cdc_raw_directory: join(folder, 'cdc'),
    commitlog_sync: 'periodic',
    commitlog_sync_period_in_ms: 1000,
    seed_provider: [
      {
        class_name: 'org.apache.cassandra.locator.SimpleSeedProvider',
        parameters: [{ seeds: '127.0.0.1' }],
      },
    ],
    listen_address: '127.0.0.1',
    rpc_address: '127.0.0.1',
    storage_port: storagePort,
    start_native_transport: true,
    native_transport_port: port,
    ...(version().startsWith('3.') ? { start_rpc: false } : {}),
    endpoint_snitch: 'SimpleSnitch',
    // A busy machine is not a broken one; these names are understood by all versions.
    read_request_timeout_in_ms: 30_000,
    range_request_timeout_in_ms: 30_000,
    write_request_timeout_in_ms: 30_000,
    cas_contention_timeout_in_ms: 30_000,
    request_timeout_in_ms: 30_000,
    auto_snapshot: false,
  })
}
