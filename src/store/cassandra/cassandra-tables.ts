/**
 * The tables in Cassandra. Rows of all entities are in one table, as JSON: a new entity or field needs no change of
 * tables. What Cassandra cannot find by itself (names, parents, tags, expiry) has a table of its own, each shaped for
 * one question.
 *
 * Every row written here carries the number of its commit as its time (`using timestamp`), so that writing a commit
 * again, however late, changes nothing that a later one wrote.
 */

export const CASSANDRA_MIGRATIONS: readonly {
  readonly number: number
  readonly name: string
  readonly statements: readonly string[]
}[] = [
  {
    number: 1,
    name: 'store',
    statements: [
      // One row, written by lightweight transactions only: where the configuration stands.
      `create table if not exists config_state (id int primary key, revision bigint, version bigint, config_hash text,
        attempt timeuuid, shape text, changes bigint, pruned_to bigint, pruned_changes bigint, turn text)`,
      // What each commit changes, before and after, in parts; written before the commit is decided.
      `create table if not exists config_intents (attempt timeuuid, part int, changes text, primary key (attempt, part))
        with gc_grace_seconds = 3600`,
      // The last commit whose rows are all written.
      'create table if not exists config_applied (id int primary key, revision bigint)',
      // Which rows each commit changed; 1024 commits to a partition.
      `create table if not exists config_log (bucket bigint, revision bigint, part int, version bigint, attempt timeuuid,
        changes bigint, keys text, primary key (bucket, revision, part))`,
      'create table if not exists config_rows (entity text, bucket int, key text, row text, primary key ((entity, bucket), key))',
      'create table if not exists config_unique (entity text, field text, value text, key text, primary key ((entity, field, value)))',
      `create table if not exists config_children (entity text, field text, parent text, key text,
        primary key ((entity, field, parent), key))`,
      'create table if not exists config_tags (bucket int, tag text, entity text, key text, primary key (bucket, tag, entity, key))',
      // A hint that outlives its row is dropped by the next sweep, so tombstones may go early.
      `create table if not exists config_expiries (entity text, expires_at double, key text,
        primary key (entity, expires_at, key)) with gc_grace_seconds = 3600`,
      `create table if not exists cluster_records (collection text, key text, value text, expires_at double,
        primary key (collection, key))`,
    ],
  },
]

export const CASSANDRA_TABLES = [
  'config_state',
  'config_intents',
  'config_applied',
  'config_log',
  'config_rows',
  'config_unique',
  'config_children',
  'config_tags',
  'config_expiries',
  'cluster_records',
] as const

export const BUCKETS = 16

/**
 * Partition of a key. Buckets are in the order of keys, so that pages go through them one after the other; ids are
 * random hexadecimal digits, which fill the sixteen evenly.
 */
export function bucketOf(key: string): number {
  const code = key.charCodeAt(0)
  if (!(code >= 0x30)) return 0
  if (code <= 0x39) return code - 0x30
  if (code < 0x61) return 9
  return code <= 0x66 ? code - 0x61 + 10 : 15
}

/** As Cassandra orders text: by the bytes of UTF-8. */
export function compareText(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** 64-bit integers come as objects. */
export function numberOf(value: unknown): number {
  return Number(String(value))
}
