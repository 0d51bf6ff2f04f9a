/** A declarative document as a tree of items: entities with the entities nested in them, and what is wrong with each. */
import type { EntityCatalog } from '../entities/catalog.ts'
import { isObject } from '../schema/defaults.ts'
import type { EntityDefinition } from '../schema/entity.ts'
import { MESSAGES, message } from '../schema/messages.ts'

export interface Item {
  readonly definition: EntityDefinition
  /** As in the file, without nested entities, comments and what is to be ignored. */
  readonly values: Readonly<Record<string, unknown>>
  /** Place in its list, from 0. */
  readonly index: number
  readonly parent: Item | null
  /** The foreign field that nesting fills. */
  readonly parentField: string | null
  readonly lists: ReadonlyMap<string, readonly (Item | string | null)[]>
  /** By field. */
  readonly errors: Record<string, unknown>
}

/** A place of a list holds an item, or the error for something that is none, or null where an item is all right. */
export interface DocumentTree {
  readonly lists: ReadonlyMap<string, readonly (Item | string | null)[]>
  /** Of the top level itself. */
  readonly errors: Record<string, unknown>
}

export const FORMAT_VERSIONS = ['1.1', '2.1', '3.0'] as const

/** Entities a file may hold: all but the view of tags. Parents before children. */
export function declarableEntities(catalog: EntityCatalog): readonly EntityDefinition[] {
  return catalog.definitions.filter(definition => definition.name !== 'tags')
}

export function readTree(document: Readonly<Record<string, unknown>>, catalog: EntityCatalog): DocumentTree {
  const errors: Record<string, unknown> = {}
  const lists = new Map<string, (Item | string | null)[]>()
  const names = new Set(declarableEntities(catalog).map(definition => definition.name))
  for (const [name, value] of Object.entries(document)) {
    const error = name.startsWith('_') ? metaError(name, value) : names.has(name) ? null : MESSAGES.unknown
    if (error !== null) errors[name] = error
    else if (names.has(name) && value !== null) readList(catalog, catalog.get(name), value, null, lists, errors)
  }
  if ((document['_format_version'] ?? null) === null) errors['_format_version'] = MESSAGES.required
  return { lists, errors }
}

function metaError(name: string, value: unknown): string | null {
  if (name === '_ignore') return value === null || Array.isArray(value) ? null : MESSAGES.array
  if (value === null) return null
  if (name === '_comment') return typeof value === 'string' ? null : MESSAGES.string
  if (name === '_transform') return typeof value === 'boolean' ? null : MESSAGES.boolean
  if (name !== '_format_version') return MESSAGES.unknown
  if (typeof value !== 'string') return MESSAGES.string
  return (FORMAT_VERSIONS as readonly string[]).includes(value) ? null : message.oneOf(FORMAT_VERSIONS)
}

function readList(
  catalog: EntityCatalog,
  definition: EntityDefinition,
  value: unknown,
  parent: Item | null,
  lists: Map<string, (Item | string | null)[]>,
  errors: Record<string, unknown>,
): void {
  // Lua has one kind of table: an empty object is an empty list.
  const list = isObject(value) && Object.keys(value).length === 0 ? [] : value
  if (!Array.isArray(list)) {
    errors[definition.name] = MESSAGES.array
    return
  }
  lists.set(
    definition.name,
    list.map((member, index) => {
      if (member === null) return MESSAGES.required
      return isObject(member) ? readItem(catalog, definition, member, index, parent) : MESSAGES.record
    }),
  )
}

function readItem(
  catalog: EntityCatalog,
  definition: EntityDefinition,
  member: Readonly<Record<string, unknown>>,
  index: number,
  parent: Item | null,
): Item {
  const children = nestableEntities(catalog, definition)
  const values: Record<string, unknown> = {}
  const lists = new Map<string, (Item | string | null)[]>()
  const parentField =
    parent === null ? null : (nestableEntities(catalog, parent.definition).get(definition.name) ?? null)
  const item: Item = { definition, values, index, parent, parentField, lists, errors: {} }
  for (const [name, value] of Object.entries(member)) {
    if (name === '_comment' || name === '_ignore') {
      const error = metaError(name, value)
      if (error !== null) item.errors[name] = error
    } else if (children.has(name)) {
      if (value !== null) readList(catalog, catalog.get(name), value, item, lists, item.errors)
    } else {
      Object.defineProperty(values, name, { value, enumerable: true, writable: true, configurable: true })
    }
  }
  return item
}

const nestable = new WeakMap<EntityCatalog, Map<string, ReadonlyMap<string, string>>>()

/** Entities that point to this one, with the field that does; a parent's own field of that name comes first. */
export function nestableEntities(
  catalog: EntityCatalog,
  { name, fields }: EntityDefinition,
): ReadonlyMap<string, string> {
  let byName = nestable.get(catalog)
  if (byName === undefined) nestable.set(catalog, (byName = new Map()))
  let children = byName.get(name)
  if (children === undefined) {
    const references = catalog
      .references(name)
      .filter(({ entity }) => fields[entity.name]?.transient ?? !fields[entity.name])
    children = new Map(references.map(({ entity, field }) => [entity.name, field]))
    byName.set(name, children)
  }
  return children
}

/** Depth first, children before their parent, as Kong looks for duplicates. */
export function* walkItems(lists: DocumentTree['lists'], catalog: EntityCatalog): Generator<Item> {
  for (const { name } of declarableEntities(catalog)) {
    for (const place of lists.get(name) ?? []) {
      if (typeof place !== 'object' || place === null) continue
      if (place.lists.size > 0) yield* walkItems(place.lists, catalog)
      yield place
    }
  }
}

/** What is wrong, in the shape of the document; null when nothing is. */
export function treeErrors(tree: DocumentTree): Record<string, unknown> | null {
  const errors = { ...tree.errors, ...listErrors(tree.lists) }
  return Object.keys(errors).length === 0 ? null : errors
}

function listErrors(lists: DocumentTree['lists']): Record<string, unknown> {
  const errors: Record<string, unknown> = {}
  for (const [name, places] of lists) {
    const faults = places.map(place => (typeof place === 'object' && place !== null ? itemErrors(place) : place))
    const last = faults.findLastIndex(fault => fault !== null)
    if (last >= 0) errors[name] = faults.slice(0, last + 1)
  }
  return errors
}

function itemErrors(item: Item): Record<string, unknown> | null {
  const errors = { ...item.errors, ...listErrors(item.lists) }
  return Object.keys(errors).length === 0 ? null : errors
}
