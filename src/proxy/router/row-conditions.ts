/** The parts of route rows as conditions, where the flavours agree. */
import type { RustRegex } from '../../base/rust-regex.ts'
import { maskIp, parseIp } from '../../entities/expressions/ip-literals.ts'
import type { Expression, IpAddress } from '../../entities/expressions/syntax.ts'
import type { Row } from '../../entities/config.ts'
import { toBytes } from './byte-text.ts'
import type { PathCondition, SniCondition } from './route-entry.ts'

/** Null for an empty list too: it asks for nothing. */
export function list(value: unknown): readonly string[] | null {
  return Array.isArray(value) && value.length > 0 ? (value as string[]) : null
}

/** `[name, values]` of each header. */
export function headerLists(value: unknown): readonly (readonly [string, readonly string[]])[] | null {
  if (value === null || typeof value !== 'object') return null
  const entries = Object.entries(value as Record<string, readonly string[]>)
  return entries.length > 0 ? entries : null
}

/** `name:port`; a colon without number after it (an IPv6 literal) is part of the name, as in Kong. */
export function splitHost(value: string): { readonly name: string; readonly port: number | null } {
  const colon = value.indexOf(':')
  const port = colon < 0 ? Number.NaN : Number(value.slice(colon + 1) || 'none')
  return Number.isNaN(port) ? { name: toBytes(value), port: null } : { name: toBytes(value.slice(0, colon)), port }
}

/** `*.x`, `x.*` or `x`. */
export function wildcard(text: string): SniCondition {
  if (text.startsWith('*')) return { kind: 'suffix', text: text.slice(1) }
  if (text.endsWith('*')) return { kind: 'prefix', text: text.slice(0, -1) }
  return { kind: 'exact', text }
}

/** The dot at the end of a fully qualified name does not count. */
export function sniCondition(value: string): SniCondition {
  return wildcard(toBytes(value.length > 1 && value.endsWith('.') ? value.slice(0, -1) : value))
}

export function pathCondition(value: string, compile: (pattern: string) => RustRegex): PathCondition {
  if (!value.startsWith('~')) return { text: toBytes(value), regex: null }
  const { regex, literalPrefix } = named(value, () => compile(value.slice(1)))
  return { text: toBytes(literalPrefix), regex }
}

/** An error says which pattern is meant. */
export function named(pattern: string, compile: () => RustRegex): RustRegex {
  try {
    return compile()
  } catch (cause) {
    throw new Error(`invalid regex '${pattern}': ${(cause as Error).message}`, { cause })
  }
}

/** `sources` and `destinations` as an expression; null when there are none. */
export function addressExpression(row: Row): Expression | null {
  const parts = [anyAddress(row['sources'], 'net.src'), anyAddress(row['destinations'], 'net.dst')].filter(
    part => part !== null,
  )
  return parts.length === 0 ? null : { kind: 'and', parts }
}

interface AddressRow {
  readonly ip?: string | null
  readonly port?: number | null
}

function anyAddress(value: unknown, field: string): Expression | null {
  if (!Array.isArray(value) || value.length === 0) return null
  return { kind: 'or', parts: (value as AddressRow[]).map(address => oneAddress(address, field)) }
}

function oneAddress({ ip, port }: AddressRow, field: string): Expression {
  const parts: Expression[] = []
  const predicate = { kind: 'predicate', lower: false, any: false, at: 0, end: 0 } as const
  if (ip != null) {
    const [text, digits] = ip.split('/') as [string, string | undefined]
    const address: IpAddress = parseIp(text) ?? []
    const prefix = Number(digits)
    const network = { type: 'IpCidr', address: maskIp(address, prefix), prefix } as const
    parts.push(
      digits === undefined
        ? { ...predicate, field: `${field}.ip`, operator: '==', value: { type: 'IpAddr', address } }
        : { ...predicate, field: `${field}.ip`, operator: 'in', value: network },
    )
  }
  if (port != null) {
    const value = { type: 'Int', number: port } as const
    parts.push({ ...predicate, field: `${field}.port`, operator: '==', value })
  }
  return { kind: 'and', parts }
}

/** Seconds; later ones than this do not occur. */
const LATEST = 1e12

/** Larger for what was created earlier, as text. */
export function ageText(row: Row): string {
  return String(LATEST - Number(row['created_at'] ?? 0)).padStart(13, '0')
}
