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
  return new RegexMatch(entry.matches[path]!.route, search.captures!, search.text !== search.input.path)
}

/** Captures as a record are made when somebody asks for them, which few plugins do. */
class RegexMatch implements RouteMatch {
  readonly route: CompiledRoute
  readonly matchedPath: string
  readonly #captures: RegExpExecArray
  readonly #isText: boolean

  /** `isText`: the captures are characters and not bytes. */
  constructor(route: CompiledRoute, captures: RegExpExecArray, isText: boolean) {
    this.route = route
    this.matchedPath = isText ? toBytes(captures[0]) : captures[0]
    this.#captures = captures
    this.#isText = isText
  }

  get uriCaptures(): Readonly<Record<string, string>> | null {
    const found: [string, string][] = []
    const add = (name: string, text: string | undefined) => {
      if (text !== undefined) found.push([name, this.#isText ? toBytes(text) : text])
    }
    for (const [i, text] of this.#captures.entries()) add(String(i), text)
    for (const [name, text] of Object.entries(this.#captures.groups ?? {})) add(name, text)
    // As in Kong, the whole match alone is no capture.
    return found.length > 1 ? Object.fromEntries(found) : null
  }
}

function expressionMatch(plain: RouteMatch, { bestFindings }: Search): RouteMatch {
  const { path, captures } = bestFindings
  if (path === null && captures === null) return plain
  const hasCaptures = captures !== null && Object.keys(captures).length > 1
  return { route: plain.route, matchedPath: path ?? '', uriCaptures: hasCaptures ? { ...captures } : null }
}
