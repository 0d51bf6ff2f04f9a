/** Names to addresses, from the hosts file and name servers, with a cache that never makes a request wait twice. */
import { readFileSync } from 'node:fs'
import { Resolver as DnsClient } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Awaitable } from '../../sdk/sdk.ts'
import type { ProxySettings } from '../proxy-settings.ts'
import { type DnsAnswer, type DnsQueries, NO_ANSWER_YET, queryInOrder, type RecordType } from './dns-queries.ts'
import { candidateNames, parseHosts, parseResolvConf, type QueryRules, type SearchRules } from './dns-files.ts'
import { count, countedQueries, DnsCounters, type DnsStats, type NameStats } from './dns-stats.ts'
import type { Resolution, ResolvedAddress, Resolver } from './resolver.ts'

export interface CountingResolver extends Resolver {
  /** Empty unless this is Kong's new client. */
  stats(): DnsStats
}

export interface ResolverOptions {
  readonly settings: ProxySettings['dns']
  readonly clock: Clock
  readonly log: Logger
  /** Replaceable in tests. */
  readonly queries?: DnsQueries
  readonly resolvConf?: string
}

interface CacheEntry {
  readonly stats: NameStats | null
  resolution: Resolution
  lastType: RecordType | null
  freshUntilMs: number
  staleUntilMs: number
}

// A record with ttl 0 asks not to be cached; one second keeps a busy service from asking at every request.
const TTL_S_MIN = 1
/** Kong's new client asks for SRV records of such names only, and for nothing else of them. */
const SRV_NAME = /^_[^._]+\._[^._]+\.[^.]+/
/** And for those of a stale name so often, at most. */
const STALE_RETRY_MS = 60_000

export function createResolver(options: ResolverOptions): CountingResolver {
  return new CachingResolver(options)
}

class CachingResolver implements CountingResolver {
  readonly #settings: ProxySettings['dns']
  readonly #clock: Clock
  readonly #log: Logger
  readonly #queries: DnsQueries
  readonly #search: SearchRules
  /** Only the new client counts. */
  readonly #counters: DnsCounters | null
  readonly #hosts: ReadonlyMap<string, Resolution>
  readonly #order: readonly (RecordType | 'LAST')[]
  readonly #cache = new Map<string, CacheEntry>()
  readonly #running = new Map<string, Promise<Resolution>>()

  constructor({ settings, clock, log, queries, resolvConf = '/etc/resolv.conf' }: ResolverOptions) {
    this.#settings = settings
    this.#clock = clock
    this.#log = log
    const rules = parseResolvConf(readText(resolvConf))
    this.#search = rules
    this.#hosts = hostsTable(readText(settings.hostsFile))
    this.#counters = settings.isNewClient ? new DnsCounters() : null
    const asked = queries ?? nameServerQueries(settings.nameservers, rules)
    this.#queries = this.#counters === null ? asked : countedQueries(asked, this.#counters, clock)
    this.#order = settings.order.map(type => type.toUpperCase()).filter(isKnownType)
  }

  resolve(name: string): Awaitable<Resolution> {
    const key = name.toLowerCase()
    const entry = this.#cache.get(key)
    if (entry !== undefined) {
      const now = this.#clock.monotonic()
      if (now < entry.freshUntilMs) return this.#counted(entry, 'hit_lru')
      if (now < entry.staleUntilMs) {
        // Whoever finds it stale starts one question; until that is answered, the others do not.
        if (!this.#running.has(key)) void this.#refresh(key)
        return this.#counted(entry, 'stale')
      }
    }
    const fixed = this.#hosts.get(key)
    const stats = this.#statsOf(key)
    if (stats !== null) {
      count(stats, 'runs')
      count(stats, fixed === undefined ? 'miss' : 'hit_lru')
    }
    return fixed ?? this.#refresh(key)
  }

  /** Nothing but a property where nobody wants to know. */
  #counted({ stats, resolution }: CacheEntry, outcome: 'hit_lru' | 'stale'): Resolution {
    if (stats !== null) {
      count(stats, 'runs')
      count(stats, outcome)
    }
    return resolution
  }

