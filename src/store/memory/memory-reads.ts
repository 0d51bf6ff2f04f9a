/** Finding and paging in a configuration that is in memory. */
import type { Clock } from '../../base/clock.ts'
import type { Row } from '../../entities/config.ts'
import type { Tables } from '../sql/tables.ts'
import type { PageOptions, StoreReads, TagPage, TagPosition } from '../store.ts'
import type { Contents } from './contents.ts'

export function memoryReads(contents: () => Contents, tables: Tables, clock: Clock): StoreReads {
  const isLive = (row: Row) => typeof row['ttl'] !== 'number' || row['ttl'] > clock.now() / 1000
  const live = (row: Row | undefined) => (row !== undefined && isLive(row) ? row : null)
  return {
    find: async (entity, key) => live(contents().get(entity)?.rows.get(key)),
    findBy: async (entity, fields) => live(contents().get(entity)?.unique(fields)),
    async page(entity, options) {
      const { keys = [], rows = new Map<string, Row>() } = contents().get(entity) ?? {}
      const { field } = tables.get(entity).primary
      const found: Row[] = []
      for (let at = options.after === null ? 0 : firstAfter(keys, options.after); at < keys.length; at += 1) {
        const row = rows.get(keys[at]!)!
        if (!isLive(row) || !matches(row, options)) continue
        found.push(row)
        // As in Kong without a database: a full page says that there may be more, be it the last one.
        if (found.length === options.size) return { rows: found, next: row[field] as string }
      }
      return { rows: found, next: null }
    },
    tags: async options => tagPage(contents(), options),
  }
}

/** Index of the first key greater than `key`, by halving. */
function firstAfter(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]! <= key) low = middle + 1
    else high = middle
  }
  return low
}

function matches(row: Row, { tags, where = {} }: PageOptions): boolean {
  for (const [field, value] of Object.entries(where)) {
    const held = row[field]
    if ((held !== null && typeof held === 'object' ? (held as { id: string }).id : held) !== value) return false
  }
  if (tags === undefined) return true
  const held = (row['tags'] ?? []) as string[]
  return 'all' in tags ? tags.all.every(tag => held.includes(tag)) : tags.any.some(tag => held.includes(tag))
}

function tagPage(
  contents: Contents,
  { size, after, tag }: { readonly size: number; readonly after: TagPosition | null; readonly tag?: string },
): TagPage {
  const all: TagPosition[] = []
  for (const [entity, { rows }] of contents) {
    for (const [key, row] of rows) {
      for (const name of (row['tags'] ?? []) as string[]) {
        const position: TagPosition = [name, entity, key]
        if ((tag === undefined || name === tag) && (after === null || compare(position, after) > 0)) all.push(position)
      }
    }
  }
  const page = all.sort(compare).slice(0, size)
  return {
    rows: page.map(([name, entity_name, entity_id]) => ({ tag: name, entity_name, entity_id })),
    next: all.length > size ? page.at(-1)! : null,
  }
}

function compare(a: TagPosition, b: TagPosition): number {
  for (let at = 0; at < 3; at += 1) {
    if (a[at]! !== b[at]!) return a[at]! < b[at]! ? -1 : 1
  }
  return 0
}
