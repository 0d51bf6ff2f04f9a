/** From host and path of a request to the lists of routes that may serve it, by look-ups only. */
import type { RegexMatcher } from '../../base/rust-regex.ts'
import { Candidate, CandidateList, type Search } from './candidate-list.ts'
import { prefixHash } from './prefix-hashes.ts'
import type { HostCondition, RouteEntry } from './route-entry.ts'

/** All prefixes of one length. */
interface LengthClass {
  readonly length: number
  count: number
  /** No entry of this length has a higher priority; not lowered when one goes, which costs a look-up at most. */
  high: number
  low: number
}

/** The routes whose path begins with one text. */
class PrefixList extends CandidateList {
  readonly prefix: string
  /** Another list whose prefix has the same hash. */
  next: PrefixList | null

  constructor(prefix: string, next: PrefixList | null) {
    super()
    this.prefix = prefix
    this.next = next
  }
}

/** Lists by the text with which a path must begin: one look-up, by a number, for each length that occurs. */
class PrefixTable {
  readonly #lists = new Map<number, PrefixList>()
  /** Each length that occurs, longest first. */
  readonly #lengths: LengthClass[] = []

  get isEmpty(): boolean {
    return this.#lists.size === 0
  }

  insert(prefix: string, candidate: Candidate): void {
    const hash = prefixHash(prefix)
    const head = this.#lists.get(hash) ?? null
    const ofLength = this.#lengthClass(prefix.length)
    let list = listOf(head, prefix)
    if (list === null) {
      this.#lists.set(hash, (list = new PrefixList(prefix, head)))
      ofLength.count++
    }
    const { high, low } = candidate.entry
    if (high > ofLength.high || (high === ofLength.high && low > ofLength.low)) Object.assign(ofLength, { high, low })
    list.insert(candidate)
  }

  remove(prefix: string, candidate: Candidate): void {
    const hash = prefixHash(prefix)
    const list = listOf(this.#lists.get(hash) ?? null, prefix)
    if (list === null) return
    list.remove(candidate)
    if (!list.isEmpty) return
    this.#unlink(hash, list)
    const ofLength = this.#lengthClass(prefix.length)
    if (--ofLength.count === 0) this.#lengths.splice(this.#lengths.indexOf(ofLength), 1)
  }

  search(search: Search): void {
    const { path } = search.input
    for (const { length, high, low } of this.#lengths) {
      if (length > path.length || search.isSettledAbove(high, low)) continue
      for (let list = this.#lists.get(search.hashes.of(length)) ?? null; list !== null; list = list.next)
        if (list.prefix.length === length && path.startsWith(list.prefix)) list.search(search)
    }
  }

  #unlink(hash: number, list: PrefixList): void {
    const head = this.#lists.get(hash)!
    if (head !== list) {
      let before = head
      while (before.next !== list) before = before.next!
      before.next = list.next
    } else if (list.next === null) this.#lists.delete(hash)
    else this.#lists.set(hash, list.next)
  }

  #lengthClass(length: number): LengthClass {
    const at = this.#lengths.findIndex(other => other.length <= length)
    const found = this.#lengths[at]
    if (found?.length === length) return found
    const made: LengthClass = { length, count: 0, high: 0, low: 0 }
    this.#lengths.splice(at < 0 ? this.#lengths.length : at, 0, made)
    return made
  }
}

function listOf(head: PrefixList | null, prefix: string): PrefixList | null {
  for (let list = head; list !== null; list = list.next) if (list.prefix === prefix) return list
  return null
}

/** The routes of one host condition. Tables are made when needed: there may be an index for each of 10,000 hosts. */
class PathIndex {
  #prefixes: PrefixTable | null = null
  /** By the literal text with which the regex begins. */
  #regexes: PrefixTable | null = null
  #withoutPath: CandidateList | null = null

