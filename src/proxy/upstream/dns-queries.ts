/** One name asked for in the order of `dns_order`, until a record type has an answer. */
import { isIP } from 'node:net'
import type { ResolvedAddress } from './resolver.ts'

export type RecordType = 'A' | 'AAAA' | 'SRV'

/** As `node:dns` has them; a rejection carries c-ares' `code`. */
export interface DnsQueries {
  resolve4(name: string): Promise<readonly { readonly address: string; readonly ttl: number }[]>
  resolve6(name: string): Promise<readonly { readonly address: string; readonly ttl: number }[]>
  resolveSrv(
    name: string,
  ): Promise<
    readonly { readonly name: string; readonly port: number; readonly priority: number; readonly weight: number }[]
  >
}

export type DnsAnswer =
  | {
      readonly ok: true
      readonly type: RecordType
      readonly ttlS: number
      readonly addresses: readonly ResolvedAddress[]
    }
  | {
      readonly ok: false
      readonly isNotFound: boolean
      /** No server answered: asking for another type or name would only wait as long again. */
      readonly isUnanswered: boolean
      readonly reason: string
    }

const NOT_FOUND_CODES = new Set(['ENOTFOUND', 'ENODATA'])
const UNANSWERED_CODES = new Set(['ETIMEOUT', 'ECONNREFUSED', 'ECANCELLED'])

export const NO_ANSWER_YET: DnsAnswer = { ok: false, isNotFound: true, isUnanswered: false, reason: 'ENOTFOUND' }

export async function queryInOrder(queries: DnsQueries, name: string, types: Iterable<RecordType>): Promise<DnsAnswer> {
  let failure = NO_ANSWER_YET
  for (const type of types) {
    try {
      const answer = await query(queries, name, type)
      if (answer.addresses.length > 0) return { ok: true, type, ...answer }
    } catch (error) {
      const code = (error as { code?: string }).code ?? (error as Error).message
      if (NOT_FOUND_CODES.has(code)) continue
      const isUnanswered = UNANSWERED_CODES.has(code)
      failure = { ok: false, isNotFound: false, isUnanswered, reason: code }
      if (isUnanswered) break
    }
  }
  return failure
}

interface Answer {
  readonly ttlS: number
  readonly addresses: readonly ResolvedAddress[]
}

async function query(queries: DnsQueries, name: string, type: RecordType): Promise<Answer> {
  if (type === 'SRV') return querySrv(queries, name)
  const records = await (type === 'A' ? queries.resolve4(name) : queries.resolve6(name))
  return {
    ttlS: Math.min(...records.map(record => record.ttl)),
    addresses: records.map(({ address }) => ({ ip: address, port: null, weight: null })),
  }
}

// Of an address that does not change, for as long as its record is known.
const LITERAL_TTL_S = 60

/** Records that name an address instead of a host are wrong, and usual (Kong takes them too). */
function literal(name: string): DnsAnswer | null {
  const ip = name.replace(/^\[|\]$/g, '')
  if (isIP(ip) === 0) return null
  return { ok: true, type: 'A', ttlS: LITERAL_TTL_S, addresses: [{ ip, port: null, weight: null }] }
}

/** Only the group of the lowest priority value counts; a weight of 0 counts as 1, as in Kong. */
async function querySrv(queries: DnsQueries, name: string): Promise<Answer> {
  const records = await queries.resolveSrv(name)
  const first = Math.min(...records.map(record => record.priority))
  const group = records.filter(record => record.priority === first)
  const answers = await Promise.all(
    group.map(async record => ({
      record,
      answer: literal(record.name) ?? (await queryInOrder(queries, record.name, ['A', 'AAAA'])),
    })),
  )
  const addresses: ResolvedAddress[] = []
  // Node does not tell the ttl of an SRV record; that of the addresses it leads to stands for it.
  let ttlS = Number.POSITIVE_INFINITY
  for (const { record, answer } of answers) {
    if (!answer.ok) continue
    ttlS = Math.min(ttlS, answer.ttlS)
    for (const { ip } of answer.addresses)
      addresses.push({ ip, port: record.port, weight: Math.max(1, record.weight), name: record.name.toLowerCase() })
  }
  return { ttlS, addresses }
}
