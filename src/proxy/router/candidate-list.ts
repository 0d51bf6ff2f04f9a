/**
 * The routes that remain after host and path are decided, best first, and the search among them.
 *
 * A short list is walked. A long one is divided by the condition that tells its members apart (an exact header
 * value, a method, an SNI), so that thousands of routes that differ only in those cost no more than a few.
 */
import type { RegexMatcher } from '../../base/rust-regex.ts'
import { asText, execute, lower } from './byte-text.ts'
import { Findings } from './expressions/compile.ts'
import {
  compareEntries,
  type HeaderCondition,
  type HostCondition,
  type PortRule,
  type RouteEntry,
  type SniCondition,
} from './route-entry.ts'
import { PrefixHashes } from './prefix-hashes.ts'
import type { RouterInput } from './router.ts'

/** One way in which an entry can match: by one of its hosts and one of its paths, both already known to hold. */
export class Candidate {
  readonly entry: RouteEntry
  /** The host condition; null: any host. Only its port is still to be tried. */
  readonly host: HostCondition | null
  /** Index in `entry.paths`, or -1. Of several regexes of one entry the first that matches counts. */
  readonly path: number
  /** To be tried last; null for a prefix, which holds already: the index found the route by it. */
  readonly regex: RegexMatcher | null
  /** There is more to be tried than the regex. */
  readonly hasConditions: boolean

  constructor(entry: RouteEntry, host: HostCondition | null, path: number) {
    const { methods, scheme, snis, headers, test } = entry
    this.entry = entry
    this.host = host
    this.path = path
    this.regex = path < 0 || entry.isExpression ? null : entry.paths![path]!.regex
    const others = [host?.port ?? null, methods, scheme, snis, headers, test]
    this.hasConditions = others.some(condition => condition !== null)
  }
}

/** State of one search; reused for every request. */
export class Search {
  input!: RouterInput
  /** The path as regexes see it, in characters and not in bytes; null until the first of them asks. */
  text: string | null = null
  best: Candidate | null = null
  captures: RegExpExecArray | null = null
  readonly hashes = new PrefixHashes()
  /** What the expression of `best` found, and what the one under trial does. */
  bestFindings = new Findings()
  findings = new Findings()

  begin(input: RouterInput): void {
    this.input = input
    this.text = null
    this.best = null
    this.captures = null
    this.hashes.begin(input.path)
  }

  found(candidate: Candidate): void {
    this.best = candidate
    if (!candidate.entry.isExpression) return
    const { findings } = this
    this.findings = this.bestFindings
    this.bestFindings = findings
  }

  /** What was found already goes before everything of this priority. */
  isSettledAbove(high: number, low: number): boolean {
    const entry = this.best?.entry
    return entry !== undefined && (entry.high > high || (entry.high === high && entry.low > low))
  }
}

// Below this walking is faster than looking up.
const WALK_MAX = 8

export class CandidateList {
  /** Most lists have one member: it stands here, and there is no array. */
  #only: Candidate | null = null
  #ranked: Candidate[] | null = null
  /** In the place of the array, from when it was long until it is empty: to keep both would cost each change dear. */
  #division: Division | null = null
  #size = 0

  get isEmpty(): boolean {
    return this.#size === 0
  }

