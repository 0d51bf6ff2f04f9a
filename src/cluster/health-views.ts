/** The health of targets as the data planes connected to this control plane see it. In memory: they say it anew. */
import type { ReportedPeer, UpstreamReport } from './health-messages.ts'
import type { SessionId } from './session.ts'

export interface UpstreamView {
  readonly peers: readonly ReportedPeer[]
  /** Healthy peers that did not fit into the report. */
  readonly hidden: number
}

export interface DataPlaneHealth {
  readonly nodeId: string
  readonly upstreams: ReadonlyMap<string, UpstreamView>
  /** It reported more than is kept of one data plane. */
  readonly isCut: boolean
}

interface View {
  readonly nodeId: string
  readonly upstreams: Map<string, UpstreamView>
  peers: number
  isCut: boolean
}

/** Some 10 MB for the largest data plane that tells everything. */
const PEERS_MAX = 50_000
const UPSTREAMS_MAX = 20_000

export class HealthViews {
  readonly #views = new Map<SessionId, View>()

  take(session: SessionId, nodeId: string, upstreams: readonly UpstreamReport[]): void {
    let view = this.#views.get(session)
    if (view === undefined) this.#views.set(session, (view = { nodeId, upstreams: new Map(), peers: 0, isCut: false }))
    for (const [id, peers, hidden] of upstreams) {
      view.peers -= view.upstreams.get(id)?.peers.length ?? 0
      view.upstreams.delete(id)
      if (peers === null) continue
      if (view.upstreams.size >= UPSTREAMS_MAX || view.peers + peers.length > PEERS_MAX) view.isCut = true
      else {
        view.upstreams.set(id, { peers, hidden })
        view.peers += peers.length
      }
    }
  }

  drop(session: SessionId): void {
    this.#views.delete(session)
  }

  /** Null when that data plane is not connected here, or has not reported yet. */
  of(nodeId: string): DataPlaneHealth | null {
    return this.#views.values().find(view => view.nodeId === nodeId) ?? null
  }

  /** What each data plane says of one upstream. */
  upstream(id: string): { readonly nodeId: string; readonly view: UpstreamView }[] {
    const found: { readonly nodeId: string; readonly view: UpstreamView }[] = []
    for (const { nodeId, upstreams } of this.#views.values()) {
      const view = upstreams.get(id)
      if (view !== undefined) found.push({ nodeId, view })
    }
    return found
  }
}
