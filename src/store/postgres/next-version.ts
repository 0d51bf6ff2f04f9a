/** The next version of the configuration, its change log and the word to other nodes, in one statement of PostgreSQL. */
import { directOf } from '../sql/direct.ts'
import type { NextVersion, Sql, VersionChanges } from '../sql/engine.ts'

/** The XOR of two hashes of 32 hexadecimal digits, in halves that fit a 64-bit integer. */
const toggledHalf = (from: number) =>
  `lpad(to_hex(('x' || substr(config_hash, ${from}, 16))::bit(64)::bigint # ('x' || substr($1, ${from}, 16))::bit(64)::bigint), 16, '0')`

/**
 * Nobody else writes meanwhile: the transaction holds the lock on the row of `config_state` since its first statement, so
 * what this one finds in the log is the last there is.
 */
const text = `
  with known as (select min(sequence) as first, max(sequence) as last from config_changes),
  state as (
    update config_state set version = version + 1, config_hash = ${toggledHalf(1)} || ${toggledHalf(17)}
    where id = 1 returning version, config_hash
  ),
  logged as (
    insert into config_changes (sequence, version, entity, key)
    select coalesce(known.last, 0) + changed.position, state.version, changed.entity, changed.key
    from state, known, unnest($2::text[], $3::text[]) with ordinality as changed (entity, key, position)
  )
  select state.version, state.config_hash, known.first,
    case when cardinality($2::text[]) = 0 then known.last else coalesce(known.last, 0) + cardinality($2::text[]) end as last,
    pg_notify($4, state.version || ' ' || state.config_hash) is null as told
  from state, known`

export async function nextVersion(db: Sql, changes: VersionChanges, channel: string): Promise<NextVersion> {
  const { digests, entities, keys } = changes
  // Sent before this function gives way to others, since the commit follows it without waiting.
  const [row] = await directOf(db)(text, [digests, entities, keys, channel])
  if (row === undefined) throw new Error('invariant broken: the database has a state')
  const position = (value: unknown) => (value === null ? null : Number(value))
  return {
    version: Number(row['version']),
    config_hash: row['config_hash'] as string,
    first: position(row['first']),
    last: position(row['last']),
  }
}
