/** All definitions of a running node, and how they refer to one another. */
import type { EntityDefinition } from '../schema/entity.ts'
import type { Fields } from '../schema/field.ts'
import type { FieldErrors, Subschema } from '../schema/validate.ts'

/** A foreign field seen from the entity it points to. */
export interface ForeignReference {
  readonly entity: EntityDefinition
  readonly field: string
  readonly references: EntityDefinition
  readonly on_delete: 'cascade' | 'restrict' | 'null'
}

export interface PluginSchema {
  readonly name: string
  readonly config: Fields
  readonly protocols: readonly string[]
  readonly protocols_default?: readonly string[]
  readonly scopes: readonly string[]
  readonly priority: number
  readonly entity_checks?: EntityDefinition['entity_checks']
  readonly shorthand_fields?: EntityDefinition['shorthand_fields']
  /** A message on the whole of `config`, or null; Kong's `custom_validator` of the record. */
  config_validator?(config: Readonly<Record<string, unknown>>): string | null
}

export interface EntityCatalog {
  /** Parents before children. */
  readonly definitions: readonly EntityDefinition[]
  find(name: string): EntityDefinition | null
  get(name: string): EntityDefinition
  /** Foreign fields of an entity. */
  foreignFields(name: string): readonly ForeignReference[]
  /** Foreign fields of others that point to this entity. */
  references(name: string): readonly ForeignReference[]
  /** The further definition that a row's subschema key selects, errors when it names none, null when there is none to select. */
  subschema(entity: string, row: Readonly<Record<string, unknown>>): Subschema | { readonly errors: FieldErrors } | null
  /** Enabled plugins by name. */
  readonly plugins: ReadonlyMap<string, PluginSchema>
  /** Installed vault types by name, with the fields of their config. */
  readonly vaults: ReadonlyMap<string, Fields>
}
