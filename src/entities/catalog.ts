/** All definitions of a running node, and how they refer to one another. */
import type { EntityDefinition } from '../schema/entity.ts'
import type { Fields } from '../schema/field.ts'
import {
  type FieldErrors,
  type Subschema,
  type ValidateContext,
  type Validation,
  validate,
} from '../schema/validate.ts'
import { withDeprecatedNames } from '../schema/shorthands.ts'
import { coreEntities } from './all.ts'
import type { Row } from './config.ts'
import { createSubschemaFinders } from './subschemas.ts'
import type { PluginSchema } from './plugin-schema.ts'
import type { RouterFlavor } from './routes.ts'

/** A foreign field seen from the entity it points to. */
export interface ForeignReference {
  readonly entity: EntityDefinition
  readonly field: string
  readonly references: EntityDefinition
  readonly on_delete: 'cascade' | 'restrict' | 'null'
}

export type { PluginSchema } from './plugin-schema.ts'

export interface EntityCatalog {
  /** Parents before children. */
  readonly definitions: readonly EntityDefinition[]
  find(name: string): EntityDefinition | null
  get(name: string): EntityDefinition
  /** Foreign fields of an entity. */
  foreignFields(name: string): readonly ForeignReference[]
  /** Foreign fields of others that point to this entity. */
  references(name: string): readonly ForeignReference[]
  /** Enabled plugins by name. */
  readonly plugins: ReadonlyMap<string, PluginSchema>
  /** Installed vault types by name, with the fields of their config. */
  readonly vaults: ReadonlyMap<string, Fields>
  readonly router_flavor: RouterFlavor
  /** What the row's subschema key selects; null for entities without one. */
  subschema(entity: string, row: Row): Subschema | { readonly errors: FieldErrors } | null
  /** `validate` with the entity's subschemas. */
  validateRow(entity: string, input: Row, context: Omit<ValidateContext, 'subschema' | 'definition'>): Validation
  /** A stored row as it is shown: with the old names of renamed fields. */
  present(entity: string, row: Row): Row
}

export interface CatalogOptions {
  readonly plugins?: Iterable<PluginSchema>
  readonly vaults?: ReadonlyMap<string, Fields>
  /** Of plugins; parents before children. */
  readonly extraEntities?: readonly EntityDefinition[]
  /** Default `traditional_compatible`. */
  readonly router_flavor?: RouterFlavor
}

export function createCatalog(options: CatalogOptions = {}): EntityCatalog {
  const { vaults = new Map(), router_flavor = 'traditional_compatible' } = options
  const plugins = new Map([...(options.plugins ?? [])].map(plugin => [plugin.name, plugin]))
  const definitions = [...coreEntities({ router_flavor, vaults: [...vaults.keys()] }), ...(options.extraEntities ?? [])]
  const byName = new Map(definitions.map(definition => [definition.name, definition]))
  const links = foreignReferences(definitions, byName)
  const outgoing = Map.groupBy(links, link => link.entity.name)
  const incoming = Map.groupBy(links, link => link.references.name)
  const finders = createSubschemaFinders({ plugins, vaults, router_flavor })

  function get(name: string): EntityDefinition {
    const definition = byName.get(name)
    if (definition === undefined) throw new Error(`no entity named '${name}'`)
    return definition
  }
  const find: EntityCatalog['find'] = name => byName.get(name) ?? null
  const subschema: EntityCatalog['subschema'] = (entity, row) => finders.get(entity)?.(row) ?? null
  return {
    definitions,
    plugins,
    vaults,
    router_flavor,
    get,
    find,
    foreignFields: name => outgoing.get(name) ?? [],
    references: name => incoming.get(name) ?? [],
    subschema,
    validateRow: (entity, input, context) =>
      validate(get(entity), input, { ...context, subschema: row => subschema(entity, row), definition: find }),
    present(entity, row) {
      const definition = get(entity)
      const found = subschema(entity, row)
      const fields = found !== null && 'fields' in found ? { ...definition.fields, ...found.fields } : definition.fields
      return withDeprecatedNames(fields, definition.shorthand_fields, row)
    },
  }
}

function foreignReferences(
  definitions: readonly EntityDefinition[],
  byName: ReadonlyMap<string, EntityDefinition>,
): ForeignReference[] {
  return definitions.flatMap(entity =>
    Object.entries(entity.fields).flatMap(([field, { type, reference, on_delete = 'restrict' }]) => {
      if (type !== 'foreign') return []
      const references = byName.get(reference!)
      if (references === undefined) throw new Error(`${entity.name}.${field} refers to unknown entity '${reference}'`)
      return [{ entity, field, references, on_delete }]
    }),
  )
}
