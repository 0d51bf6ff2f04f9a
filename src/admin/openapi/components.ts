/** The schemas of an OpenAPI document: made when an operation first needs one, each once. */
import { entitySchema, kindsOf } from '../../entities/json-schemas.ts'
import type { EntityCatalog } from '../../entities/catalog.ts'
import type { EntityDefinition } from '../../schema/entity.ts'
import type { Field } from '../../schema/field.ts'
import type { JsonSchema, JsonSchemaOptions } from '../../schema/json-schema.ts'

export type Use = JsonSchemaOptions['use']

export class Components {
  readonly schemas: Record<string, JsonSchema> = { error: ERROR }
  readonly #catalog: EntityCatalog

  constructor(catalog: EntityCatalog) {
    this.#catalog = catalog
  }

  readonly error: JsonSchema = { $ref: '#/components/schemas/error' }

  /** A reference to an entity's schema. `given` are fields that the path fills, so that a body need not. */
  entity(name: string, use: Use, given: readonly string[] = []): JsonSchema {
    const definition = without(this.#catalog.get(name), use === 'input' ? given : [])
    const left = given.filter(field => definition.fields[field] !== this.#catalog.get(name).fields[field])
    const key = [name, ...(use === 'answer' ? [] : [use]), ...left.map(field => `without_${field}`)].join('.')
    if (this.schemas[key] === undefined) {
      this.schemas[key] = {}
      this.schemas[key] = this.#make(definition, use, key)
    }
    return { $ref: `#/components/schemas/${key}` }
  }

  #make(definition: EntityDefinition, use: Use, key: string): JsonSchema {
    const options: JsonSchemaOptions = { use, foreign: field => this.#foreign(field, use) }
    const kinds = kindsOf(this.#catalog, definition.name)
    // A change need not name the kind, so it may be that of any.
    if (kinds.length === 0 || use === 'change') return entitySchema(this.#catalog, definition, options)
    const mapping: Record<string, string> = {}
    for (const kind of kinds) {
      const schema = entitySchema({ ...this.#catalog, get: () => definition }, definition, options, kind)
      this.schemas[`${key}.${kind}`] = schema
      mapping[kind] = `#/components/schemas/${key}.${kind}`
    }
    const discriminator = { propertyName: 'name', mapping }
    return { type: 'object', oneOf: Object.values(mapping).map($ref => ({ $ref })), discriminator }
  }

  #foreign(field: Field, use: Use): JsonSchema {
    const id = { type: 'string', format: 'uuid' }
    if (use === 'answer') return { type: 'object', properties: { id }, required: ['id'] }
    const key = this.#catalog.find(field.reference ?? '')?.endpoint_key
    return { type: 'object', properties: { id, ...(key !== undefined && { [key]: { type: 'string' } }) } }
  }
}

function without(definition: EntityDefinition, given: readonly string[]): EntityDefinition {
  const required = given.filter(name => definition.fields[name]?.required === true)
  if (required.length === 0) return definition
  const fields = { ...definition.fields }
  for (const name of required) fields[name] = { ...fields[name]!, required: false }
  return { ...definition, fields }
}

const ERROR: JsonSchema = {
  type: 'object',
  description: 'Why a request was not done.',
  properties: {
    message: { type: 'string' },
    name: { type: 'string', description: 'Kind of error.' },
    code: { type: 'integer', description: 'Number of the kind.' },
    fields: { type: 'object', description: 'What is wrong with which field.' },
  },
  required: ['message'],
}
