/** Rules that a schema cannot say, because they need other rows: what such a rule looks like. */
import type { EntityCatalog } from '../../entities/catalog.ts'
import type { Row } from '../../entities/config.ts'
import type { StoreReads } from '../store.ts'

export type Input = Readonly<Record<string, unknown>>

/** What a rule may use to write rows of other entities, with all that an ordinary write does. */
export interface RuleTools {
  readonly catalog: EntityCatalog
  readonly reads: StoreReads
  insert(entity: string, input: Input): Promise<void>
  delete(entity: string, key: string): Promise<void>
}

/** How a row was asked for. */
export interface Wish {
  readonly input: Input
  /** A whole row of an export or a file, with all defaults written out. */
  readonly isImported: boolean
}

export interface EntityRules {
  /** Normalises a valid row before it is stored. */
  readonly normalize?: (row: Record<string, unknown>, input: Input) => void
  /** Refuses a valid row for what others say; `existing` is the row it replaces. */
  readonly check?: (row: Row, existing: Row | null, tools: RuleTools, wish: Wish) => Promise<void>
  /** Writes what belongs to the row but is kept elsewhere. */
  readonly afterWrite?: (row: Row, tools: RuleTools) => Promise<void>
  readonly beforeDelete?: (key: string, tools: RuleTools) => Promise<void>
  /** Adds what belongs to the row but is kept elsewhere. */
  readonly present?: (row: Row, reads: StoreReads) => Promise<Row>
  /** The primary key for a text that is neither an id nor an endpoint key. */
  readonly locate?: (name: string, reads: StoreReads) => Promise<string | null>
}

/** All rows that match, page by page. */
export async function* rowsWhere(reads: StoreReads, entity: string, where: Readonly<Record<string, string>>) {
  let after: string | null = null
  do {
    const page: Awaited<ReturnType<StoreReads['page']>> = await reads.page(entity, { size: 500, after, where })
    yield* page.rows
    after = page.next
  } while (after !== null)
}
