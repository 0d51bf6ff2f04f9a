/** Small entities for the store contract: every constraint that real ones have, in as few fields as possible. */
import { createCatalog, type EntityCatalog } from '../../src/entities/catalog.ts'
import type { EntityDefinition } from '../../src/schema/entity.ts'

/** Plain data, so that the contract does not hang on the builders of the schema language. */
const entity = (definition: Omit<EntityDefinition, 'fields'> & { fields: Record<string, object> }) =>
  definition as unknown as EntityDefinition

const id = { type: 'string', uuid: true, auto: true, required: true }
const tags = { type: 'set', elements: { type: 'string' } }

const definitions: readonly EntityDefinition[] = [
  entity({
    name: 'houses',
    endpoint_key: 'name',
    fields: {
      id,
      name: { type: 'string', unique: true },
      size: { type: 'integer', default: 5 },
      price: { type: 'number' },
      open: { type: 'boolean', required: true, default: true },
      colours: { type: 'array', elements: { type: 'string' } },
      details: { type: 'record', fields: { roof: { type: 'string' } } },
      tags,
    },
  }),
  // Restricted: a house with rooms stays.
  entity({
    name: 'rooms',
    endpoint_key: 'name',
    fields: { id, name: { type: 'string', unique: true }, house: { type: 'foreign', reference: 'houses' }, tags },
  }),
  // Cascading, and unique as a tuple in which parts may be null.
  entity({
    name: 'doors',
    cache_key: ['kind', 'house', 'room'],
    fields: {
      id,
      kind: { type: 'string', required: true },
      house: { type: 'foreign', reference: 'houses', on_delete: 'cascade' },
      room: { type: 'foreign', reference: 'rooms', on_delete: 'cascade' },
    },
  }),
  entity({
    name: 'locks',
    fields: { id, door: { type: 'foreign', reference: 'doors', on_delete: 'cascade', required: true } },
  }),
  entity({
    name: 'passes',
    endpoint_key: 'code',
    ttl: true,
    fields: {
      id,
      code: { type: 'string', unique: true },
      house: { type: 'foreign', reference: 'houses', on_delete: 'cascade' },
      tags,
    },
  }),
  entity({ name: 'visits', db_export: false, fields: { id, guest: { type: 'string', unique: true } } }),
  entity({
    name: 'facts',
    primary_key: ['key'],
    fields: { key: { type: 'string', required: true }, value: { type: 'string' } },
  }),
]

export const contractCatalog: EntityCatalog = catalogOf(definitions)

/** A catalog without the core entities. */
function catalogOf(list: readonly EntityDefinition[]): EntityCatalog {
  const whole = createCatalog({ extraEntities: list })
  const names = new Set(list.map(({ name }) => name))
  return { ...whole, definitions: whole.definitions.filter(({ name }) => names.has(name)) }
}
