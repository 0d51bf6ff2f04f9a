/** Priorities of routes as numbers of 64 bits: the larger goes first. */

/** Two unsigned numbers of 32 bits, because a double holds only 53. */
export interface Priority {
  readonly high: number
  readonly low: number
}

export interface CompatibleTraits {
  /** Kinds of conditions that the route has. */
  readonly kinds: number
  readonly hasPlainHostsOnly: boolean
  readonly headers: number
  /** Null unless its paths are regexes. */
  readonly regexPriority: number | null
  /** Bytes of its prefix. */
  readonly pathLength: number
}

const HEADER_COUNT_MAX = 255
const PATH_LENGTH_MAX = 0x7ffff

/**
 * As Kong 3.9 computes it (kong/router/transform.lua), which is not what the drawing above that code shows. Its helper
 * for shifts by 64 bits shifts plain numbers by 32 (modulo 32, signed), so that bit 60 (only plain hosts) and bit 51
 * (regexes) weigh more than the numbers below them: kinds of conditions (bits 31-29), headers (27-20), regex priority
 * (from 19, over the others) and length (18-0). Four kinds or more make that number negative; what LuaJIT then makes of it
 * depends on whether the code was compiled, so only the sign (bit 63) is taken over: they go first, and after expressions.
 * Whoever moves from Kong keeps the order that the routes have there.
 */
export function compatiblePriority(traits: CompatibleTraits): Priority {
  const { kinds, hasPlainHostsOnly, regexPriority, pathLength } = traits
  const numbers =
    (kinds << 29) |
    (Math.min(traits.headers, HEADER_COUNT_MAX) << 20) |
    ((regexPriority ?? 0) << 19) |
    (pathLength & PATH_LENGTH_MAX)
  const sign = numbers < 0 ? 0x8000_0000 : 0
  return {
    high: (sign | (hasPlainHostsOnly ? 1 << 28 : 0) | (regexPriority === null ? 0 : 1 << 19)) >>> 0,
    low: numbers >>> 0,
  }
}

/** Before all routes in the traditional form: the highest byte is full, the rest is the route's `priority`. */
export function expressionPriority(priority: number): Priority {
  return { high: (0xff00_0000 + Math.floor(priority / 2 ** 32)) >>> 0, low: priority >>> 0 }
}

export interface TraditionalTraits {
  readonly hasHosts: boolean
  readonly hasHeaders: boolean
  readonly hasPath: boolean
  readonly hasMethods: boolean
  readonly hasSnis: boolean
  readonly hasWildcardHostWithPort: boolean
  readonly hasPlainHostsOnly: boolean
  readonly headers: number
  /** Null unless its path is a regex. */
  readonly regexPriority: number | null
  readonly pathLength: number
}

/**
 * The traditional order: number of kinds of conditions; which kinds (hosts before headers, paths, methods, server names);
 * wildcard hosts with port, only plain hosts, regexes; number of headers; then regex priority, or length of the path.
 */
export function traditionalPriority(traits: TraditionalTraits): Priority {
  const { hasHosts, hasHeaders, hasPath, hasMethods, hasSnis, regexPriority } = traits
  const kinds = [hasHosts, hasHeaders, hasPath, hasMethods, hasSnis]
  const count = kinds.filter(has => has).length
  const which = kinds.reduce((bits, has) => bits * 2 + Number(has), 0)
  const details = [traits.hasWildcardHostWithPort, traits.hasPlainHostsOnly, regexPriority !== null]
  const detail = details.reduce((bits, has) => bits * 2 + Number(has), 0)
  const headers = Math.min(traits.headers, HEADER_COUNT_MAX)
  return {
    high: count * 2 ** 16 + which * 2 ** 11 + detail * 2 ** 8 + headers,
    // Signed, so that a negative regex priority goes last.
    low: regexPriority === null ? traits.pathLength : clamp(regexPriority) + 2 ** 31,
  }
}

function clamp(regexPriority: number): number {
  return Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, regexPriority))
}

interface Address {
  readonly ip?: string | null
  readonly port?: number | null
}

export interface StreamTraits {
  readonly hasSnis: boolean
  readonly sources: readonly Address[]
  readonly destinations: readonly Address[]
}

/** Bit 61: a server name, or both source and destination; then sources (bits 7-4) and destinations (3-0). */
export function streamPriority({ hasSnis, sources, destinations }: StreamTraits): Priority {
  const isSpecific = hasSnis || (sources.length > 0 && destinations.length > 0)
  return { high: isSpecific ? 2 ** 29 : 0, low: addressWeight(sources) * 16 + addressWeight(destinations) }
}

/** An address weighs more than a port, a port more than a network. */
function addressWeight(addresses: readonly Address[]): number {
  let weight = 0
  for (const { ip, port } of addresses) {
    if (ip != null) weight |= ip.includes('/') ? 1 : 8
    if (port != null) weight |= 4
  }
  return weight
}

/** Number of kinds of conditions, which kinds, then whether an address comes with a port. */
export function traditionalStreamPriority({ hasSnis, sources, destinations }: StreamTraits): Priority {
  const kinds = [hasSnis, sources.length > 0, destinations.length > 0]
  const which = kinds.reduce((bits, has) => bits * 2 + Number(has), 0)
  const exact = [sources, destinations].map(list => list.some(({ ip, port }) => ip != null && port != null))
  return { high: kinds.filter(has => has).length * 8 + which, low: Number(exact[0]) * 2 + Number(exact[1]) }
}
