/**
 * What a route asks of a request in the `traditional_compatible` flavour, and with what priority.
 *
 * All text is compared as bytes: strings here hold one byte per character, as the listener reads them.
 */
import { createHash } from 'node:crypto'
import { compileAnchoredRegex, compileRustRegex, type RustRegex } from '../../base/rust-regex.ts'
import type { Row } from '../../entities/config.ts'
import type { CompiledRoute } from '../compiled.ts'
import type { RouteMatch } from './router.ts'

export interface HostCondition {
  readonly kind: 'exact' | 'suffix' | 'prefix'
  readonly text: string
  /** Null: any port. */
  readonly port: number | null
}

export interface HeaderCondition {
  /** Lower case, `-` for `_`. */
  readonly name: string
  /** With `_` for `-`: a header sent by that name is the one meant, before the other, as in Kong. Null if the same. */
  readonly underscored: string | null
  /** Lower case. */
  readonly values: readonly string[]
  readonly regexes: readonly RegExp[]
}

export interface SniCondition {
  readonly kind: 'exact' | 'suffix' | 'prefix'
  readonly text: string
}

/** One path of a route; `regex` is null for a prefix. */
export interface PathCondition {
  readonly text: string
  readonly regex: RegExp | null
}

/**
 * A route, or the part of one whose paths have the same priority: Kong splits a route into one entry for all its
 * regexes and one for each length of prefix.
 */
export interface RouteEntry {
  /** Priority of 64 bits, as two numbers of 32, because a double holds only 53. */
  readonly high: number
  readonly low: number
  readonly uuid: string
  readonly hosts: readonly HostCondition[] | null
  readonly paths: readonly PathCondition[] | null
  readonly methods: readonly string[] | null
  readonly headers: readonly HeaderCondition[] | null
  readonly snis: readonly SniCondition[] | null
  /** The answer for each path, made once; for a regex it is completed by what matched. Empty until `bindEntries`. */
  matches: readonly RouteMatch[]
}

/** Lets entries answer with this route: when it is added, and again when it was replaced and its row was not. */
export function bindEntries(entries: readonly RouteEntry[], route: CompiledRoute): void {
  for (const entry of entries) entry.matches = (entry.paths ?? [null]).map(path => plainMatch(route, path))
}

/** Positive when `a` goes before `b`. Equal priorities: the larger UUID, as in Kong. */
export function compareEntries(a: RouteEntry, b: RouteEntry): number {
  if (a.high !== b.high) return a.high - b.high
  if (a.low !== b.low) return a.low - b.low
  return a.uuid === b.uuid ? 0 : a.uuid > b.uuid ? 1 : -1
}

/** Kong's namespace for the UUIDs of split routes; they decide ties. */
const SPLIT_NAMESPACE = Buffer.from('7f145bf90dce4f9198ebdebbce4b9f6b', 'hex')

const MATCH_BYTES_OF_LENGTH = 0x7ffff
const HEADER_COUNT_MAX = 255

/** Throws RegexSyntaxError with a message that names the pattern. A route without any condition has no entry. */
export function routeEntries(row: Row): RouteEntry[] {
  const hosts = list(row['hosts'])?.map(hostCondition) ?? null
  const methods = list(row['methods'])
  const headers = headerConditions(row['headers'])
  const snis = list(row['snis'])?.map(sniCondition) ?? null
  const paths = list(row['paths'])?.map(pathCondition) ?? null
  if (!hosts && !methods && !headers && !snis && !paths) return []
  const id = String(row['id'])
  const shared = { hosts, methods, headers, snis }
  const groups = paths === null ? [null] : groupPaths(paths)
  return groups.map((group, index) => ({
    ...shared,
    ...priority({ ...shared, group, regexPriority: Number(row['regex_priority'] ?? 0) }),
    uuid: groups.length === 1 ? id.toLowerCase() : uuidV5(`${id}#${index + 1}`),
    paths: group,
    matches: [],
  }))
}

