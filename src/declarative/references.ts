/** Foreign keys of a declarative document: by id or by endpoint key, to entities of the same document. */
import { mapKey } from '../base/map-key.ts'
import { isObject } from '../schema/defaults.ts'
import { MESSAGES } from '../schema/messages.ts'
import type { Item } from './document-tree.ts'
import { uniquenessError } from './unique-values.ts'

/** Stands for a foreign key that names nothing while the row is validated; never stored. */
const UNRESOLVED_ID = '00000000-0000-0000-0000-000000000000'

interface Reference {
  readonly field: string
  readonly value: unknown
  readonly entity: string
}

export class ReferenceIndex {
  private readonly ids: ReadonlyMap<Item, string>
  private readonly byId = new Map<string, Map<string, Item>>()
  private readonly byName = new Map<string, Map<string, Item>>()

  constructor(items: readonly Item[], ids: ReadonlyMap<Item, string>) {
    this.ids = ids
    for (const item of items) {
      const { name } = item.definition
      addTo(this.byId, name, ids.get(item)!, item)
      const endpointKey = endpointKeyOf(item)
      if (endpointKey !== null) addTo(this.byName, name, mapKey(endpointKey), item)
    }
  }

  /** What the item's foreign fields become: `{ id }` of what is named, or of the parent. */
  foreignKeys(item: Item): Record<string, unknown> {
    const keys: Record<string, unknown> = {}
    for (const { field, value, entity } of referencesOf(item)) {
      if (typeof value === 'string') keys[field] = { id: this.find(entity, value) ?? UNRESOLVED_ID }
    }
    if (item.parent !== null && item.parentField !== null) keys[item.parentField] = { id: this.ids.get(item.parent)! }
    return keys
  }

  private find(entity: string, value: unknown): string | null {
    if (typeof value !== 'string') return null
    const found = this.byName.get(entity)?.get(mapKey(value)) ?? this.byId.get(entity)?.get(value)
    return found === undefined ? null : this.ids.get(found)!
  }

  private unresolved(item: Item): Reference[] {
    return referencesOf(item).filter(({ field, value, entity }) => {
      if (field === item.parentField) return false
      const key = isObject(value) ? (value['id'] ?? value) : value
      return this.find(entity, key) === null
    })
  }

  /** Where other errors are shown, Kong shows references that lead nowhere as if they had no id. */
  markUnresolved(items: readonly Item[]): void {
    for (const item of items) {
      for (const { field, value } of this.unresolved(item)) {
        if (typeof value === 'string') item.errors[field] ??= { id: MESSAGES.missingPrimaryKey }
      }
    }
  }

  /** Duplicates and references that lead nowhere; `items` with children before their parent. */
  errors(items: readonly Item[]): Record<string, unknown> | null {
    const errors: Errors = {}
    const ids = new Set<string>()
    const names = new Set<string>()
    for (const item of items) {
      const { name, endpoint_key } = item.definition
      const endpointKey = endpointKeyOf(item)
      const id = this.ids.get(item)!
      if (endpointKey !== null && isTaken(names, `${name}\0${mapKey(endpointKey)}`)) {
        place(errors, [name, item.index], uniquenessError(name, endpoint_key!, endpointKey))
      } else if (isTaken(ids, `${name}\0${id}`)) {
        const { parent } = item
        const path = parent === null ? [name, item.index] : [parent.definition.name, parent.index, name, item.index]
        place(errors, path, uniquenessError(name, 'primary key', id))
      }
    }
    for (const item of items) {
      for (const reference of this.unresolved(item)) {
        const at = endpointKeyOf(item) ?? this.ids.get(item)!
        addMessage(errors, item.definition.name, at, invalidReference(reference))
      }
    }
    return Object.keys(errors).length === 0 ? null : (withLists(errors) as Record<string, unknown>)
  }
}

/** Positions are number keys until the end, when a member that has only those becomes a list. */
type Errors = { [key: string]: Errors | string | string[] }

function place(errors: Errors, path: readonly (string | number)[], text: string): void {
  let target = errors
  for (const step of path.slice(0, -1)) {
    const key = typeof step === 'number' ? `#${step}` : step
    const next = (target[key] ??= {})
    if (typeof next === 'string' || Array.isArray(next)) return
    target = next
  }
  const last = path.at(-1)!
  target[typeof last === 'number' ? `#${last}` : last] = text
}

function addMessage(errors: Errors, entity: string, at: string, text: string): void {
  const members = (errors[entity] ??= {}) as Errors
  const texts = (members[at] ??= [])
  if (Array.isArray(texts)) texts.push(text)
}

function withLists(errors: Errors | string | string[]): unknown {
  if (typeof errors === 'string' || Array.isArray(errors)) return errors
  const keys = Object.keys(errors)
  const positions = keys.filter(key => /^#\d+$/.test(key))
  if (positions.length === 0 || positions.length < keys.length) {
    return Object.fromEntries(
      keys.map(key => [key.replace(/^#(\d+)$/, (_, at) => String(Number(at) + 1)), withLists(errors[key]!)]),
    )
  }
  const list: unknown[] = []
  for (const key of positions) list[Number(key.slice(1))] = withLists(errors[key]!)
  return Array.from(list, member => member ?? null)
}

function isTaken(seen: Set<string>, key: string): boolean {
  if (seen.has(key)) return true
  seen.add(key)
  return false
}

function addTo(index: Map<string, Map<string, Item>>, entity: string, key: string, item: Item): void {
  let items = index.get(entity)
  if (items === undefined) index.set(entity, (items = new Map()))
  if (!items.has(key)) items.set(key, item)
}

/** Only where the endpoint key is unique: targets, for instance, cannot be named by theirs. */
function endpointKeyOf({ definition, values }: Item): string | null {
  const { endpoint_key, fields } = definition
  if (endpoint_key === undefined || fields[endpoint_key]?.unique !== true) return null
  const value = values[endpoint_key]
  return typeof value === 'string' ? value : null
}

function referencesOf({ definition, values }: Item): Reference[] {
  return Object.entries(definition.fields).flatMap(([field, { type, reference }]) => {
    const value = values[field] ?? null
    return type === 'foreign' && value !== null ? [{ field, value, entity: reference! }] : []
  })
}

function invalidReference({ field, value, entity }: Reference): string {
  const shown = typeof value === 'string' ? value : JSON.stringify(value)
  return `invalid reference '${field}: ${shown}' (no such entry in '${entity}')`
}
