/** Errors of a declarative configuration as a list by entity, for clients that show them next to their own objects. */
import type { EntityCatalog } from '../entities/catalog.ts'
import { isObject, setMember } from '../schema/defaults.ts'
import type { ErrorTree } from './pretty-errors.ts'

export interface FlattenedError {
  readonly entity_type: string
  readonly entity_id?: string
  readonly entity_name?: string
  readonly entity_tags?: readonly string[]
  readonly entity: Readonly<Record<string, unknown>>
  readonly errors: readonly (
    | { readonly type: 'entity'; readonly message: string }
    | { readonly type: 'field'; readonly field: string; readonly message: string }
  )[]
}

type Value = Readonly<Record<string, unknown>>

/** `rest` holds what belongs to no entity. Nested entities get an entry of their own, with a key to their parent. */
export function flattenErrors(
  document: Value,
  errors: ErrorTree,
  catalog: EntityCatalog,
): { readonly flattened: readonly FlattenedError[]; readonly rest: Record<string, unknown> } {
  const flattened: FlattenedError[] = []
  const rest: Record<string, unknown> = {}
  for (const section of Object.keys(errors).sort()) {
    const faults = errors[section]
    const entities = document[section]
    if (Array.isArray(faults) && Array.isArray(entities)) placeAll(section, entities, faults)
    else rest[section] = faults
  }
  return { flattened, rest }

  /** Where the document has no object, nothing is reported: so does Kong. */
  function placeAll(section: string, entities: readonly unknown[], faults: readonly unknown[]): void {
    for (const [at, fault] of faults.entries()) {
      const entity = entities[at]
      if (fault !== null && isObject(entity)) addEntity(section, entity, fault)
    }
  }

  function addEntity(type: string, given: Value, fault: unknown): void {
    const own: Record<string, unknown> = isObject(fault) ? { ...fault } : { '@entity': [fault] }
    const entity: Record<string, unknown> = { ...given }
    const id = uuidOf(given)
    for (const { entity: child, field } of catalog.references(type)) {
      const items = entity[child.name]
      if (!Array.isArray(items)) continue
      const faults = own[child.name]
      delete entity[child.name]
      delete own[child.name]
      for (const [at, member] of (Array.isArray(faults) ? faults : []).entries()) {
        const item = items[at]
        if (member === null || !isObject(item)) continue
        const link = id === null || item[field] !== undefined ? {} : { [field]: { id } }
        addEntity(child.name, { ...item, ...link }, member)
      }
    }
    for (const { field, references } of catalog.foreignFields(type)) {
      const parent = entity[field]
      if (!isObject(parent)) continue
      const faults = own[field]
      const parentId = uuidOf(parent)
      delete entity[field]
      if (parentId !== null) entity[field] = { id: parentId }
      delete own[field]
      if (faults !== undefined && faults !== null) addEntity(references.name, parent, faults)
    }
    const list = listErrors(own, '')
    if (list.length === 0) return
    flattened.push({ ...identity(type, given, id), entity, errors: list })
  }
}

function identity(type: string, { name, tags }: Value, id: string | null) {
  const areTags = Array.isArray(tags) && tags.every(tag => typeof tag === 'string')
  return {
    entity_type: type.replace(/s$/, ''),
    ...(id !== null && { entity_id: id }),
    ...(typeof name === 'string' && name !== '' && { entity_name: name }),
    ...(areTags && { entity_tags: tags as string[] }),
  }
}

function uuidOf({ id }: Value): string | null {
  return typeof id === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id) ? id : null
}

/** Fields by their full path; positions count from 1. */
function listErrors(errors: object, path: string): FlattenedError['errors'][number][] {
  const list = Array.isArray(errors)
  const members: Record<string, unknown> = {}
  for (const [key, error] of Object.entries(errors)) setMember(members, list ? String(Number(key) + 1) : key, error)
  return Object.keys(members)
    .sort()
    .flatMap(key => {
      const error = members[key]
      if (error === null) return []
      const field = path === '' ? key : `${path}.${key}`
      if (key === '@entity') {
        const texts = Array.isArray(error) ? error : [error]
        return texts.map(text => ({ type: 'entity' as const, message: String(text) }))
      }
      if (typeof error === 'object') return listErrors(error as object, field)
      return [{ type: 'field' as const, field, message: String(error) }]
    })
}
