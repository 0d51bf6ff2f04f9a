/** Names to addresses, from the hosts file and name servers, with a cache that never makes a request wait twice. */
import { readFileSync } from 'node:fs'
import { Resolver as DnsClient } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Awaitable } from '../../sdk/sdk.ts'
import type { ProxySettings } from '../proxy-settings.ts'
import { type DnsAnswer, type DnsQueries, NO_ANSWER_YET, queryInOrder, type RecordType } from './dns-queries.ts'
import { candidateNames, parseHosts, parseResolvConf, type SearchRules } from './dns-files.ts'
import type { Resolution, ResolvedAddress, Resolver } from './resolver.ts'

export interface ResolverOptions {
  readonly settings: ProxySettings['dns']
  readonly clock: Clock
  readonly log: Logger
  /** Replaceable in tests. */
  readonly queries?: DnsQueries
  readonly resolvConf?: string
}

interface CacheEntry {
  resolution: Resolution
  lastType: RecordType | null
  freshUntilMs: number
  staleUntilMs: number
}

// Kong's `dns_cache_size`; the oldest name goes first.
const CACHED_NAMES_MAX = 10_000
// A record with ttl 0 asks not to be cached; one second keeps a busy service from asking at every request.
const TTL_S_MIN = 1
const QUERY_TIMEOUT_MS = 2000
const QUERY_TRIES = 2

export function createResolver(options: ResolverOptions): Resolver {
  return new CachingResolver(options)
}

class CachingResolver implements Resolver {
  readonly #settings: ProxySettings['dns']
  readonly #clock: Clock
  readonly #log: Logger
  readonly #queries: DnsQueries
  readonly #search: SearchRules
  readonly #hosts: ReadonlyMap<string, Resolution>
  readonly #order: readonly (RecordType | 'LAST')[]
  readonly #cache = new Map<string, CacheEntry>()
  readonly #running = new Map<string, Promise<Resolution>>()

  constructor({ settings, clock, log, queries, resolvConf = '/etc/resolv.conf' }: ResolverOptions) {
    this.#settings = settings
    this.#clock = clock
    this.#log = log
    this.#search = parseResolvConf(readText(resolvConf))
    this.#hosts = hostsTable(readText(settings.hostsFile))
    this.#queries = queries ?? nameServerQueries(settings.nameservers)
    this.#order = settings.order.map(type => type.toUpperCase()).filter(isKnownType)
  }

  resolve(name: string): Awaitable<Resolution> {
    const key = name.toLowerCase()
    const entry = this.#cache.get(key)
    if (entry !== undefined) {
      const now = this.#clock.monotonic()
      if (now < entry.freshUntilMs) return entry.resolution
      if (now < entry.staleUntilMs) {
        void this.#refresh(key)
        return entry.resolution
      }
    }
    return this.#hosts.get(key) ?? this.#refresh(key)
  }

  /** All who ask for a name while it is being asked for share one question. */
  #refresh(name: string): Promise<Resolution> {
    const running = this.#running.get(name)
    if (running !== undefined) return running
    const last = this.#cache.get(name)?.lastType ?? null
    const started = this.#ask(name, last).then(answer => {
      this.#running.delete(name)
      return this.#store(name, answer)
    })
    this.#running.set(name, started)
    return started
  }

  async #ask(name: string, last: RecordType | null): Promise<DnsAnswer> {
    const types = new Set(this.#order.map(type => (type === 'LAST' ? last : type)).filter(type => type !== null))
    let failure = NO_ANSWER_YET
    for (const candidate of candidateNames(name, this.#search)) {
      const answer = await queryInOrder(this.#queries, candidate, types)
      if (answer.ok || answer.isUnanswered) return answer
      // A server that fails says nothing about the name, which a later "not found" must not hide.
      if (!answer.isNotFound) failure = answer
    }
    return failure
  }

  #store(name: string, answer: DnsAnswer): Resolution {
    const now = this.#clock.monotonic()
    const before = this.#cache.get(name)
    const { staleTtlS, notFoundTtlS, errorTtlS, validTtlS } = this.#settings
    if (!answer.ok) {
      this.#log.warn(`name '${name}' does not resolve: ${answer.reason}`)
      const ttlS = answer.isNotFound ? notFoundTtlS : errorTtlS
      // Servers that fail do not take a known address away for as long as it may be stale.
      if (!answer.isNotFound && before?.resolution.ok && now < before.staleUntilMs) {
        before.freshUntilMs = now + ttlS * 1000
        return before.resolution
      }
      const resolution: Resolution = {
        ok: false,
        failure: answer.isNotFound ? 'name_resolution_failed' : 'dns_error',
      }
      const freshUntilMs = now + ttlS * 1000
      this.#put(name, { resolution, lastType: null, freshUntilMs, staleUntilMs: freshUntilMs })
      return resolution
    }
    const ttlMs = Math.max(TTL_S_MIN, validTtlS ?? answer.ttlS) * 1000
    const same = before?.resolution.ok === true && areSame(before.resolution.addresses, answer.addresses)
    const resolution: Resolution = same ? before.resolution : { ok: true, addresses: answer.addresses }
    const freshUntilMs = now + ttlMs
    this.#put(name, { resolution, lastType: answer.type, freshUntilMs, staleUntilMs: freshUntilMs + staleTtlS * 1000 })
    return resolution
  }

  #put(name: string, entry: CacheEntry): void {
    this.#cache.delete(name)
    if (this.#cache.size >= CACHED_NAMES_MAX) this.#cache.delete(this.#cache.keys().next().value!)
    this.#cache.set(name, entry)
  }
}

function isKnownType(type: string): type is RecordType | 'LAST' {
  // CNAME is followed by the name servers themselves.
  return type === 'LAST' || type === 'SRV' || type === 'A' || type === 'AAAA'
}

function areSame(a: readonly ResolvedAddress[], b: readonly ResolvedAddress[]): boolean {
  const text = (addresses: readonly ResolvedAddress[]) =>
    addresses
      .map(({ ip, port, weight }) => `${ip} ${port} ${weight}`)
      .sort()
      .join()
  return text(a) === text(b)
}

function hostsTable(text: string): ReadonlyMap<string, Resolution> {
  const table = new Map<string, Resolution>()
  const hosts = parseHosts(text)
  if (!hosts.has('localhost')) hosts.set('localhost', ['127.0.0.1'])
  for (const [name, ips] of hosts) {
    const v4 = ips.filter(ip => isIP(ip) === 4)
    const addresses = (v4.length > 0 ? v4 : ips).map(ip => ({ ip, port: null, weight: null }))
    table.set(name, { ok: true, addresses })
  }
  return table
}

/** A file that is not there has nothing to say. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function nameServerQueries(nameservers: readonly string[]): DnsQueries {
  const client = new DnsClient({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES })
  if (nameservers.length > 0) client.setServers([...nameservers])
  return {
    resolve4: name => client.resolve4(name, { ttl: true }),
    resolve6: name => client.resolve6(name, { ttl: true }),
    resolveSrv: name => client.resolveSrv(name),
  }
}
