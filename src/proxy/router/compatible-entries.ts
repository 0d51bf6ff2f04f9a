/**
 * Routes in the traditional form as `traditional_compatible` and `expressions` match them. Kong turns them into
 * expressions; a route with paths of several kinds becomes one for all its regexes and one for each length of prefix.
 */
import { createHash } from 'node:crypto'
import { compileAnchoredRegex, compileRustRegex } from '../../base/rust-regex.ts'
import type { Row } from '../../entities/config.ts'
import { lower, toBytes } from './byte-text.ts'
import { compileExpression } from './expressions/compile.ts'
import { httpField } from './expressions/http-fields.ts'
import { compatiblePriority } from './priority.ts'
import {
  type HeaderCondition,
  type HostCondition,
  NO_CONDITIONS,
  type PathCondition,
  type RouteConditions,
  type RouteEntry,
} from './route-entry.ts'
import {
  addressExpression,
  headerLists,
  list,
  named,
  pathCondition,
  sniCondition,
  splitHost,
  wildcard,
} from './row-conditions.ts'

/** Kong's namespace for the UUIDs of split routes; they decide ties. */
const SPLIT_NAMESPACE = Buffer.from('7f145bf90dce4f9198ebdebbce4b9f6b', 'hex')

/** Throws an Error that names the pattern. A route without any condition has no entry. */
export function compatibleEntries(row: Row, scheme: 'http' | 'https' | null = null): RouteEntry[] {
  const conditions = conditionsOf(row, scheme)
  const { hosts, methods, headers, snis } = conditions
  const paths = list(row['paths'])?.map(path => pathCondition(path, compileAnchoredRegex)) ?? null
  const addresses = [row['sources'], row['destinations']].filter(value => list(value) !== null).length
  const kinds = [hosts, methods, headers, snis, paths].filter(kind => kind !== null).length + addresses
  if (kinds === 0) return []
  const id = String(row['id'])
  const groups = paths === null ? [null] : groupPaths(paths)
  return groups.map((group, index) => {
    const isRegex = group !== null && group[0]!.regex !== null
    const priority = compatiblePriority({
      kinds,
      hasPlainHostsOnly: hosts !== null && hosts.every(host => host.kind === 'exact'),
      headers: headers?.length ?? 0,
      regexPriority: isRegex ? Number(row['regex_priority'] ?? 0) : null,
      pathLength: group === null || isRegex ? 0 : group[0]!.text.length,
    })
    const tie = groups.length === 1 ? id.toLowerCase() : uuidV5(`${id}#${index + 1}`)
    return { ...conditions, ...priority, tie, paths: group, matches: [] }
  })
}

function conditionsOf(row: Row, scheme: 'http' | 'https' | null): RouteConditions {
  const addresses = addressExpression(row)
  return {
    ...NO_CONDITIONS,
    hosts: list(row['hosts'])?.map(hostCondition) ?? null,
    methods: list(row['methods']),
    headers: headerConditions(row['headers']),
    snis: list(row['snis'])?.map(sniCondition) ?? null,
    scheme,
    test: addresses === null ? null : compileExpression(addresses, httpField),
  }
}

function hostCondition(value: string): HostCondition {
  const { name, port } = splitHost(value)
  return { ...wildcard(name), port }
}

function headerConditions(value: unknown): HeaderCondition[] | null {
  return (
    headerLists(value)?.map(([name, values]) => ({
      name: name.toLowerCase().replaceAll('_', '-'),
      underscored: /[-_]/.test(name) ? name.toLowerCase().replaceAll('-', '_') : null,
      values: values.filter(v => !v.startsWith('~*')).map(v => toBytes(lower(v))),
      regexes: values
        .filter(v => v.startsWith('~*'))
        .map(v => named(v, () => compileRustRegex(lower(v.slice(2)))).regex),
    })) ?? null
  )
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

function uuidV5(name: string): string {
  const hash = createHash('sha1').update(SPLIT_NAMESPACE).update(name).digest()
  hash[6] = (hash[6]! & 0x0f) | 0x50
  hash[8] = (hash[8]! & 0x3f) | 0x80
  const hex = hash.toString('hex', 0, 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
