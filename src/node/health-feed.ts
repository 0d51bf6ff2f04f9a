/** What a data plane tells its control plane of the health of its targets, and the marks by hand that it is told. */
import type { HealthExchange } from '../cluster/data-plane-client.ts'
import type { HealthMark, ReportedPeer, UpstreamReport } from '../cluster/health-messages.ts'
import type { HealthAuthority } from './health-authority.ts'
import { MarkKeeper } from './mark-keeper.ts'

/** Of the JSON of an upstream without its peers: id, count and punctuation. */
const REPORT_BYTES = 64
/** As the wire has it (cluster/health-messages.ts). */
const PEERS_MAX = 2000

export class HealthFeed implements HealthExchange {
  readonly #authority: HealthAuthority
  readonly #marks: MarkKeeper
  /** Upstreams of which something is new, in the order in which it came. */
  readonly #news = new Set<string>()

  constructor(authority: HealthAuthority) {
    this.#authority = authority
    this.#marks = new MarkKeeper(authority)
    authority.follow(id => this.#news.add(id))
  }

  /** Those with something wrong come first. */
  restart(): void {
    this.#news.clear()
    const ids = this.#authority.checkedIds()
    for (const id of ids) if (this.#authority.checked(id)!.states().length > 0) this.#news.add(id)
    for (const id of ids) this.#news.add(id)
  }

  report(bytesMax: number): UpstreamReport[] {
    const reports: UpstreamReport[] = []
    let bytes = 0
    for (const id of this.#news) {
      const isFirst = reports.length === 0
      const { report, size } = this.#reportOf(id, isFirst ? bytesMax : Number.POSITIVE_INFINITY)
      if (!isFirst && bytes + size > bytesMax) break
      this.#news.delete(id)
      reports.push(report)
      bytes += size
    }
    return reports
  }

  takeMarks(marks: readonly HealthMark[]): void {
    this.#marks.take(marks)
  }

  /** Of more peers than fit, healthy ones are left out. */
  #reportOf(id: string, bytesMax: number): { readonly report: UpstreamReport; readonly size: number } {
    const upstream = this.#authority.checked(id)
    if (upstream === null) return { report: [id, null, 0], size: REPORT_BYTES }
    const views = [...upstream.views()]
    const ordered = [...views.filter(({ isUp }) => !isUp), ...views.filter(({ isUp }) => isUp)]
    const peers: ReportedPeer[] = []
    let size = REPORT_BYTES
    for (const { identity, isUp } of ordered) {
      const peer: ReportedPeer = [identity.hostname, identity.ip, identity.port, isUp]
      const more = JSON.stringify(peer).length + 1
      if (size + more > bytesMax || peers.length >= PEERS_MAX) break
      size += more
      peers.push(peer)
    }
    return { report: [id, peers, ordered.length - peers.length], size }
  }
}
