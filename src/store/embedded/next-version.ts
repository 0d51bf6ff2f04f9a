/** The next version of the configuration and the lines of its change log, on the writing connection of SQLite. */
import type { DatabaseSync } from 'node:sqlite'
import { toggleDigest } from '../../entities/config-digest.ts'
import type { NextVersion, VersionChanges } from '../sql/engine.ts'

const stateQuery = `select "version", "config_hash",
  (select min("sequence") from "config_changes") as "first", (select max("sequence") from "config_changes") as "last"
  from "config_state" where "id" = 1`

interface State {
  readonly version: number
  readonly config_hash: string
  readonly first: number | null
  readonly last: number | null
}

/** The tables may be made later than this; statements are prepared when first needed. */
export function nextVersionOf(writer: DatabaseSync): (changes: VersionChanges) => NextVersion {
  const prepare = () => ({
    state: writer.prepare(stateQuery),
    head: writer.prepare('update "config_state" set "version" = ?, "config_hash" = ? where "id" = 1'),
    log: writer.prepare('insert into "config_changes" ("sequence", "version", "entity", "key") values (?, ?, ?, ?)'),
  })
  let statements: ReturnType<typeof prepare> | null = null
  return ({ digests, entities, keys }) => {
    statements ??= prepare()
    const { state, head, log } = statements
    const before = state.get() as unknown as State
    const version = before.version + 1
    const config_hash = toggleDigest(before.config_hash, digests)
    head.run(version, config_hash)
    let last = before.last
    for (const [at, entity] of entities.entries()) {
      last = (last ?? 0) + 1
      log.run(last, version, entity, keys[at]!)
    }
    return { version, config_hash, first: before.first, last }
  }
}
