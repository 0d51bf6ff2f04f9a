/**
 * Routes of the `traditional` flavour. Each path of a route counts for itself; of routes that are alike the one that
 * was created first answers.
 *
 * Differences to `traditional_compatible` that follow from how Kong 3.9 does it: the kinds of conditions have an order of
 * their own, a wildcard host with port goes before plain hosts, the port of a plain host must be in the Host header, a
 * header regex is one only when it is the header's only value and is not put into lower case, and a regex with
 * alternatives is anchored for all of them.
 */
import { compileAnchoredRegex, compileRustRegex, type RustRegex } from '../../base/rust-regex.ts'
import type { Row } from '../../entities/config.ts'
import { lower, toBytes } from './byte-text.ts'
import { traditionalPriority } from './priority.ts'
import { type HeaderCondition, type HostCondition, NO_CONDITIONS, type RouteEntry } from './route-entry.ts'
import {
  ageText,
  headerLists,
  list,
  named,
  pathCondition,
  sniCondition,
  splitHost,
  wildcard,
} from './row-conditions.ts'

/** Throws an Error that names the pattern. A route without any condition has no entry. */
export function traditionalEntries(row: Row): RouteEntry[] {
  const conditions = {
    ...NO_CONDITIONS,
    hosts: list(row['hosts'])?.map(hostCondition) ?? null,
    methods: list(row['methods'])?.map(method => method.toUpperCase()) ?? null,
    headers: headerConditions(row['headers']),
    snis: list(row['snis'])?.map(sniCondition) ?? null,
  }
  const { hosts, methods, headers, snis } = conditions
  const paths = list(row['paths'])?.map(path => pathCondition(path, compileAnchored)) ?? null
  if (!hosts && !methods && !headers && !snis && !paths) return []
  const age = ageText(row)
  return (paths ?? [null]).map((path, index) => ({
    ...conditions,
    ...traditionalPriority({
      hasHosts: hosts !== null,
      hasHeaders: headers !== null,
      hasPath: path !== null,
      hasMethods: methods !== null,
      hasSnis: snis !== null,
      hasWildcardHostWithPort: hosts?.some(host => host.kind !== 'exact' && host.port !== null) ?? false,
      hasPlainHostsOnly: hosts?.every(host => host.kind === 'exact') ?? false,
      headers: headers?.length ?? 0,
      regexPriority: path?.regex == null ? null : Number(row['regex_priority'] ?? 0),
      pathLength: path === null || path.regex !== null ? 0 : path.text.length,
    }),
    // Of the paths of one route the first goes first.
    tie: `${age} ${row['id']} ${String(99_999 - index).padStart(5, '0')}`,
    paths: path === null ? null : [path],
    matches: [],
  }))
}

function compileAnchored(pattern: string): RustRegex {
  return pattern.includes('|') ? compileRustRegex(`^(?:${pattern})`) : compileAnchoredRegex(pattern)
}

function hostCondition(value: string): HostCondition {
  const { name, port } = splitHost(value)
  const host = wildcard(name)
  return { ...host, port, portRule: host.kind === 'exact' ? 'sent' : 'scheme' }
}

function headerConditions(value: unknown): HeaderCondition[] | null {
  return headerLists(value)?.map(([name, values]) => headerCondition(name.toLowerCase(), values)) ?? null
}

function headerCondition(name: string, values: readonly string[]): HeaderCondition {
  const [only] = values.length === 1 ? values : []
  const pattern = only?.startsWith('~*') ? only.slice(2) : null
  return {
    name: name.replaceAll('_', '-'),
    underscored: name.includes('_') ? name : null,
    values: values.map(text => toBytes(lower(text))),
    regexes: pattern === null ? [] : [named(pattern, () => compileRustRegex(pattern)).regex],
  }
}
