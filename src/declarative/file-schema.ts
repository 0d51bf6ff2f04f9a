/** The JSON Schema of a declarative file (`kong.yml`): what editors complete and check it with. */
import type { EntityCatalog } from '../entities/catalog.ts'
import { fieldsOf, kindsOf } from '../entities/json-schemas.ts'
import type { EntityDefinition } from '../schema/entity.ts'
import { fieldSchema, type JsonSchema, type JsonSchemaOptions, recordSchema } from '../schema/json-schema.ts'
import { declarableEntities, FORMAT_VERSIONS, nestableEntities } from './document-tree.ts'

const COMMENTS: Record<string, JsonSchema> = {
  _comment: { type: 'string', description: 'For people; the gateway does not read it.' },
  _ignore: { type: 'array', description: 'A place for what the gateway should not read, such as YAML anchors.' },
}

const OPTIONS: JsonSchemaOptions = {
  use: 'input',
  foreign: field => ({
    description: `Id or name of one of ${field.reference}.`,
    anyOf: [
      { type: 'string' },
      { type: 'object', properties: { id: { type: 'string' } }, required: ['id'], additionalProperties: false },
    ],
  }),
}

export function fileSchema(catalog: EntityCatalog): JsonSchema {
  const definitions = declarableEntities(catalog).filter(({ name }) => !INTERNAL.has(name))
  const $defs: Record<string, JsonSchema> = {}
  for (const definition of definitions) {
    $defs[definition.name] = entryOf(catalog, definition, $defs)
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Declarative configuration of the gateway (kong.yml)',
    type: 'object',
    properties: {
      _format_version: { enum: [...FORMAT_VERSIONS].reverse(), description: 'Of this file.' },
      _transform: { type: 'boolean', default: true, description: 'False: passwords and the like are hashed already.' },
      ...COMMENTS,
      ...Object.fromEntries(definitions.map(({ name }) => [name, listOf(name)])),
      ...Object.fromEntries([...INTERNAL].map(name => [name, { type: ['array', 'null'] }])),
    },
    required: ['_format_version'],
    additionalProperties: false,
    $defs,
  }
}

/** Nobody writes these by hand, but exported files may have them. */
const INTERNAL = new Set(['workspaces', 'parameters', 'clustering_data_planes'])

const listOf = (name: string): JsonSchema => ({ type: ['array', 'null'], items: { $ref: `#/$defs/${name}` } })

/** One entity, with the entities that may be nested in it. Where it is nested itself, its parent is known. */
function entryOf(catalog: EntityCatalog, definition: EntityDefinition, $defs: Record<string, JsonSchema>): JsonSchema {
  const fields = Object.fromEntries(
    Object.entries(fieldsOf(catalog, definition)).map(([name, field]) => {
      return [name, field.type === 'foreign' ? { ...field, required: false } : field]
    }),
  )
  const own = recordSchema(fields, definition.shorthand_fields, OPTIONS)
  const children = [...nestableEntities(catalog, definition).keys()].filter(name => !INTERNAL.has(name))
  const nested = Object.fromEntries(children.map(name => [name, listOf(name)]))
  const properties = { ...(own['properties'] as object), ...nested, ...COMMENTS }
  return { ...own, properties, ...kinds(catalog, definition, $defs) }
}

/** `config` by `name`: as conditions, so that an editor says what is wrong with the plugin that is meant. */
function kinds(catalog: EntityCatalog, definition: EntityDefinition, $defs: Record<string, JsonSchema>): JsonSchema {
  const names = kindsOf(catalog, definition.name)
  if (names.length === 0) return {}
  const allOf = names.map(name => {
    const { config, ...others } = fieldsOf(catalog, definition, name)
    const key = configKey(definition.name, name)
    $defs[key] = fieldSchema(config!, OPTIONS)
    const changed = Object.entries(others).filter(([field, value]) => value !== definition.fields[field])
    const properties = Object.fromEntries(changed.map(([field, value]) => [field, fieldSchema(value, OPTIONS)]))
    const isNeeded = !(Array.isArray($defs[key]!['type']) || $defs[key]!['type'] === undefined)
    return {
      if: { properties: { name: { const: name } }, required: ['name'] },
      // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
      then: {
        properties: { ...properties, config: { $ref: `#/$defs/${key}` } },
        ...(isNeeded && { required: ['config'] }),
      },
    }
  })
  return { allOf: [{ properties: { name: { enum: names } } }, ...allOf] }
}

/** Where the schema of a plugin's or vault's `config` is. */
export const configKey = (entity: string, name: string): string => `${entity}.${name}.config`
