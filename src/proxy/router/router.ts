/** What every router offers: from a request's head to the one route that serves it. */
import type { CompiledRoute } from '../compiled.ts'

/** The parts of a request that routes may ask for. One object per connection is reused; routers keep no reference. */
export interface RouterInput {
  method: string
  /** Host header without port, as sent. */
  host: string
  /** Port of the Host header if it has one, else the port the client connected to. */
  port: number
  /** Port of the Host header; 0 if it has none. */
  hostPort: number
  /** Normalised path (proxy.md 2), without query. */
  path: string
  scheme: 'http' | 'https'
  sni: string
  /** Of the client, behind trusted proxies. */
  readonly sourceIp: string
  /** Of the connection. */
  readonly sourcePort: number
  readonly destinationIp: string
  /** First value of a header by lower-case name with `-`, or undefined; `values` gives them all. */
  header(name: string): string | undefined
  headerValues(name: string): readonly string[]
  /** Decoded values of a query argument, '' for one without `=`. */
  queryValues(name: string): readonly string[]
}

export interface RouteMatch {
  readonly route: CompiledRoute
  /** How much of the start of the normalised path the route's path matched; 0 if it has none. */
  readonly matchedPath: string
  /** Null unless a regex path with captures matched. Names and decimal indexes, 0 is the whole match. */
  readonly uriCaptures: Readonly<Record<string, string>> | null
}

/** Compiled and kept up to date in place; `add`, `remove` and `match` never run at the same time. */
export interface Router {
  /** Null when no route matches. */
  match(input: RouterInput): RouteMatch | null
  add(route: CompiledRoute): void
  remove(route: CompiledRoute): void
  readonly size: number
}
