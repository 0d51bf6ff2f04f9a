/**
 * Configuration as it travels: rows, changes, versions.
 *
 * The store writes a change log of these, the control plane sends them, the data plane saves them and the
 * workers compile them. There is no other form in which configuration moves.
 */

/** One entity as stored: every field of its definition present, unset ones null, foreign keys as `{ id }`. */
export type Row = Readonly<Record<string, unknown>>

/** One row put or removed. `key` is the primary key as text: `id`, except for `parameters` (its `key`). */
export interface ConfigChange {
  readonly entity: string
  readonly key: string
  /** The whole new row, or null when it was deleted. */
  readonly row: Row | null
}

/** A point in the history of one configuration. */
export interface ConfigHead {
  /** Counts committed transactions; grows by at least one with each. 0 is the empty configuration. */
  readonly version: number
  /** 32 hex characters over all exported rows; equal rows give equal hashes in any order (see config-digest.ts). */
  readonly config_hash: string
}

/** What turns the configuration at `from` into the one at `version`. */
export interface ConfigDelta extends ConfigHead {
  readonly from: number
  /** In order; a row that changed twice may appear once, with its last value. Parents come before children. */
  readonly changes: readonly ConfigChange[]
}

/** The hash of a configuration without rows; the constant is Kong's. */
export const EMPTY_CONFIG_HASH = '0'.repeat(32)

export const EMPTY_HEAD: ConfigHead = { version: 0, config_hash: EMPTY_CONFIG_HASH }

/** Why a data plane refused a version: which entity, which field, what is wrong with it. */
export interface ConfigRefusal {
  readonly entity: string
  readonly key: string
  readonly field: string | null
  readonly message: string
}