/** Bytes as characters: what the listener hands to the router. */
export function toBytes(text: string): string {
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

function plainMatch(route: CompiledRoute, path: PathCondition | null): RouteMatch {
  return { route, matchedPath: path === null || path.regex !== null ? '' : path.text, uriCaptures: null }
}

function list(value: unknown): readonly string[] | null {
  return Array.isArray(value) && value.length > 0 ? (value as string[]) : null
}

function hostCondition(value: string): HostCondition {
  const colon = value.indexOf(':')
  const port = colon < 0 ? Number.NaN : Number(value.slice(colon + 1) || 'none')
  // As in Kong, a colon without number after it (an IPv6 literal) is part of the name.
  const host = toBytes(Number.isNaN(port) ? value : value.slice(0, colon))
  return { ...wildcard(host), port: Number.isNaN(port) ? null : port }
}

function sniCondition(value: string): SniCondition {
  const name = value.length > 1 && value.endsWith('.') ? value.slice(0, -1) : value
  return wildcard(toBytes(name))
}

function wildcard(text: string): SniCondition {
  if (text.startsWith('*')) return { kind: 'suffix', text: text.slice(1) }
  if (text.endsWith('*')) return { kind: 'prefix', text: text.slice(0, -1) }
  return { kind: 'exact', text }
}

function pathCondition(value: string): PathCondition {
  if (!value.startsWith('~')) return { text: toBytes(value), regex: null }
  const { regex, literalPrefix } = named(value, () => compileAnchoredRegex(value.slice(1)))
  return { text: toBytes(literalPrefix), regex }
}

function headerConditions(value: unknown): HeaderCondition[] | null {
  if (value === null || typeof value !== 'object') return null
  const conditions = Object.entries(value as Record<string, readonly string[]>).map(([name, values]) => ({
    name: name.toLowerCase().replaceAll('_', '-'),
    underscored: /[-_]/.test(name) ? name.toLowerCase().replaceAll('-', '_') : null,
    values: values.filter(v => !v.startsWith('~*')).map(v => toBytes(lower(v))),
    regexes: values.filter(v => v.startsWith('~*')).map(v => named(v, () => compileRustRegex(lower(v.slice(2)))).regex),
  }))
  return conditions.length > 0 ? conditions : null
}

/** Lower case for ASCII only, as Lua's; other letters are bytes here. */
export function lower(text: string): string {
  return text.replace(/[A-Z]+/g, letters => letters.toLowerCase())
}

function named(pattern: string, compile: () => RustRegex): RustRegex {
  try {
    return compile()
  } catch (cause) {
    throw new Error(`invalid regex '${pattern}': ${(cause as Error).message}`, { cause })
  }
}

function groupPaths(paths: readonly PathCondition[]): PathCondition[][] {
  const groups = new Map<number, PathCondition[]>()
  for (const path of paths) {
    const key = path.regex === null ? path.text.length : 0
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [path])
    else group.push(path)
  }
  return [...groups.values()]
}

interface PriorityInput {
  readonly hosts: readonly HostCondition[] | null
  readonly methods: readonly string[] | null
  readonly headers: readonly HeaderCondition[] | null
  readonly snis: readonly SniCondition[] | null
  readonly group: readonly PathCondition[] | null
  readonly regexPriority: number
}

/**
 * Bits 63-61 number of kinds of condition, 60 only plain hosts, 59-52 number of headers, 51 regex paths,
 * 50-19 regex_priority, 18-0 length of the prefix (reference: proxy.md 2.1). This is the layout that Kong documents.
 * Kong 3.9 itself shifts some of these numbers by 32 bits only (a slip with LuaJIT's `bit.lshift`), so that there a
 * plain host, and then a regex path, can outweigh the number of conditions; its own tests do not tell the two apart.
 */
function priority({ hosts, methods, headers, snis, group, regexPriority }: PriorityInput): {
  high: number
  low: number
} {
  const kinds = [hosts, methods, headers, snis, group].filter(kind => kind !== null).length
  const plainHosts = hosts !== null && hosts.every(host => host.kind === 'exact')
  const isRegex = group !== null && group[0]!.regex !== null
  const headerCount = Math.min(headers?.length ?? 0, HEADER_COUNT_MAX)
  const rank = isRegex ? regexPriority >>> 0 : 0
  const length = group === null || isRegex ? 0 : group[0]!.text.length & MATCH_BYTES_OF_LENGTH
  const high = kinds * 2 ** 29 + (plainHosts ? 2 ** 28 : 0) + headerCount * 2 ** 20 + (isRegex ? 2 ** 19 : 0)
  return { high: high + (rank >>> 13), low: (rank & 0x1fff) * 2 ** 19 + length }
}

function uuidV5(name: string): string {
  const hash = createHash('sha1').update(SPLIT_NAMESPACE).update(name).digest()
  hash[6] = (hash[6]! & 0x0f) | 0x50
  hash[8] = (hash[8]! & 0x3f) | 0x80
  const hex = hash.toString('hex', 0, 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
