/** The router of all flavours: routes as entries of an index that changes one route at a time (reference: proxy.md 2.1). */
import type { Row } from '../../entities/config.ts'
import type { RouterFlavor } from '../../entities/routes.ts'
import type { CompiledRoute } from '../compiled.ts'
import { toBytes } from './byte-text.ts'
import { type Candidate, Search } from './candidate-list.ts'
import { compatibleEntries } from './compatible-entries.ts'
import { expressionEntries } from './expression-entries.ts'
import { HostIndex } from './host-index.ts'
import { bindEntries, type RouteEntries } from './route-entry.ts'
import type { RouteMatch, Router, RouterInput } from './router.ts'
import { traditionalEntries } from './traditional-entries.ts'

const ENTRIES: Readonly<Record<RouterFlavor, (row: Row) => RouteEntries>> = {
  traditional: traditionalEntries,
  traditional_compatible: row => compatibleEntries(row),
  expressions: expressionEntries,
}

/** Throws an Error that says which regex or expression of the row does not compile, and why. */
export function routeEntries(flavor: RouterFlavor, row: Row): RouteEntries {
  return ENTRIES[flavor](row)
}

export class IndexedRouter implements Router {
  readonly flavor: RouterFlavor
  readonly #index = new HostIndex()
  readonly #entries = new Map<string, RouteEntries>()
  readonly #search = new Search()

  constructor(flavor: RouterFlavor) {
    this.flavor = flavor
  }

  get size(): number {
    return this.#entries.size
  }

  /** As `routeEntries`. */
  compile(row: Row): RouteEntries {
    return routeEntries(this.flavor, row)
  }

  add(route: CompiledRoute, entries: RouteEntries = this.compile(route.row)): void {
    this.remove(route)
    bindEntries(entries, route)
    this.#entries.set(route.id, entries)
    for (const entry of entries) this.#index.insert(entry)
  }

  remove(route: CompiledRoute): void {
    const entries = this.#entries.get(route.id)
    if (entries === undefined) return
    this.#entries.delete(route.id)
    for (const entry of entries) this.#index.remove(entry)
  }

  /** Puts another object in the place of a route whose row is the same: the index stays as it is. */
  refresh(route: CompiledRoute): void {
    bindEntries(this.#entries.get(route.id) ?? [], route)
  }

  match(input: RouterInput): RouteMatch | null {
    const search = this.#search
    search.begin(input)
    this.#index.search(search)
    return search.best === null ? null : matchOf(search.best, search)
  }
}

function matchOf({ entry, path }: Candidate, search: Search): RouteMatch {
  if (entry.isExpression) return expressionMatch(entry.matches[0]!, search)
  if (path < 0) return entry.matches[0]!
  if (entry.paths![path]!.regex === null) return entry.matches[path]!
  const captures = search.captures!
  const inBytes = (text: string) => (search.text === search.input.path ? text : toBytes(text))
  const found: [string, string][] = []
  for (let i = 0; i < captures.length; i++) {
    const text: string | undefined = captures[i]
    if (text !== undefined) found.push([String(i), inBytes(text)])
  }
  for (const [name, text] of Object.entries(captures.groups ?? {}))
    if (text !== undefined) found.push([name, inBytes(text)])
  return {
    route: entry.matches[path]!.route,
    matchedPath: found[0]![1],
    // As in Kong, the whole match alone is no capture.
    uriCaptures: found.length > 1 ? Object.fromEntries(found) : null,
  }
}

function expressionMatch(plain: RouteMatch, { bestFindings }: Search): RouteMatch {
  const { path, captures } = bestFindings
  if (path === null && captures === null) return plain
  const hasCaptures = captures !== null && Object.keys(captures).length > 1
  return { route: plain.route, matchedPath: path ?? '', uriCaptures: hasCaptures ? { ...captures } : null }
}
