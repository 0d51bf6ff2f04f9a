/** Where a PostgreSQL server is and how to reach it: Kong's `pg_*` settings, parsed. */

export interface PostgresTls {
  /** Check the server's certificate and name. */
  readonly verify: boolean
  /** Fail when the server offers no TLS; otherwise go on without. */
  readonly required: boolean
  /** PEM; null for the authorities of the system. */
  readonly authorities: string | null
  readonly certificate: string | null
  readonly key: string | null
  readonly versionMin: 'TLSv1.2' | 'TLSv1.3' | null
}

export interface PostgresOptions {
  /** Name, address, or folder of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string | null
  readonly database: string
  /** Null: the first of the user's search path that exists. */
  readonly schema: string | null
  /** For connecting, and for each statement. */
  readonly timeoutMs: number
  /** Null: no TLS. */
  readonly tls: PostgresTls | null
  /** Connections kept for reads at most. */
  readonly poolSize: number
  /** How long a connection that nobody uses is kept. */
  readonly idleMs: number
  /** Statements that read at the same time; 0 is as many as there are connections. */
  readonly concurrentMax: number
  /** How long a read waits for its turn. */
  readonly turnMsMax: number
  /** Reads that may wait; more are refused at once. */
  readonly waitingMax: number
}

/** For errors: where, never with what secret. */
export function addressOf({ host, port, database }: PostgresOptions): string {
  return `${host}:${port}/${database}`
}
