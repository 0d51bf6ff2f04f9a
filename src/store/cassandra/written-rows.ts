/** What a transaction has written so far, none of which is in the database yet. */
import { mapKey } from '../../base/map-key.ts'
import { EMPTY_CONFIG_HASH, type Row } from '../../entities/config.ts'
import { rowDigest, toggleDigest } from '../../entities/config-digest.ts'
import type { Table } from '../../schema/columns.ts'
import type { RowChange } from './commit-plan.ts'
import { keyOf, uniquesOf } from './rows.ts'

export class WrittenRows {
  readonly #byEntity = new Map<string, Map<string, RowChange>>()
  /** Who holds a unique value now; null when nobody does any more. */
  readonly #holders = new Map<string, string | null>()
  #exported = 0
  #digests = EMPTY_CONFIG_HASH

  get(entity: string, key: string): RowChange | undefined {
    return this.#byEntity.get(entity)?.get(key)
  }

  of(entity: string): RowChange[] {
    return [...(this.#byEntity.get(entity)?.values() ?? [])]
  }

  all(): RowChange[] {
    return [...this.#byEntity.values()].flatMap(changes => [...changes.values()])
  }

  holderOf(entity: string, field: string, value: string): string | null | undefined {
    return this.#holders.get(nameOf(entity, field, value))
  }

  get isEmpty(): boolean {
    return this.#byEntity.size === 0
  }

  /** How many of the rows data planes get. */
  get exported(): number {
    return this.#exported
  }

  /** To be toggled in the configuration's hash. */
  get digests(): string {
    return this.#digests
  }

  /** `before` is the row until now, as the transaction sees it. */
  put(table: Table, before: Row | null, after: Row | null): void {
    const key = keyOf(table, (after ?? before)!)
    for (const [field, value] of before === null ? [] : uniquesOf(table, before)) {
      const name = nameOf(table.name, field, value)
      // Another row of the transaction may hold it by now.
      if ((this.#holders.get(name) ?? key) === key) this.#holders.set(name, null)
    }
    for (const [field, value] of after === null ? [] : uniquesOf(table, after)) {
      this.#holders.set(nameOf(table.name, field, value), key)
    }
    const changes = this.#byEntity.get(table.name) ?? new Map<string, RowChange>()
    this.#byEntity.set(table.name, changes)
    const known = changes.get(key)
    if (table.exported && known === undefined) this.#exported += 1
    changes.set(key, { entity: table.name, key, before: known === undefined ? before : known.before, after })
    if (!table.exported) return
    for (const row of [before, after]) {
      if (row !== null) this.#digests = toggleDigest(this.#digests, rowDigest(table.name, key, row))
    }
  }
}

function nameOf(entity: string, field: string, value: string): string {
  return `${entity}\0${field}\0${mapKey(value)}`
}
