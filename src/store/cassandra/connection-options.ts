/** Where a Cassandra cluster is and how to reach it: Kong's `cassandra_*` settings, parsed. */

export interface CassandraTls {
  /** Check the certificates of the nodes. */
  readonly verify: boolean
  /** PEM; null for the authorities of the system. */
  readonly authorities: string | null
}

export type CassandraBalancing = 'RoundRobin' | 'RequestRoundRobin' | 'DCAwareRoundRobin' | 'RequestDCAwareRoundRobin'

export type CassandraReplication =
  | { readonly strategy: 'SimpleStrategy'; readonly factor: number }
  | { readonly strategy: 'NetworkTopologyStrategy'; readonly replicas: Readonly<Record<string, number>> }

export interface CassandraOptions {
  readonly contactPoints: readonly string[]
  readonly port: number
  readonly keyspace: string
  /** For connecting, and for each statement. */
  readonly timeoutMs: number
  /** Null: no TLS. */
  readonly tls: CassandraTls | null
  readonly username: string
  /** Null: the cluster asks for none. */
  readonly password: string | null
  /** Of reads outside transactions; within them it is never weaker than QUORUM. */
  readonly readConsistency: string
  /** Of writes, which are never weaker than QUORUM. */
  readonly writeConsistency: string
  readonly balancing: CassandraBalancing
  /** Needed by the policies that know data centres. */
  readonly localDatacenter: string | null
  /** With which the keyspace is made; one that exists stays as it is. */
  readonly replication: CassandraReplication
  /** How long all nodes may take to agree on the tables. */
  readonly schemaAgreementMs: number
}

/** For errors: where, never with what secret. */
export function addressOf({ contactPoints, port, keyspace }: CassandraOptions): string {
  return `${contactPoints.join(',')}:${port}/${keyspace}`
}
