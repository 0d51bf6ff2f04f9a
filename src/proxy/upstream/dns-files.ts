/** The system's files about names: `/etc/hosts` and the search rules of `/etc/resolv.conf`. */
import { isIP } from 'node:net'

export interface SearchRules {
  readonly domains: readonly string[]
  /** Names with fewer dots are tried below the search domains first. */
  readonly ndots: number
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

export function parseResolvConf(text: string): SearchRules {
  let domains: string[] = []
  let ndots = 1
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/)
    if (keyword === 'search' || keyword === 'domain') domains = values.filter(value => value !== '.')
    if (keyword !== 'options') continue
    const option = values.map(value => /^ndots:(\d+)$/.exec(value)).find(match => match !== null)
    if (option) ndots = Math.min(NDOTS_MAX, Number(option[1]))
  }
  return { domains: domains.slice(0, SEARCH_DOMAINS_MAX), ndots }
}

/** Full names to ask for, in order. */
export function candidateNames(name: string, { domains, ndots }: SearchRules): readonly string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)]
  const below = domains.map(domain => `${name}.${domain.replace(/\.$/, '')}`)
  const dots = name.split('.').length - 1
  return dots >= ndots ? [name, ...below] : [...below, name]
}
