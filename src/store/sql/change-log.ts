/**
 * The version, the hash and the recent changes of a configuration, kept in the database beside it.
 *
 * The log says only which rows changed in which version. A delta is put together from the rows as they are now, so
 * each changed row appears once, with its last value, and no credential is stored twice.
 */
import { EMPTY_CONFIG_HASH, type ConfigHead } from '../../entities/config.ts'
import { toggleDigest } from '../../entities/config-digest.ts'
import type { Answered, NextVersion, Sql, SqlEngine } from './engine.ts'

/**
 * Changes kept. A data plane that was away for less than this many catches up by a delta; more would cost as much
 * as a snapshot of a large configuration, and twice the disk.
 */
export const CHANGES_KEPT = 20_000

/** What one transaction changed, collected until it ends. */
export class PendingChanges {
  readonly #changed = new Map<string, { readonly entity: string; readonly key: string }>()
  #digests = EMPTY_CONFIG_HASH

  /** `before` and `after` are row digests, null where there was no row. */
  add(entity: string, key: string, before: string | null, after: string | null): void {
    this.#changed.set(`${entity}\0${key}`, { entity, key })
    if (before !== null) this.#digests = toggleDigest(this.#digests, before)
    if (after !== null) this.#digests = toggleDigest(this.#digests, after)
  }

  get isEmpty(): boolean {
    return this.#changed.size === 0
  }

  /**
   * Sends version, hash and log; to be called last, within a transaction that keeps other writers out. Where statements
   * are pipelined, nothing is answered yet when this resolves.
   */
  async send(engine: SqlEngine, db: Sql, changesKept: number): Promise<Answered<NextVersion>> {
    const isLarge = this.#changed.size > changesKept
    const changed = isLarge ? [] : [...this.#changed.values()]
    const next = engine.nextVersion(db, {
      digests: this.#digests,
      entities: changed.map(({ entity }) => entity),
      keys: changed.map(({ key }) => key),
    })
    if (isLarge) await forgetAll(db, (await next).version)
    next.catch(() => undefined) // Whoever asks for the answer is told.
    return () => next
  }
}

/** Where the log is to be cut after a version was made; null when it is short enough. */
export function excessOf({ first, last }: NextVersion, changesKept: number): number | null {
  // In steps, so that a steady stream of small changes does not pay for a deletion each.
  return last !== null && last - changesKept - (first ?? last) >= pruneStep ? last - changesKept : null
}

/** Forgets whole versions only: a version that is known in part would yield a wrong delta. */
export async function prune(db: Sql, upTo: number): Promise<void> {
  const cut = await db
    .selectFrom('config_changes')
    .select('version')
    .where('sequence', '<=', upTo)
    .orderBy('sequence', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (cut === undefined) return
  const version = Number(cut['version'])
  await db.deleteFrom('config_changes').where('version', '<=', version).execute()
  await db.updateTable('config_state').set({ pruned_to: version }).where('id', '=', 1).execute()
}
const pruneStep = 100

/** After so large a change, a snapshot is the shorter way for everybody. */
async function forgetAll(db: Sql, version: number): Promise<void> {
  await db.deleteFrom('config_changes').execute()
  await db.updateTable('config_state').set({ pruned_to: version }).where('id', '=', 1).execute()
}

export async function readHead(db: Sql): Promise<ConfigHead> {
  const state = await db
    .selectFrom('config_state')
    .select(['version', 'config_hash'])
    .where('id', '=', 1)
    .executeTakeFirstOrThrow()
  return { version: Number(state['version']), config_hash: state['config_hash'] as string }
}

/** Keys changed after `version` by entity, or null when the log begins later. */
export async function changedKeys(db: Sql, version: number): Promise<Map<string, string[]> | null> {
  const state = await db.selectFrom('config_state').selectAll().where('id', '=', 1).executeTakeFirstOrThrow()
  // A version from the future belongs to another history: the file was replaced by an older copy.
  if (version < Number(state['pruned_to']) || version > Number(state['version'])) return null
  const changes = await db
    .selectFrom('config_changes')
    .select(['entity', 'key'])
    .distinct()
    .where('version', '>', version)
    .execute()
  const keys = new Map<string, string[]>()
  for (const { entity, key } of changes) {
    const known = keys.get(entity)
    if (known === undefined) keys.set(entity, [key])
    else known.push(key)
  }
  return keys
}
