/**
 * How rows read on one node: which entities there are, with which fields. It follows from the plugins with entities and
 * from the router's flavor, and all nodes on one store must have the same, since the configuration's hash is made of rows.
 */
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import { schemaViolationMessage } from '../schema/messages.ts'
import { StoreError } from './errors.ts'

/** As `Tables.shape()` writes it: `[entity, column, ...]` for each. */
type Shape = ReadonlyMap<string, readonly string[]>

/** Rows that an error names. */
const namedMax = 5

function parseShape(text: string): Shape {
  const entries = JSON.parse(text) as string[][]
  return new Map(entries.map(([entity, ...columns]) => [entity!, columns]))
}

/** What another release wrote in a way of its own: of each entity nothing is known. */
function parseStored(text: string, own: Shape): Shape {
  try {
    return parseShape(text)
  } catch {
    return new Map([...own.keys()].map(entity => [entity, []]))
  }
}

/** Entities that both shapes have, with other fields. */
export function changedEntities(stored: string, own: string): string[] {
  const after = parseShape(own)
  const before = parseStored(stored, after)
  return [...after]
    .filter(([entity, columns]) => before.has(entity) && before.get(entity)!.join() !== columns.join())
    .map(([entity]) => entity)
}

/** What a store that was prepared for one shape lacks for another. */
export function missingPreparation(stored: string, own: string): string {
  const after = parseShape(own)
  const before = parseStored(stored, after)
  const texts: string[] = []
  const list = (names: readonly string[], prefix: string, suffix = '') => {
    if (names.length > 0) texts.push(`${prefix}${names.join(', ')}${suffix}`)
  }
  for (const entity of changedEntities(stored, own)) {
    const [had, has] = [before.get(entity)!, after.get(entity)!]
    const without = (names: readonly string[], others: readonly string[]) =>
      names.filter(name => !others.includes(name))
    list(without(has, had), '', ` of ${entity}`)
    list(without(had, has), `${entity} without `)
  }
  list(
    [...after.keys()].filter(entity => !before.has(entity)),
    'the entities ',
  )
  list(
    [...before.keys()].filter(entity => !after.has(entity)),
    'doing without the entities ',
  )
  return `preparation for ${texts.join(' and ')} (all nodes on it need the same plugins and the same router_flavor)`
}

/** Rows of another shape, looked at as this node would read them. */
export class UnfitRows {
  readonly #catalog: EntityCatalog
  readonly #named: string[] = []
  #count = 0

  constructor(catalog: EntityCatalog) {
    this.#catalog = catalog
  }

  look(entity: string, row: Row): void {
    const never = () => {
      throw new Error('invariant broken: nothing is generated in a row that is stored')
    }
    const context = { operation: 'stored', nowMs: 0, uuid: never, randomBytes: never } as const
    const validation = this.#catalog.validateRow(entity, row, context)
    if (validation.ok) return
    this.#count += 1
    if (this.#named.length >= namedMax) return
    const name = row['name'] ?? row['id']
    this.#named.push(`${entity} '${name}': ${schemaViolationMessage(validation.errors)}`)
  }

  /** Throws when there were any: with them, no data plane would take the configuration. */
  refuse(): void {
    if (this.#count === 0) return
    const more = this.#count - this.#named.length
    throw new StoreError(
      'database_error',
      `the store holds what does not fit the router_flavor and the plugins of this node: ${this.#named.join('; ')}` +
        `${more > 0 ? `; and ${more} more` : ''}. Change or delete it with the settings that it was made with, then try again`,
    )
  }
}
