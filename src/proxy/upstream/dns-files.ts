/** The system's files about names: `/etc/hosts` and the search rules of `/etc/resolv.conf`. */
import { isIP } from 'node:net'

export interface SearchRules {
  readonly domains: readonly string[]
  /** Names with fewer dots are tried below the search domains first. */
  readonly ndots: number
}

/** How name servers are asked. */
export interface QueryRules {
  /** For one try. */
  readonly timeoutMs: number
  /** All servers together. */
  readonly attempts: number
  /** Each question begins at another server. */
  readonly rotate: boolean
}

/** Addresses by name in lower case. */
export function parseHosts(text: string): Map<string, string[]> {
  const hosts = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [ip, ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (ip === undefined || isIP(ip) === 0) continue
    for (const name of names.map(n => n.toLowerCase())) {
      const ips = hosts.get(name)
      if (ips === undefined) hosts.set(name, [ip])
      else if (!ips.includes(ip)) ips.push(ip)
    }
  }
  return hosts
}

// The limits of the C library's resolver.
const SEARCH_DOMAINS_MAX = 6
const NDOTS_MAX = 15
const TIMEOUT_S_MAX = 30
const ATTEMPTS_MAX = 5
// Kong's, where the file says nothing.
const TIMEOUT_MS_DEFAULT = 2000
const ATTEMPTS_DEFAULT = 5

export function parseResolvConf(text: string): SearchRules & QueryRules {
  let domains: string[] = []
  const options = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/)
    if (keyword === 'search' || keyword === 'domain') domains = values.filter(value => value !== '.')
    if (keyword !== 'options') continue
    for (const value of values) {
      const [, name, number] = /^([a-z-]+)(?::(\d+))?$/.exec(value) ?? []
      if (name !== undefined) options.set(name, number === undefined ? 1 : Number(number))
    }
  }
  const seconds = Math.min(TIMEOUT_S_MAX, options.get('timeout') ?? 0)
  return {
    domains: domains.slice(0, SEARCH_DOMAINS_MAX),
    ndots: Math.min(NDOTS_MAX, options.get('ndots') ?? 1),
    timeoutMs: seconds > 0 ? seconds * 1000 : TIMEOUT_MS_DEFAULT,
    attempts: Math.min(ATTEMPTS_MAX, Math.max(1, options.get('attempts') ?? ATTEMPTS_DEFAULT)),
    rotate: options.has('rotate'),
  }
}

/** Full names to ask for, in order. */
export function candidateNames(name: string, { domains, ndots }: SearchRules): readonly string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)]
  const below = domains.map(domain => `${name}.${domain.replace(/\.$/, '')}`)
  const dots = name.split('.').length - 1
  return dots >= ndots ? [name, ...below] : [...below, name]
}
