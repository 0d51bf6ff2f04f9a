/**
 * A router that is slow and obvious: it reads like the reference (proxy.md 2.1), sorts all routes at each request and
 * tries them in order. What a real router answers must be what this one answers.
 */
import { createHash } from 'node:crypto'
import type { Row } from '../../src/entities/config.ts'
import type { RouterInput } from '../../src/proxy/router/router.ts'

export interface ReferenceMatch {
  readonly id: string
  readonly matchedPath: string
  readonly uriCaptures: Readonly<Record<string, string>> | null
}

type Texts = readonly string[]

/** A route with the paths of one priority group. */
interface Part {
  readonly row: Row
  readonly uuid: string
  readonly paths: Texts
}

export function referenceMatch(rows: Iterable<Row>, input: RouterInput): ReferenceMatch | null {
  const parts = [...rows].flatMap(split).filter(hasCondition)
  parts.sort((a, b) => {
    const [x, y] = [priority(a), priority(b)]
    if (x !== y) return x > y ? -1 : 1
    return a.uuid > b.uuid ? -1 : 1
  })
  for (const part of parts) {
    const match = tryPart(part, input)
    if (match !== null) return { id: String(part.row['id']), ...match }
  }
  return null
}

const texts = (value: unknown): Texts => (Array.isArray(value) ? value : [])
const headersOf = (row: Row) => Object.entries((row['headers'] ?? {}) as Record<string, Texts>)
const isRegex = (path: string) => path.startsWith('~')

/** One part for all regexes, one for each length of prefix; with more than one part each gets a UUID of its own. */
function split(row: Row): Part[] {
  const id = String(row['id'])
  const groups = new Map<number, string[]>()
  for (const path of texts(row['paths'])) {
    const key = isRegex(path) ? 0 : path.length
    groups.set(key, [...(groups.get(key) ?? []), path])
  }
  if (groups.size < 2) return [{ row, uuid: id, paths: texts(row['paths']) }]
  return [...groups.values()].map((paths, index) => ({ row, paths, uuid: splitUuid(`${id}#${index + 1}`) }))
}

function splitUuid(name: string): string {
  const namespace = Buffer.from('7f145bf90dce4f9198ebdebbce4b9f6b', 'hex')
  const bytes = createHash('sha1').update(namespace).update(name).digest().subarray(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x50
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

function hasCondition({ row, paths }: Part): boolean {
  return (
    paths.length + texts(row['hosts']).length + texts(row['methods']).length + texts(row['snis']).length > 0 ||
    headersOf(row).length > 0
  )
}

/** Kong shifts plain numbers by 32 bits only: whatever is no single flag is one signed number of 32 bits. */
function priority({ row, paths }: Part): bigint {
  const hosts = texts(row['hosts'])
  const kinds = [hosts, texts(row['methods']), texts(row['snis']), paths, headersOf(row)]
  const regexes = paths.length > 0 && isRegex(paths[0]!)
  const shifted = (number: number, bits: bigint) => BigInt.asUintN(32, BigInt(number) << (bits % 32n))
  let numbers = shifted(kinds.filter(kind => kind.length > 0).length, 61n)
  numbers |= shifted(headersOf(row).length, 52n)
  if (regexes) numbers |= shifted(Number(row['regex_priority'] ?? 0), 19n)
  else if (paths.length > 0) numbers |= BigInt(paths[0]!.length)
  let bits = numbers | ((numbers >> 31n) << 63n)
  if (hosts.length > 0 && !hosts.some(host => host.includes('*'))) bits |= 1n << 60n
  if (regexes) bits |= 1n << 51n
  return bits
}

function tryPart({ row, paths }: Part, input: RouterInput): Omit<ReferenceMatch, 'id'> | null {
  const snis = texts(row['snis'])
  if (
    snis.length > 0 &&
    input.scheme === 'https' &&
    !snis.some(sni => wildcardHolds(sni.replace(/\.$/, ''), input.sni))
  )
    return null
  const methods = texts(row['methods'])
  if (methods.length > 0 && !methods.includes(input.method)) return null
  const hosts = texts(row['hosts'])
  if (hosts.length > 0 && !hosts.some(host => hostHolds(host, input))) return null
  if (!headersOf(row).every(([name, values]) => headerHolds(name, values, input))) return null
  if (paths.length === 0) return { matchedPath: '', uriCaptures: null }
  for (const path of paths) {
    const match = pathMatch(path, input.path)
    if (match !== null) return match
  }
  return null
}

function wildcardHolds(pattern: string, value: string): boolean {
  if (value === '') return false
  if (pattern.startsWith('*')) return value.endsWith(pattern.slice(1))
  if (pattern.endsWith('*')) return value.startsWith(pattern.slice(0, -1))
  return value === pattern
}

function hostHolds(host: string, input: RouterInput): boolean {
  const [, name, port] = /^([^:]*):(\d+)$/.exec(host) ?? [null, host, undefined]
  return wildcardHolds(name!, input.host) && (port === undefined || Number(port) === input.port)
}

function headerHolds(name: string, values: Texts, input: RouterInput): boolean {
  // The name with underscores is looked for first: what is sent by it hides the name with dashes.
  const underscored = input.headerValues(name.toLowerCase().replaceAll('-', '_'))
  const dashed = input.headerValues(name.toLowerCase().replaceAll('_', '-'))
  const sent = (underscored.length > 0 ? underscored : dashed).map(value => value.toLowerCase())
  return values
    .map(value => value.toLowerCase())
    .some(value => sent.some(s => (value.startsWith('~*') ? new RegExp(value.slice(2)).test(s) : s === value)))
}

function pathMatch(path: string, requested: string): Omit<ReferenceMatch, 'id'> | null {
  if (!isRegex(path)) return requested.startsWith(path) ? { matchedPath: path, uriCaptures: null } : null
  const match = new RegExp(`^${path.slice(1).replaceAll('?P<', '?<')}`).exec(requested)
  if (match === null) return null
  const named = Object.entries(match.groups ?? {})
  const captures = [...match.entries(), ...named].filter(([, text]) => text !== undefined)
  return { matchedPath: match[0], uriCaptures: captures.length > 1 ? Object.fromEntries(captures) : null }
}
