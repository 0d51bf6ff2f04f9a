/**
 * Which route serves a connection of the stream proxy: by server name, source and destination, or by an expression over
 * these. There are few such routes, and one match for each connection, so they are tried in order.
 */
import type { Row } from '../../entities/config.ts'
import { checkedExpression } from '../../entities/expressions/check.ts'
import type { Expression } from '../../entities/expressions/syntax.ts'
import type { RouterFlavor } from '../../entities/routes.ts'
import type { CompiledRoute } from '../compiled.ts'
import { compileExpression, type FieldReader, Findings, type Test } from './expressions/compile.ts'
import { expressionPriority, type Priority, streamPriority, traditionalStreamPriority } from './priority.ts'
import { addressExpression, ageText, list } from './row-conditions.ts'

export interface StreamInput {
  /** `tls` when there is a server name, as Kong tells them apart; also for what is passed through. */
  readonly protocol: 'tcp' | 'tls' | 'udp'
  /** '' for none. */
  readonly sni: string
  readonly sourceIp: string
  readonly sourcePort: number
  readonly destinationIp: string
  readonly destinationPort: number
}

const FIELDS: Readonly<Record<string, FieldReader<StreamInput>>> = {
  'net.protocol': { type: 'text', read: input => input.protocol },
  'tls.sni': { type: 'text', read: input => (input.sni === '' ? undefined : input.sni) },
  'net.src.ip': { type: 'ip', read: input => input.sourceIp },
  'net.src.port': { type: 'number', read: input => input.sourcePort },
  'net.dst.ip': { type: 'ip', read: input => input.destinationIp },
  'net.dst.port': { type: 'number', read: input => input.destinationPort },
}

/** What a stream route adds to the table: made beforehand, because that may fail and adding it may not. */
export interface StreamEntry extends Priority {
  readonly tie: string
  readonly test: Test<StreamInput>
}

interface Ranked<Route> {
  readonly route: Route
  readonly entry: StreamEntry
}

/** Kept up to date in place; compiled routes of any kind that has `id` and `row`. */
export class StreamRouter<Route extends Pick<CompiledRoute, 'id' | 'row'>> {
  readonly #flavor: RouterFlavor
  /** The one that counts most first. */
  #ranked: Ranked<Route>[] = []
  readonly #findings = new Findings()

  constructor(flavor: RouterFlavor) {
    this.#flavor = flavor
  }

  get size(): number {
    return this.#ranked.length
  }

  /** Null for a route that asks for nothing. Throws an Error that says what is wrong with its expression. */
  compile(row: Row): StreamEntry | null {
    return streamEntry(this.#flavor, row)
  }

  add(route: Route, entry: StreamEntry | null = this.compile(route.row)): void {
    this.remove(route)
    if (entry === null) return
    const at = this.#ranked.findIndex(other => compareStreamEntries(other.entry, entry) < 0)
    this.#ranked.splice(at < 0 ? this.#ranked.length : at, 0, { route, entry })
  }

  remove(route: Pick<CompiledRoute, 'id'>): void {
    this.#ranked = this.#ranked.filter(({ route: other }) => other.id !== route.id)
  }

  /** Null when no route matches: the connection is closed. `serves` may say that a route is not for this connection. */
  match(input: StreamInput, serves: (route: Route, input: StreamInput) => boolean = () => true): Route | null {
    for (const { route, entry } of this.#ranked)
      if (serves(route, input) && entry.test(input, this.#findings)) return route
    return null
  }
}

/** Positive when `a` goes before `b`. */
function compareStreamEntries(a: StreamEntry, b: StreamEntry): number {
  return a.high - b.high || a.low - b.low || (a.tie === b.tie ? 0 : a.tie > b.tie ? 1 : -1)
}

function streamEntry(flavor: RouterFlavor, row: Row): StreamEntry | null {
  const id = String(row['id']).toLowerCase()
  const source = flavor === 'expressions' ? (row['expression'] ?? null) : null
  const condition = source === null ? conditionOf(flavor, row) : checkedExpression(String(source), 'stream')
  if (condition === null) return null
  const protocols = flavor === 'expressions' ? protocolCondition(row) : null
  const whole: Expression = protocols === null ? condition : { kind: 'and', parts: [condition, protocols] }
  const test = compileExpression(whole, field => FIELDS[field]!)
  if (source !== null) return { ...expressionPriority(Number(row['priority'] ?? 0)), tie: id, test }
  const traits = {
    hasSnis: list(row['snis']) !== null,
    sources: (row['sources'] ?? []) as readonly AddressRow[],
    destinations: (row['destinations'] ?? []) as readonly AddressRow[],
  }
  if (flavor !== 'traditional') return { ...streamPriority(traits), tie: id, test }
  return { ...traditionalStreamPriority(traits), tie: `${ageText(row)} ${id}`, test }
}

interface AddressRow {
  readonly ip?: string | null
  readonly port?: number | null
}

function conditionOf(flavor: RouterFlavor, row: Row): Expression | null {
  const parts = [sniExpression(flavor, row), addressExpression(row)].filter(part => part !== null)
  return parts.length === 0 ? null : { kind: 'and', parts }
}

const comparison = (field: string, operator: '==' | '!=' | '^=' | '=^', text: string): Expression => ({
  kind: 'predicate',
  field,
  lower: false,
  any: false,
  operator,
  value: { type: 'String', text },
  at: 0,
  end: 0,
})

/** Without TLS there is no server name, and then this does not count, except for the traditional router. */
function sniExpression(flavor: RouterFlavor, row: Row): Expression | null {
  const snis = list(row['snis'])
  if (snis === null) return null
  const names = snis.map(given => {
    // The client's is in lower case, too: names of hosts have none (RFC 4343).
    const sni = given.toLowerCase()
    if (sni.endsWith('*')) return comparison('tls.sni', '^=', sni.slice(0, -1))
    const name = sni.length > 1 && sni.endsWith('.') ? sni.slice(0, -1) : sni
    return name.startsWith('*') ? comparison('tls.sni', '=^', name.slice(1)) : comparison('tls.sni', '==', name)
  })
  const plain = flavor === 'traditional' ? [] : [comparison('net.protocol', '!=', 'tls')]
  return { kind: 'or', parts: [...plain, ...names] }
}

/** A route for `tls` or `tls_passthrough` alone takes plain connections too, as in Kong. */
function protocolCondition(row: Row): Expression | null {
  const protocols = list(row['protocols']) ?? []
  if (protocols.length === 1 && protocols[0]!.startsWith('tls')) return null
  const names = protocols.map(protocol => (protocol === 'tls_passthrough' ? 'tcp' : protocol))
  return { kind: 'or', parts: names.map(name => comparison('net.protocol', '==', name)) }
}