  #statsOf(name: string): NameStats | null {
    return this.#counters?.of(name, this.#wantsSrv(name) ? 'SRV' : 'A/AAAA') ?? null
  }

  stats(): DnsStats {
    return this.#counters?.dump() ?? {}
  }

  /** All who ask for a name while it is being asked for share one question, unless `dns_no_sync` says otherwise. */
  #refresh(name: string): Promise<Resolution> {
    const running = this.#running.get(name)
    if (running !== undefined && !this.#settings.noSync) return running
    const last = this.#cache.get(name)?.lastType ?? null
    const started = this.#ask(name, last).then(answer => {
      if (this.#running.get(name) === started) this.#running.delete(name)
      return this.#store(name, answer)
    })
    this.#running.set(name, started)
    return started
  }

  #wantsSrv(name: string): boolean {
    return this.#order.includes('SRV') && SRV_NAME.test(name)
  }

  #typesOf(name: string, last: RecordType | null): ReadonlySet<RecordType> {
    if (!this.#settings.isNewClient)
      return new Set(this.#order.map(type => (type === 'LAST' ? last : type)).filter(type => type !== null))
    if (this.#wantsSrv(name)) return new Set(['SRV'])
    return new Set((['A', 'AAAA'] as const).filter(type => this.#order.includes(type)))
  }

  async #ask(name: string, last: RecordType | null): Promise<DnsAnswer> {
    const types = this.#typesOf(name, last)
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
      if (before?.resolution.ok && now < before.staleUntilMs && (this.#settings.isNewClient || !answer.isNotFound)) {
        before.freshUntilMs = now + (this.#settings.isNewClient ? STALE_RETRY_MS : ttlS * 1000)
        return before.resolution
      }
      const resolution: Resolution = {
        ok: false,
        failure: answer.isNotFound ? 'name_resolution_failed' : 'dns_error',
      }
      const freshUntilMs = now + ttlS * 1000
      this.#put(name, {
        resolution,
        lastType: null,
        freshUntilMs,
        staleUntilMs: freshUntilMs,
        stats: this.#statsOf(name),
      })
      return resolution
    }
    const ttlMs = Math.max(TTL_S_MIN, validTtlS ?? answer.ttlS) * 1000
    const same = before?.resolution.ok === true && areSame(before.resolution.addresses, answer.addresses)
    const resolution: Resolution = same ? before.resolution : { ok: true, addresses: answer.addresses }
    const freshUntilMs = now + ttlMs
    const staleUntilMs = freshUntilMs + staleTtlS * 1000
    this.#put(name, { resolution, lastType: answer.type, freshUntilMs, staleUntilMs, stats: this.#statsOf(name) })
    return resolution
  }

  #put(name: string, entry: CacheEntry): void {
    this.#cache.delete(name)
    if (this.#cache.size >= this.#settings.cacheSize) this.#cache.delete(this.#cache.keys().next().value!)
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
      .map(({ ip, port, weight, name }) => `${ip} ${port} ${weight} ${name}`)
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

function nameServerQueries(nameservers: readonly string[], { timeoutMs, attempts, rotate }: QueryRules): DnsQueries {
  const servers = nameservers.length > 0 ? nameservers : new DnsClient().getServers()
  // Its timeouts double unless they are bounded, and it counts tries for each server.
  const tries = Math.max(1, Math.ceil(attempts / Math.max(1, servers.length)))
  const clients = servers.slice(0, rotate ? servers.length : 1).map((_, first) => {
    const client = new DnsClient({ timeout: timeoutMs, maxTimeout: timeoutMs, tries })
    client.setServers([...servers.slice(first), ...servers.slice(0, first)])
    return client
  })
  if (clients.length === 0) clients.push(new DnsClient({ timeout: timeoutMs, maxTimeout: timeoutMs, tries }))
  let turn = 0
  const next = () => clients[turn++ % clients.length]!
  return {
    resolve4: name => next().resolve4(name, { ttl: true }),
    resolve6: name => next().resolve6(name, { ttl: true }),
    resolveSrv: name => next().resolveSrv(name),
  }
}
