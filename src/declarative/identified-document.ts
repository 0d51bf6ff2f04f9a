/** A declarative document with the ids that its entities got: what errors show that were found after that. */
import { isObject } from '../schema/defaults.ts'
import type { DocumentTree, Item } from './document-tree.ts'

type Value = Readonly<Record<string, unknown>>

/** `idOf` answers null for an entity that shows none, as one whose id is made up. */
export function identifiedDocument(
  value: Value,
  lists: DocumentTree['lists'],
  idOf: (item: Item) => string | null,
): Value {
  const copy: Record<string, unknown> = { ...value }
  for (const [name, places] of lists) {
    const members = value[name]
    if (!Array.isArray(members)) continue
    copy[name] = members.map((member: unknown, at) => {
      const item = places[at]
      if (!isObject(member) || typeof item !== 'object' || item === null) return member
      const id = idOf(item)
      const whole = identifiedDocument(member, item.lists, idOf)
      return id === null ? whole : { ...whole, [item.definition.primary_key?.[0] ?? 'id']: id }
    })
  }
  return copy
}
