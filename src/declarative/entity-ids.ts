/** Ids for entities that a declarative file gives none: the same for the same file, on every node. Kong's rules. */
import type { EntityDefinition } from '../schema/entity.ts'
import { luaText } from '../schema/messages.ts'
import { uuidV5 } from './uuid-v5.ts'

const ROOT_NAMESPACE = 'fd02801f-0957-4a15-a55a-c8d9606f30b5'
/** Stands for the workspace; the open-source gateway has one. */
const ANY_WORKSPACE = '*'

export interface IdSource {
  readonly definition: EntityDefinition
  readonly values: Readonly<Record<string, unknown>>
  /** The foreign field that nesting fills, and with which id. */
  readonly parentField: string | null
  readonly parentId: string | null
}

const namespaces = new Map<string, string>()

function namespaceOf(entity: string): string {
  let namespace = namespaces.get(entity)
  if (namespace === undefined) namespaces.set(entity, (namespace = uuidV5(ROOT_NAMESPACE, entity)))
  return namespace
}

/** Null when nothing tells this entity from its like; then any id will do. */
export function deterministicId(source: IdSource): string | null {
  const { definition } = source
  const combined = definition.cache_key === undefined ? null : cacheKey(source, definition.cache_key)
  // Kong makes ids of credentials at random since 3.0, as their keys can be automatic; given ones serve us as before.
  const key = combined ?? endpointKey(source)
  return key === null ? null : uuidV5(namespaceOf(definition.name), key)
}

/** Foreign keys count by the text that the file has for them: names stay names. */
function cacheKey({ definition, values, parentField, parentId }: IdSource, names: readonly string[]): string | null {
  const parts = [definition.name, ANY_WORKSPACE]
  for (const name of names) {
    const field = definition.fields[name]!
    const value = values[name]
    if (field.auto === true) return null
    if (typeof value === 'string') parts.push(value)
    else if (value === undefined && name === parentField) parts.push(parentId!)
    else if (value === undefined && field.required === true) return null
    else if (value === undefined) parts.push('')
  }
  return parts.join(':')
}

function endpointKey({ definition, values, parentField, parentId }: IdSource): string | null {
  const name = definition.endpoint_key
  const value = name === undefined ? undefined : values[name]
  if (name === undefined || typeof value !== 'string') return null
  const field = definition.fields[name]!
  if (field.unique === true) return value
  const parents = Object.entries(definition.fields)
    .filter(([, { type, on_delete }]) => type === 'foreign' && on_delete === 'cascade')
    .map(([foreign]) => (parentField === null ? luaText(values[foreign] ?? '') : parentId!))
  return [value, ...parents, ...(field.unique_across_ws === true ? [] : [ANY_WORKSPACE])].join(':')
}
