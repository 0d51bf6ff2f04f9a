/** Kong's `traditional_compatible` router, as indexes that change one route at a time (reference: proxy.md 2.1). */
import type { Row } from '../../entities/config.ts'
import type { CompiledRoute } from '../compiled.ts'
import { Search, type Candidate } from './candidate-list.ts'
import { HostIndex } from './host-index.ts'
import { bindEntries, routeEntries, type RouteEntry } from './route-entry.ts'
import type { RouteMatch, Router, RouterInput } from './router.ts'

/** What one route adds to the table: made beforehand, because that may fail and adding it may not. */
export type RouteEntries = readonly RouteEntry[]

export class TraditionalCompatibleRouter implements Router {
  readonly #index = new HostIndex()
  readonly #entries = new Map<string, RouteEntries>()
  readonly #search = new Search()

  get size(): number {
    return this.#entries.size
  }

  /** Throws an Error that names the pattern when a regex does not compile. */
  compile(row: Row): RouteEntries {
    return routeEntries(row)
  }

  add(route: CompiledRoute, entries: RouteEntries = routeEntries(route.row)): void {
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
    search.input = input
    search.text = null
    search.best = null
    search.captures = null
    this.#index.search(search)
    return search.best === null ? null : matchOf(search.best, search)
  }
}

function matchOf({ entry, path }: Candidate, search: Search): RouteMatch {
  if (path < 0) return entry.matches[0]!
  if (entry.paths![path]!.regex === null) return entry.matches[path]!
  const captures = search.captures!
  const inBytes = (text: string) =>
    search.text === search.input.path ? text : Buffer.from(text, 'utf8').toString('latin1')
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
