/** `size`, `offset` and `tags` of a query string: checked, with Kong's texts. */
import type { EntityDefinition } from '../schema/entity.ts'
import type { PageOptions } from './store.ts'
import { invalidOffset, invalidOptions, invalidSize } from './violations.ts'

const sizeDefault = 100
const sizeMax = 1000
const tagsMax = 5
// Printable ASCII but `,` and `/`, and whatever is not ASCII, except what stands for bytes that were no UTF-8.
const tagsAll = /^(?:[ -+\-.0-~\u0080-\ufffc\ufffe-\u{10ffff}]+(?:,|$))+$/u
const tagsAny = /^(?:[ -+\-.0-~\u0080-\ufffc\ufffe-\u{10ffff}]+(?:\/|$))+$/u

export function parseSize(size: unknown): number {
  if (size === undefined) return sizeDefault
  const number = typeof size === 'string' ? luaNumber(size) : size
  if (typeof number !== 'number' || Number.isNaN(number)) throw invalidSize('size must be a number')
  if (!Number.isInteger(number) || number < 1 || number > sizeMax) {
    throw invalidSize(`size must be an integer between 1 and ${sizeMax}`)
  }
  return number
}

/** Lua's tonumber: blanks around are allowed, nothing at all is not a number. */
function luaNumber(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text)
}

/** An offset is base64url of a JSON array, as Kong's PostgreSQL store makes it; the members are the caller's. */
export function encodeOffset(position: readonly string[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url')
}

export function parseOffset(offset: unknown, length: number): readonly string[] | null {
  if (offset === undefined) return null
  const text = String(offset)
  // Four characters are three bytes: one alone at the end is none.
  if (!/^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2,3})?={0,2}$/.test(text))
    throw invalidOffset(text, 'bad base64 encoding')
  let position: unknown
  try {
    position = JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    throw invalidOffset(text, 'bad json encoding')
  }
  // Kong fails with 500 on an array of anything but keys; a client's mistake deserves a 400.
  const isPosition = Array.isArray(position) && position.length === length && position.every(isText)
  if (!isPosition) throw invalidOffset(text, 'bad json encoding')
  return position as string[]
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

/** `a,b` means both, `a/b` means either. */
export function parseTags(tags: unknown, definition: EntityDefinition): PageOptions['tags'] {
  if (tags === undefined) return undefined
  if (!('tags' in definition.fields)) throw invalidOptions({ tags: `cannot be used with '${definition.name}'` })
  const text = Array.isArray(tags) ? tags[0] : tags
  if (text === null || text === '' || text === undefined) throw invalidOptions({ tags: 'cannot be null' })
  const all = tagsAll.test(String(text))
  if (!all && !tagsAny.test(String(text))) throw invalidOptions({ tags: 'invalid filter syntax' })
  const names = String(text)
    .split(all ? ',' : '/')
    .filter(name => name !== '')
  if (names.length > tagsMax) throw invalidOptions({ tags: `cannot query more than ${tagsMax} tags` })
  return all ? { all: names } : { any: names }
}
