/**
 * The two ends that synchronisation joins. `gateway.ts` connects them through a socket (hybrid mode) or directly
 * (traditional mode, DB-less): whoever proxies sees only the sink's side, whoever owns the store only the source's.
 */
import type { ConfigChange, ConfigDelta, ConfigHead, ConfigRefusal } from '../entities/config.ts'

/** Where configuration comes from: the store of a control plane, seen through what synchronisation needs. */
export interface ConfigSource {
  head(): Promise<ConfigHead>
  /** Fires after each commit, also of other nodes on the same store. */
  onHead(listener: (head: ConfigHead) => void): () => void
  /** Null when a full snapshot is needed. */
  changesSince(version: number): Promise<ConfigDelta | null>
  /** The whole configuration in batches, parents before children. */
  export(): Promise<{ readonly head: ConfigHead; readonly batches: AsyncIterable<readonly ConfigChange[]> }>
}

/**
 * How applying a version ended. `resync`: the rows of a delta do not add up to its hash, so the copy here and the one
 * at the source differ, and only a full snapshot helps.
 */
export type ApplyOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly refusal: ConfigRefusal; readonly resync?: boolean }

/**
 * Where configuration goes: validate, compile in every worker, persist, then swap. Calls are made one at a time.
 * A refused version changes nothing. An exception means that the sink itself is broken, not the configuration.
 */
export interface ConfigSink {
  /** What is running now; EMPTY_HEAD if nothing ever was. */
  head(): ConfigHead
  applyDelta(delta: ConfigDelta): Promise<ApplyOutcome>
  /** Replaces everything. Batches may be large in number; the sink must not hold more of them than it needs. */
  applySnapshot(head: ConfigHead, batches: AsyncIterable<readonly ConfigChange[]>): Promise<ApplyOutcome>
}