  get isEmpty(): boolean {
    return [this.#prefixes, this.#regexes, this.#withoutPath].every(table => table === null || table.isEmpty)
  }

  insert(entry: RouteEntry, host: HostCondition | null): void {
    if (entry.paths === null) (this.#withoutPath ??= new CandidateList()).insert(new Candidate(entry, host, -1))
    else
      entry.paths.forEach((condition, path) => {
        this.#table(condition.regex).insert(condition.text, new Candidate(entry, host, path))
      })
  }

  remove(entry: RouteEntry, host: HostCondition | null): void {
    if (entry.paths === null) this.#withoutPath?.remove(new Candidate(entry, host, -1))
    else
      entry.paths.forEach((condition, path) => {
        this.#table(condition.regex).remove(condition.text, new Candidate(entry, host, path))
      })
  }

  search(search: Search): void {
    this.#prefixes?.search(search)
    this.#regexes?.search(search)
    this.#withoutPath?.search(search)
  }

  #table(regex: RegexMatcher | null): PrefixTable {
    return regex === null ? (this.#prefixes ??= new PrefixTable()) : (this.#regexes ??= new PrefixTable())
  }
}

type HostTable = Map<string, PathIndex>

export class HostIndex {
  readonly #anyHost = new PathIndex()
  readonly #exact: HostTable = new Map()
  /** `*.example.com` by `.example.com`, `example.*` by `example.`: one look-up for each dot of a host. */
  readonly #suffixes: HostTable = new Map()
  readonly #prefixes: HostTable = new Map()
  /** Wildcards that are not whole labels; Kong's schema refuses them, older data may hold them. */
  readonly #odd = new Map<string, { readonly host: HostCondition; readonly index: PathIndex }>()

  insert(entry: RouteEntry): void {
    if (entry.hosts === null) this.#anyHost.insert(entry, null)
    else for (const host of entry.hosts) this.#place(host).insert(entry, host)
  }

  remove(entry: RouteEntry): void {
    if (entry.hosts === null) {
      this.#anyHost.remove(entry, null)
      return
    }
    for (const host of entry.hosts) {
      const index = this.#place(host)
      index.remove(entry, host)
      if (index.isEmpty) this.#forget(host)
    }
  }

  search(search: Search): void {
    const host = search.input.host
    if (host !== '') {
      this.#exact.get(host)?.search(search)
      if (this.#suffixes.size > 0) this.#searchSuffixes(host, search)
      if (this.#prefixes.size > 0) this.#searchPrefixes(host, search)
      if (this.#odd.size > 0) this.#searchOdd(host, search)
    }
    this.#anyHost.search(search)
  }

  #searchSuffixes(host: string, search: Search): void {
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1))
      this.#suffixes.get(host.slice(dot))?.search(search)
  }

  #searchPrefixes(host: string, search: Search): void {
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1))
      this.#prefixes.get(host.slice(0, dot + 1))?.search(search)
  }

  #searchOdd(host: string, search: Search): void {
    for (const { host: condition, index } of this.#odd.values())
      if (condition.kind === 'suffix' ? host.endsWith(condition.text) : host.startsWith(condition.text))
        index.search(search)
  }

  #place(host: HostCondition): PathIndex {
    const table = this.#table(host)
    if (table === null) {
      const key = `${host.kind} ${host.text}`
      let odd = this.#odd.get(key)
      if (odd === undefined) this.#odd.set(key, (odd = { host, index: new PathIndex() }))
      return odd.index
    }
    let index = table.get(host.text)
    if (index === undefined) table.set(host.text, (index = new PathIndex()))
    return index
  }

  #forget(host: HostCondition): void {
    const table = this.#table(host)
    if (table === null) this.#odd.delete(`${host.kind} ${host.text}`)
    else table.delete(host.text)
  }

  #table({ kind, text }: HostCondition): HostTable | null {
    if (kind === 'exact') return this.#exact
    if (kind === 'suffix') return text.startsWith('.') ? this.#suffixes : null
    return text.endsWith('.') ? this.#prefixes : null
  }
}
