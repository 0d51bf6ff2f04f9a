/** A real PostgreSQL server for tests, of its own: Debian's programs, a temporary folder, a free port, gone at the end. */
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync, chmodSync, chownSync, existsSync, globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { PostgresOptions } from '../../src/store/postgres/connection-options.ts'
import { freePort } from './nodes.ts'

export interface PostgresServer {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  /** Makes an empty database and returns how to reach it. */
  createDatabase(): Promise<PostgresOptions>
  query(text: string, database?: string): Promise<pg.QueryResult>
  /** Null when the server is not ours to stop. */
  readonly control: ServerControl | null
  close(): Promise<void>
}

export interface ServerControl {
  readonly folder: string
  /** As when the machine goes down in order (`fast`), or loses its power (`immediate`). */
  stop(mode: 'fast' | 'immediate'): void
  start(): void
}

const outside = process.env['KONG_TEST_POSTGRES']
/** Folders of other servers' programs, by colon: the contract of the store is kept on each. */
const others = (process.env['KONG_TEST_POSTGRES_BIN'] ?? '').split(':').filter(folder => folder !== '')
const programs =
  globSync('/usr/lib/postgresql/*/bin/initdb')
    .sort()
    .at(-1)
    ?.replace(/\/initdb$/, '') ?? others[0]

/** Each server that the contract is tested on: what to call it, and where its programs are. */
export function postgresVersions(): readonly { readonly name: string; readonly programs?: string }[] {
  if (outside !== undefined || programs === undefined) return [{ name: 'PostgreSQL' }]
  return [...new Set([programs, ...others])].map(folder => ({ name: versionOf(folder), programs: folder }))
}

/** `postgres (PostgreSQL) 18.4 …`. */
function versionOf(folder: string): string {
  const text = execFileSync(join(folder, 'postgres'), ['--version'], { encoding: 'utf8' })
  return `PostgreSQL ${/\d+(\.\d+)?/.exec(text)?.[0] ?? text.trim()}`
}

/** Why tests on PostgreSQL are skipped; false when they run. */
export function postgresIsMissing(): string | false {
  if (outside !== undefined || programs !== undefined) return false
  if (process.env['KONG_TEST_REQUIRE'] === 'all') return false // Starting it then fails, as it should.
  return 'no PostgreSQL server is installed: apt-get install postgresql, KONG_TEST_POSTGRES=user:password@host:port, or KONG_TEST_POSTGRES_BIN=folder'
}

export interface StartOptions {
  /** Turns TLS on. */
  readonly certificate?: { readonly cert: string; readonly key: string }
  /** Folder of the server's programs, if not the usual ones. */
  readonly programs?: string
}

export async function startPostgres(
  settings: readonly string[] = [],
  { certificate, programs: folderOfPrograms = programs }: StartOptions = {},
): Promise<PostgresServer> {
  if (outside !== undefined) return outsideServer(outside)
  if (folderOfPrograms === undefined) throw new Error('no PostgreSQL server is installed: apt-get install postgresql')
  const folder = mkdtempSync(join(tmpdir(), 'postgres-'))
  const owner = ownerOf(folder)
  const run = (program: string, args: readonly string[]) =>
    execFileSync(join(folderOfPrograms, program), args, { ...owner, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const data = join(folder, 'data')
  const password = randomBytes(12).toString('hex')
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, password)
  if (owner !== null) chownSync(passwordFile, owner.uid, owner.gid)
  run('initdb', [
    '-D',
    data,
    '-U',
    'kong',
    '-A',
    'scram-sha-256',
    `--pwfile=${passwordFile}`,
    '-E',
    'UTF8',
    '--no-sync',
  ])
  if (certificate !== undefined) {
    for (const [name, text] of [
      ['server.crt', certificate.cert],
      ['server.key', certificate.key],
    ] as const) {
      writeFileSync(join(data, name), text, { mode: 0o600 })
      if (owner !== null) chownSync(join(data, name), owner.uid, owner.gid)
    }
  }
  const port = await freePort()
  const options = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${folder}`,
    // The machine does not lose its power in a test; an aborted server is recovered from what the system has.
    'fsync=off',
    'shared_buffers=32MB',
    'max_connections=200',
    'logging_collector=off',
    ...settings,
  ]
  // In the file, so that a test may turn it off while the server runs; what the command line says could not be changed.
  if (certificate !== undefined) appendFileSync(join(data, 'postgresql.conf'), '\nssl = on\n')
  const start = () => {
    const given = options.map(option => `-c ${option}`).join(' ')
    run('pg_ctl', ['-D', data, '-w', '-t', '60', '-l', join(folder, 'log'), '-o', given, 'start'])
  }
  const stop = (mode: 'fast' | 'immediate') => {
    if (existsSync(join(data, 'postmaster.pid'))) run('pg_ctl', ['-D', data, '-w', '-m', mode, 'stop'])
  }
  start()
  // A killed test must not leave a server behind.
  const guard = spawnGuard(data, folder)
  return {
    ...serverAt({ host: '127.0.0.1', port, user: 'kong', password }),
    control: { folder, stop, start },
    async close() {
      guard.kill('SIGTERM')
      stop('immediate')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** initdb and postgres refuse to run as root. */
function ownerOf(folder: string): { uid: number; gid: number } | null {
  if (process.getuid?.() !== 0) return null
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  const owner = { uid: id('-u'), gid: id('-g') }
  chownSync(folder, owner.uid, owner.gid)
  chmodSync(folder, 0o700)
  return owner
}

/** A shell that waits for our end of its input to close, which it does however this process ends. */
function spawnGuard(data: string, folder: string) {
  const script = 'read -r _; kill -QUIT "$(head -1 "$1/postmaster.pid")" 2>/dev/null; sleep 1; rm -rf "$2"'
  const guard = spawn('/bin/sh', ['-c', script, 'guard', data, folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  guard.unref()
  ;(guard.stdin as unknown as { unref(): void }).unref()
  return guard
}

interface Address {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
}

function outsideServer(text: string): PostgresServer {
  const url = new URL(`postgres://${text.includes('@') ? text : `kong:kong@${text}`}`)
  const address = {
    host: url.hostname,
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  }
  return { ...serverAt(address), control: null, close: async () => {} }
}

function serverAt(address: Address): Address & Pick<PostgresServer, 'createDatabase' | 'query'> {
  const query = async (text: string, database = 'postgres') => {
    const client = new pg.Client({ ...address, database })
    await client.connect()
    try {
      return await client.query(text)
    } finally {
      await client.end()
    }
  }
  return {
    ...address,
    query,
    async createDatabase() {
      const database = `test_${randomBytes(6).toString('hex')}`
      await query(`create database ${database}`)
      return postgresOptions({ ...address, database })
    },
  }
}

export function postgresOptions(given: Address & Partial<PostgresOptions> & { database: string }): PostgresOptions {
  return {
    schema: null,
    timeoutMs: 5000,
    tls: null,
    poolSize: 10,
    idleMs: 60_000,
    concurrentMax: 0,
    turnMsMax: 60_000,
    waitingMax: 10_000,
    ...given,
  }
}

/** As a node's settings. */
export function postgresSettings({ host, port, user, password, database }: PostgresOptions): Record<string, string> {
  return {
    storage: 'postgres',
    pg_host: host,
    pg_port: String(port),
    pg_user: user,
    pg_password: password ?? '',
    pg_database: database,
  }
}
