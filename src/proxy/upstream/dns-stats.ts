/** What the DNS client did, by name and record type: the `stats` of `/status/dns` (Kong 3.9, `new_dns_client`). */
import type { Clock } from '../../base/clock.ts'
import type { DnsQueries } from './dns-queries.ts'

/** Members are Kong's: runs, hit_lru, miss, stale, query, query_succ, query_fail:…, query_last_time (ms). */
export type NameStats = Record<string, number>
export type DnsStats = Readonly<Record<string, Readonly<NameStats>>>

/** Names are those of entities; a configuration with more of them is not told apart any further. */
const NAMES_MAX = 10_000

/** Codes of c-ares, as Kong's resolver names them. */
const FAILURES: Readonly<Record<string, string>> = {
  EFORMERR: 'format error',
  ESERVFAIL: 'server failure',
  ENOTFOUND: 'name error',
  ENOTIMP: 'not implemented',
  EREFUSED: 'refused',
  ENODATA: 'empty record received',
}

export class DnsCounters {
  readonly #stats = new Map<string, NameStats>()

  /** The same object for ever, so that who asks often may keep it. */
  of(name: string, type: string): NameStats {
    const key = `${name}|${type}`
    let stats = this.#stats.get(key)
    if (stats === undefined) {
      stats = {}
      if (this.#stats.size < NAMES_MAX) this.#stats.set(key, stats)
    }
    return stats
  }

  dump(): DnsStats {
    return Object.fromEntries(this.#stats)
  }
}

export function count(stats: NameStats, member: string): void {
  stats[member] = (stats[member] ?? 0) + 1
}

/** The same queries, counted. */
export function countedQueries(queries: DnsQueries, counters: DnsCounters, clock: Clock): DnsQueries {
  const counted = async <T>(name: string, type: string, ask: () => Promise<T>): Promise<T> => {
    const stats = counters.of(name, type)
    count(stats, 'query')
    const startedAt = clock.monotonic()
    try {
      const answer = await ask()
      count(stats, 'query_succ')
      return answer
    } catch (error) {
      const failure = FAILURES[(error as { readonly code?: string }).code ?? '']
      count(stats, failure === undefined ? 'query_fail_nameserver' : `query_fail:${failure}`)
      throw error
    } finally {
      stats['query_last_time'] = Math.floor(clock.monotonic() - startedAt)
    }
  }
  return {
    resolve4: name => counted(name, 'A', () => queries.resolve4(name)),
    resolve6: name => counted(name, 'AAAA', () => queries.resolve6(name)),
    resolveSrv: name => counted(name, 'SRV', () => queries.resolveSrv(name)),
  }
}

/** Of all processes of a node together; the time is the longest of the last ones. */
export function sumDnsStats(all: readonly DnsStats[]): DnsStats {
  const sum: Record<string, NameStats> = {}
  for (const stats of all)
    for (const [key, members] of Object.entries(stats)) {
      const total = (sum[key] ??= {})
      for (const [member, value] of Object.entries(members))
        total[member] =
          member === 'query_last_time' ? Math.max(total[member] ?? 0, value) : (total[member] ?? 0) + value
    }
  return sum
}