  insert(candidate: Candidate): void {
    this.#size++
    if (this.#size === 1) this.#only = candidate
    else if (this.#division !== null) this.#division.insert(candidate)
    else this.#insertRanked(candidate)
  }

  #insertRanked(candidate: Candidate): void {
    this.#ranked ??= [this.#only!]
    this.#only = null
    insertRanked(this.#ranked, candidate)
    if (this.#ranked.length <= WALK_MAX) return
    this.#division = new Division(this.#ranked)
    this.#ranked = null
  }

  /** The candidate must be in the list. */
  remove(candidate: Candidate): void {
    this.#size--
    if (this.#division !== null) {
      this.#division.remove(candidate)
      if (this.#size === 0) this.#division = null
    } else if (this.#ranked !== null) {
      removeRanked(this.#ranked, candidate)
      if (this.#size > 1) return
      this.#only = this.#ranked[0]!
      this.#ranked = null
    } else this.#only = null
  }

  search(search: Search): void {
    if (this.#only !== null) tryOne(this.#only, search)
    else if (this.#division !== null) this.#division.search(search)
    else walk(this.#ranked ?? undefined, search)
  }
}

function tryOne(candidate: Candidate, search: Search): void {
  if (search.best !== null && compareCandidates(search.best, candidate) >= 0) return
  if (holds(candidate, search)) search.found(candidate)
}

/** Candidates by the value of one header that they ask for. */
interface HeaderPlaces {
  readonly header: HeaderCondition
  readonly byValue: Map<string, Candidate[]>
}

class Division {
  readonly #rest: Candidate[] = []
  readonly #headers = new Map<string, HeaderPlaces>()
  readonly #methods = new Map<string, Candidate[]>()
  readonly #snis = new Map<string, Candidate[]>()
  /** A plaintext request has no SNI, and conditions on it then always hold. */
  readonly #allWithSni: Candidate[] = []

  constructor(candidates: readonly Candidate[]) {
    for (const candidate of candidates) this.insert(candidate)
  }

  insert(candidate: Candidate): void {
    this.#eachPlace(candidate, (places, key) => {
      const list = places.get(key)
      if (list === undefined) places.set(key, [candidate])
      else insertRanked(list, candidate)
    })
    const whole = this.#wholeList(candidate)
    if (whole !== null) insertRanked(whole, candidate)
  }

  remove(candidate: Candidate): void {
    this.#eachPlace(candidate, (places, key) => {
      const list = places.get(key)!
      removeRanked(list, candidate)
      if (list.length === 0) places.delete(key)
    })
    const whole = this.#wholeList(candidate)
    if (whole !== null) removeRanked(whole, candidate)
    for (const [name, { byValue }] of this.#headers) if (byValue.size === 0) this.#headers.delete(name)
  }

  search(search: Search): void {
    const input = search.input
    walk(this.#rest, search)
    for (const { header, byValue } of this.#headers.values())
      for (const value of sentValues(header, input)) walk(byValue.get(lower(value)), search)
    if (this.#methods.size > 0) walk(this.#methods.get(input.method), search)
    if (this.#allWithSni.length === 0) return
    if (input.scheme === 'https') walk(this.#snis.get(input.sni), search)
    else walk(this.#allWithSni, search)
  }

  #eachPlace(candidate: Candidate, visit: (places: Map<string, Candidate[]>, key: string) => void): void {
    const { methods } = candidate.entry
    const header = exactHeader(candidate.entry)
    if (header !== null) {
      let places = this.#headers.get(header.name)
      if (places === undefined) this.#headers.set(header.name, (places = { header, byValue: new Map() }))
      for (const value of new Set(header.values)) visit(places.byValue, value)
    } else if (methods !== null) {
      for (const method of new Set(methods)) visit(this.#methods, method)
    } else if (hasExactSnis(candidate.entry)) {
      for (const text of new Set(candidate.entry.snis!.map(sni => sni.text))) visit(this.#snis, text)
    }
  }

  #wholeList(candidate: Candidate): Candidate[] | null {
    const { entry } = candidate
    if (exactHeader(entry) !== null || entry.methods !== null) return null
    return hasExactSnis(entry) ? this.#allWithSni : this.#rest
  }
}

function exactHeader(entry: RouteEntry): HeaderCondition | null {
  return entry.headers?.find(header => header.regexes.length === 0) ?? null
}

function hasExactSnis(entry: RouteEntry): boolean {
  return entry.snis !== null && entry.snis.every(sni => sni.kind === 'exact')
}

/** Positive when `a` goes before `b`. */
function compareCandidates(a: Candidate, b: Candidate): number {
  return compareEntries(a.entry, b.entry) || b.path - a.path
}

function rankOf(ranked: readonly Candidate[], candidate: Candidate): number {
  let low = 0
  let high = ranked.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareCandidates(ranked[middle]!, candidate) > 0) low = middle + 1
    else high = middle
  }
  return low
}

function insertRanked(ranked: Candidate[], candidate: Candidate): void {
  ranked.splice(rankOf(ranked, candidate), 0, candidate)
}

function removeRanked(ranked: Candidate[], candidate: Candidate): void {
  let at = rankOf(ranked, candidate)
  // The same host with and without port makes equals that differ in their port only.
  while (at < ranked.length && !isSame(ranked[at]!, candidate)) at++
  if (at < ranked.length) ranked.splice(at, 1)
}

function isSame(a: Candidate, b: Candidate): boolean {
  return a.entry === b.entry && a.host === b.host && a.path === b.path
}

function walk(ranked: readonly Candidate[] | undefined, search: Search): void {
  if (ranked === undefined) return
  for (let i = 0; i < ranked.length; i++) {
    const candidate = ranked[i]!
    if (search.best !== null && compareCandidates(search.best, candidate) >= 0) return
    if (holds(candidate, search)) return search.found(candidate)
  }
}

function holds(candidate: Candidate, search: Search): boolean {
  if (candidate.hasConditions && !conditionsHold(candidate, search)) return false
  if (candidate.regex !== null) return regexHolds(candidate.regex, search)
  search.captures = null
  return true
}

function conditionsHold({ entry, host }: Candidate, search: Search): boolean {
  const input = search.input
  if (host !== null && host.port !== null && host.port !== portOf(input, host.portRule)) return false
  if (entry.methods !== null && !entry.methods.includes(input.method)) return false
  if (entry.scheme !== null && entry.scheme !== input.scheme) return false
  if (entry.snis !== null && input.scheme === 'https' && !entry.snis.some(sni => sniHolds(sni, input.sni))) return false
  if (entry.headers !== null) for (const header of entry.headers) if (!headerHolds(header, input)) return false
  return entry.test === null || testHolds(entry, search)
}

function portOf(input: RouterInput, rule: PortRule | undefined): number {
  if (rule === 'sent') return input.hostPort
  if (rule === 'scheme') return input.hostPort || (input.scheme === 'https' ? 443 : 80)
  return input.port
}

function testHolds(entry: RouteEntry, search: Search): boolean {
  search.findings.reset()
  return entry.test!(search.input, search.findings)
}

function regexHolds(regex: RegexMatcher, search: Search): boolean {
  const captures = execute(regex, (search.text ??= asText(search.input.path)))
  if (captures === null) return false
  search.captures = captures
  return true
}

function sniHolds({ kind, text }: SniCondition, sni: string): boolean {
  if (kind === 'exact') return sni === text
  // Without SNI the field does not exist, and no condition on it holds.
  return sni !== '' && (kind === 'suffix' ? sni.endsWith(text) : sni.startsWith(text))
}

function sentValues({ name, underscored }: HeaderCondition, input: RouterInput): readonly string[] {
  const sent = underscored === null ? [] : input.headerValues(underscored)
  return sent.length > 0 ? sent : input.headerValues(name)
}

function headerHolds(header: HeaderCondition, input: RouterInput): boolean {
  for (const sent of sentValues(header, input)) {
    const value = lower(sent)
    if (header.values.includes(value)) return true
    for (const regex of header.regexes) if (execute(regex, asText(value)) !== null) return true
  }
  return false
}
