/** What the catalog knows of a plugin: the part of its definition that concerns configuration. */
import type { EntityDefinition } from '../schema/entity.ts'
import type { Fields } from '../schema/field.ts'

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
