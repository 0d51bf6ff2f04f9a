/** Which rows changed in which version, as far back as memory is spent on it. */
import { canonicalJson } from '../../entities/config-digest.ts'
import type { Tables } from '../sql/tables.ts'
import type { Contents } from './contents.ts'

interface Version {
  readonly version: number
  readonly changed: readonly (readonly [entity: string, key: string])[]
}

export class DeltaHistory {
  readonly #changesKept: number
  readonly #versions: Version[] = []
  #kept = 0
  #prunedTo = 0

  constructor(changesKept: number) {
    this.#changesKept = changesKept
  }

  record(version: number, before: Contents, after: Contents, tables: Tables): void {
    const changed: (readonly [string, string])[] = []
    for (const { name } of tables.list.filter(table => table.exported)) {
      const old = before.get(name)?.rows
      const current = after.get(name)?.rows
      for (const [key, row] of current ?? []) {
        const known = old?.get(key)
        if (known === undefined || canonicalJson(known) !== canonicalJson(row)) changed.push([name, key])
      }
      for (const key of old?.keys() ?? []) {
        if (!current?.has(key)) changed.push([name, key])
      }
    }
    this.#versions.push({ version, changed })
    this.#kept += changed.length
    while (this.#kept > this.#changesKept) {
      const oldest = this.#versions.shift()!
      this.#kept -= oldest.changed.length
      this.#prunedTo = oldest.version
    }
  }

  /** Keys by entity, or null when the history begins later than `version` or ends before it. */
  since(version: number, current: number): ReadonlyMap<string, ReadonlySet<string>> | null {
    if (version < this.#prunedTo || version > current) return null
    const changed = new Map<string, Set<string>>()
    for (const entry of this.#versions) {
      if (entry.version <= version) continue
      for (const [entity, key] of entry.changed) {
        const keys = changed.get(entity)
        if (keys === undefined) changed.set(entity, new Set([key]))
        else keys.add(key)
      }
    }
    return changed
  }
}
