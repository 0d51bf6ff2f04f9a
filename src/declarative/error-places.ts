/** Where in the text of a declarative file each error is: line and column, for people and their editors. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Document, type Node, parseAllDocuments } from 'yaml'
import type { ErrorTree } from './pretty-errors.ts'

export interface ErrorPlace {
  /** From 1; null where the text as a whole is wrong, or is not YAML. */
  readonly line: number | null
  readonly column: number | null
  /** `services[1].routes[2].paths`, entries counted from 1. */
  readonly path: string
  readonly message: string
}

/** An editor shows no more at once, and the text of a start failure should end. */
const PLACES_MAX = 100

/** `name:line:column: path: message`, which editors and CI turn into links. */
export function formatPlaces(name: string, places: readonly ErrorPlace[]): string {
  return places
    .map(
      ({ line, column, path, message }) => `${name}${line === null ? '' : `:${line}:${column}`}: ${path}: ${message}`,
    )
    .join('\n')
}

/** Of all errors, in the order of the text. A missing member is shown where the object begins that lacks it. */
export function errorPlaces(text: string, errors: ErrorTree): ErrorPlace[] {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { uniqueKeys: false, prettyErrors: false, lineCounter: lines })
  const document = Array.isArray(documents) ? (documents[0] as Document | undefined) : undefined
  const places: ErrorPlace[] = []
  const walk = (error: unknown, path: string, { node, offset }: Place): void => {
    if (error === null || error === undefined || places.length >= PLACES_MAX) return
    if (typeof error !== 'object') {
      const at = offset === null ? null : lines.linePos(offset)
      places.push({ line: at?.line ?? null, column: at?.col ?? null, path, message: String(error) })
      return
    }
    const resolved = isAlias(node) && document !== undefined ? node.resolve(document) : node
    for (const [key, inner] of Object.entries(error)) {
      const name = isSeq(resolved) ? positionOf(resolved.items, key) : key
      walk(inner, pathOf(path, name, resolved), childOf(resolved, name) ?? { node: null, offset })
    }
  }
  walk(errors, '', { node: (document?.contents as Node | null) ?? null, offset: null })
  return places.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))
}

interface Place {
  readonly node: unknown
  readonly offset: number | null
}

function childOf(node: unknown, key: string): Place | null {
  if (isMap(node)) {
    const pair = node.items.find(({ key: name }) => isScalar(name) && String(name.value) === key)
    return pair === undefined ? null : { node: pair.value, offset: (pair.key as Node).range?.[0] ?? null }
  }
  const item = isSeq(node) ? node.items[Number(key)] : undefined
  return item === undefined ? null : { node: item, offset: (item as Node).range?.[0] ?? null }
}

/** References and duplicates are told by the key of the entity, not by its position. */
function positionOf(items: readonly unknown[], key: string): string {
  if (/^\d+$/.test(key)) return key
  const index = items.findIndex(
    item => isMap(item) && item.items.some(({ value }) => isScalar(value) && value.value === key),
  )
  return index < 0 ? key : String(index)
}

function pathOf(path: string, key: string, node: unknown): string {
  if (key === '@entity') return path
  if (/^\d+$/.test(key)) return isMap(node) ? path : `${path}[${Number(key) + 1}]`
  if (isSeq(node)) return `${path}[${key}]`
  return path === '' ? key : `${path}.${key}`
}
