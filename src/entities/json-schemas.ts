/** Entities as JSON Schema, with what their subschemas add: a plugin's `config` by its name, a vault's likewise. */
import type { EntityDefinition } from '../schema/entity.ts'
import type { Field, Fields } from '../schema/field.ts'
import * as field from '../schema/field.ts'
import { type JsonSchema, type JsonSchemaOptions, recordSchema } from '../schema/json-schema.ts'
import type { EntityCatalog } from './catalog.ts'

/** Kinds of one entity that share a table: `plugins` by `name`. Routes are not among them: their protocols only add checks. */
export function kindsOf(catalog: EntityCatalog, entity: string): readonly string[] {
  if (entity === 'plugins') return [...catalog.plugins.keys()].sort()
  return entity === 'vaults' ? [...catalog.vaults.keys()].sort() : []
}

/** Fields of an entity, or of one kind of it, whose `name` is then the kind's. */
export function fieldsOf(catalog: EntityCatalog, { name, fields, ttl }: EntityDefinition, kind?: string): Fields {
  const own = ttl === true ? { ...fields, ttl: ttlField } : fields
  if (kind === undefined) return own
  const subschema = catalog.subschema(name, { name: kind })
  const added = subschema !== null && 'fields' in subschema ? subschema.fields : {}
  return { ...own, ...added, name: { ...own['name']!, one_of: [kind] } }
}

const ttlField: Field = field.integer({
  between: [0, 100_000_000],
  description: 'Seconds until the entity vanishes.',
  transient: true,
})

export function entitySchema(
  catalog: EntityCatalog,
  definition: EntityDefinition,
  options: JsonSchemaOptions,
  kind?: string,
): JsonSchema {
  return recordSchema(fieldsOf(catalog, definition, kind), definition.shorthand_fields, options)
}
