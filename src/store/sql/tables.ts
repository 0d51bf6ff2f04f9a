/** The tables of a catalog, by entity. */
import type { EntityCatalog } from '../../entities/catalog.ts'
import { type Column, type Table, tableOf } from '../../schema/columns.ts'
import { KeptStatements } from './kept-statements.ts'

// `tags` is a view of what entities carry; the store keeps it in a table of its own making.
const VIEWS: ReadonlySet<string> = new Set(['tags'])

export class Tables {
  /** Parents before children. */
  readonly list: readonly Table[]
  readonly statements = new KeptStatements()
  readonly catalog: EntityCatalog
  readonly #byName: ReadonlyMap<string, Table>

  constructor(catalog: EntityCatalog) {
    this.catalog = catalog
    this.list = catalog.definitions.filter(({ name }) => !VIEWS.has(name)).map(tableOf)
    this.#byName = new Map(this.list.map(table => [table.name, table]))
  }

  get(entity: string): Table {
    const table = this.#byName.get(entity)
    if (table === undefined) throw new Error(`invariant broken: entity '${entity}' is in the catalog`)
    return table
  }

  has(entity: string): boolean {
    return this.#byName.has(entity)
  }

  column(table: Table, field: string): Column {
    const column = table.columns.find(candidate => candidate.field === field)
    if (column === undefined) throw new Error(`invariant broken: entity '${table.name}' has a stored field '${field}'`)
    return column
  }

  /** Changes whenever exported rows could read differently, and with them the configuration's hash. */
  shape(): string {
    const exported = this.list.filter(table => table.exported)
    return JSON.stringify(exported.map(({ name, columns }) => [name, ...columns.map(column => column.name)]))
  }
}
