/**
 * What a route asks of a request, in the form that the index takes, and which of two entries goes first.
 *
 * All text is compared as bytes: strings here hold one byte per character, as the listener reads them.
 */
import type { RegexMatcher } from '../../base/rust-regex.ts'
import type { CompiledRoute } from '../compiled.ts'
import type { Test } from './expressions/compile.ts'
import type { Priority } from './priority.ts'
import type { RouteMatch, RouterInput } from './router.ts'

/** Which of the ports of a request the port of a host condition is compared with. */
export type PortRule =
  /** That of the Host header, or else the one the client connected to. */
  | 'any'
  /** That of the Host header only. */
  | 'sent'
  /** That of the Host header, or else the scheme's own. */
  | 'scheme'

export interface HostCondition {
  readonly kind: 'exact' | 'suffix' | 'prefix'
  readonly text: string
  /** Null: any port. */
  readonly port: number | null
  readonly portRule?: PortRule
}

export interface HeaderCondition {
  /** Lower case, `-` for `_`. */
  readonly name: string
  /** With `_` for `-`: a header sent by that name is the one meant, before the other, as in Kong. Null if the same. */
  readonly underscored: string | null
  /** Lower case. */
  readonly values: readonly string[]
  readonly regexes: readonly RegexMatcher[]
}

export interface SniCondition {
  readonly kind: 'exact' | 'suffix' | 'prefix'
  readonly text: string
}

/** One path of a route; `regex` is null for a prefix. */
export interface PathCondition {
  readonly text: string
  readonly regex: RegexMatcher | null
}

export interface RouteConditions {
  readonly hosts: readonly HostCondition[] | null
  readonly paths: readonly PathCondition[] | null
  readonly methods: readonly string[] | null
  readonly headers: readonly HeaderCondition[] | null
  readonly snis: readonly SniCondition[] | null
  /** The only scheme it takes; null: both. */
  readonly scheme: 'http' | 'https' | null
  /**
   * An expression that must hold too. When the route was given as an expression, the conditions beside it only say
   * where it need not be tried, and what `http.path` matched is what it says.
   */
  readonly test: Test<RouterInput> | null
  readonly isExpression: boolean
}

/** A route, or the part of one whose paths have the same priority. */
export interface RouteEntry extends RouteConditions, Priority {
  /** Decides between equal priorities: the larger text goes first. */
  readonly tie: string
  /** The answer for each path, made once; for a regex it is completed by what matched. Empty until `bindEntries`. */
  matches: readonly RouteMatch[]
}

/** What one route adds to the table: made beforehand, because that may fail and adding it may not. */
export type RouteEntries = readonly RouteEntry[]

export const NO_CONDITIONS: RouteConditions = {
  hosts: null,
  paths: null,
  methods: null,
  headers: null,
  snis: null,
  scheme: null,
  test: null,
  isExpression: false,
}

/** Lets entries answer with this route: when it is added, and again when it was replaced and its row was not. */
export function bindEntries(entries: RouteEntries, route: CompiledRoute): void {
  for (const entry of entries) {
    const paths = entry.isExpression ? [null] : (entry.paths ?? [null])
    entry.matches = paths.map(path => plainMatch(route, path))
  }
}

function plainMatch(route: CompiledRoute, path: PathCondition | null): RouteMatch {
  return { route, matchedPath: path === null || path.regex !== null ? '' : path.text, uriCaptures: null }
}

/** Positive when `a` goes before `b`. */
export function compareEntries(a: RouteEntry, b: RouteEntry): number {
  if (a.high !== b.high) return a.high - b.high
  if (a.low !== b.low) return a.low - b.low
  return a.tie === b.tie ? 0 : a.tie > b.tie ? 1 : -1
}
