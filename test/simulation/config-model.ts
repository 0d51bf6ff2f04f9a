/** A configuration source and a sink in memory, simple enough to be right: what tests of the cluster hold on to. */
import type { ApplyOutcome, ConfigSink, ConfigSource } from '../../src/cluster/link.ts'
import {
  type ConfigChange,
  type ConfigDelta,
  type ConfigHead,
  type ConfigRefusal,
  EMPTY_CONFIG_HASH,
  EMPTY_HEAD,
  type Row,
} from '../../src/entities/config.ts'
import { rowDigest, toggleDigest } from '../../src/entities/config-digest.ts'

export function hashOf(rows: Iterable<ConfigChange>): string {
  let hash = EMPTY_CONFIG_HASH
  for (const change of rows) hash = toggleDigest(hash, digestOf(change))
  return hash
}

function digestOf({ entity, key, row }: ConfigChange): string {
  return rowDigest(entity, key, row!)
}

const place = (change: ConfigChange) => `${change.entity}\0${change.key}`

/** A store as synchronisation sees it, with a change log of limited length; several control planes may share one. */
export class ModelSource implements ConfigSource {
  readonly rows = new Map<string, ConfigChange>()
  readonly #log: { readonly version: number; readonly changes: readonly ConfigChange[] }[] = []
  readonly #listeners = new Set<(head: ConfigHead) => void>()
  readonly #logLength: number
  #head = EMPTY_HEAD
  exports = 0

  constructor(logLength = 50) {
    this.#logLength = logLength
  }

  commit(...changes: readonly ConfigChange[]): ConfigHead {
    let { config_hash } = this.#head
    for (const change of changes) {
      const before = this.rows.get(place(change))
      if (before !== undefined) config_hash = toggleDigest(config_hash, digestOf(before))
      if (change.row === null) this.rows.delete(place(change))
      else {
        this.rows.set(place(change), change)
        config_hash = toggleDigest(config_hash, digestOf(change))
      }
    }
    this.#head = { version: this.#head.version + 1, config_hash }
    this.#log.push({ version: this.#head.version, changes })
    if (this.#log.length > this.#logLength) this.#log.shift()
    for (const listener of this.#listeners) listener(this.#head)
    return this.#head
  }

  headNow(): ConfigHead {
    return this.#head
  }
  async head(): Promise<ConfigHead> {
    return this.#head
  }
  onHead(listener: (head: ConfigHead) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  deltaSince(from: number): ConfigDelta | null {
    const first = this.#log[0]
    if (first === undefined || from < first.version - 1 || from > this.#head.version) return null
    const changes = this.#log.filter(entry => entry.version > from).flatMap(entry => entry.changes)
    // Only the last value of a row counts.
    return { from, ...this.#head, changes: [...new Map(changes.map(change => [place(change), change])).values()] }
  }
  async changesSince(version: number): Promise<ConfigDelta | null> {
    return this.deltaSince(version)
  }

  async export() {
    this.exports++
    const all = [...this.rows.values()]
    async function* batches() {
      for (let i = 0; i < all.length; i += 100) yield all.slice(i, i + 100)
    }
    return { head: this.#head, batches: batches() }
  }
}

/** Applies at once and all or nothing; refuses what `refuse` names. */
export class ModelSink implements ConfigSink {
  rows = new Map<string, ConfigChange>()
  refuse: (change: ConfigChange) => ConfigRefusal | null = () => null
  applied: ConfigHead[] = []
  snapshots = 0
  #head: ConfigHead = EMPTY_HEAD
  readonly #waiting: { readonly version: number; readonly resolve: () => void }[] = []

  head(): ConfigHead {
    return this.#head
  }

  /** Resolves when this version, or a later one, runs. */
  reached(version: number): Promise<void> {
    if (this.#head.version >= version) return Promise.resolve()
    return new Promise(resolve => {
      this.#waiting.push({ version, resolve })
    })
  }

  applyDeltaNow(delta: ConfigDelta): ApplyOutcome {
    const rows = new Map(this.rows)
    for (const change of delta.changes) {
      const refusal = change.row === null ? null : this.refuse(change)
      if (refusal !== null) return { ok: false, refusal }
      if (change.row === null) rows.delete(place(change))
      else rows.set(place(change), change)
    }
    return this.#become(delta, rows, true)
  }
  async applyDelta(delta: ConfigDelta): Promise<ApplyOutcome> {
    return this.applyDeltaNow(delta)
  }

  applySnapshotNow(head: ConfigHead, changes: readonly ConfigChange[]): ApplyOutcome {
    for (const change of changes) {
      const refusal = this.refuse(change)
      if (refusal !== null) return { ok: false, refusal }
    }
    this.snapshots++
    return this.#become(head, new Map(changes.map(change => [place(change), change])), false)
  }
  async applySnapshot(head: ConfigHead, batches: AsyncIterable<readonly ConfigChange[]>): Promise<ApplyOutcome> {
    const changes: ConfigChange[] = []
    for await (const batch of batches) changes.push(...batch)
    return this.applySnapshotNow(head, changes)
  }

  #become({ version, config_hash }: ConfigHead, rows: Map<string, ConfigChange>, isDelta: boolean): ApplyOutcome {
    const hash = hashOf(rows.values())
    if (hash !== config_hash) {
      const refusal = { entity: '', key: '', field: 'config_hash', message: `is ${hash}, expected ${config_hash}` }
      return { ok: false, refusal, resync: isDelta }
    }
    this.rows = rows
    this.#head = { version, config_hash }
    this.applied.push(this.#head)
    for (const { version: wanted, resolve } of this.#waiting) if (version >= wanted) resolve()
    return { ok: true }
  }
}

export function aRoute(key: string, members: Row = {}): ConfigChange {
  return { entity: 'routes', key, row: { id: key, name: `route-${key}`, paths: ['/'], ...members } }
}
