/** Which export serves which data planes: one at a time is made, and those that need it at the same time share it. */
import type { ConfigHead } from '../entities/config.ts'
import type { ControlPlaneAction } from './control-plane-events.ts'

export interface SpoolState {
  /** Null until the export has begun. */
  readonly head: ConfigHead | null
  /** Readable so far. */
  readonly chunks: number
  readonly isComplete: boolean
  readonly startedAt: number
}

export interface SpoolRequest {
  readonly applied: ConfigHead
  readonly target: ConfigHead
  readonly refusedVersion: number | null
  readonly now: number
  /** Spools that some session is reading. */
  readonly inUse: readonly number[]
}

export interface SnapshotPlan {
  /** `evicted`: a spool whose readers must be closed, because they are too slow to be waited for. */
  pick(request: SpoolRequest): { readonly spool: number; readonly evicted: number | null }
  get(spool: number): SpoolState | null
  isEmpty(): boolean
  grow(spool: number, state: { readonly head: ConfigHead; readonly chunks: number; readonly complete: boolean }): void
  fail(spool: number): void
  /** Frees what is neither used nor young. */
  release(used: ReadonlySet<number>, now: number): void
}

/** A finished export of an older version still serves newcomers so long; a delta then brings them up to date. */
const REUSE_MS = 10_000
/** Two: the current one, and an older one that slow readers are still reading. */
const SPOOLS_MAX = 2

export function createSnapshotPlan(emit: (action: ControlPlaneAction) => void): SnapshotPlan {
  const spools = new Map<number, SpoolState>()
  let lastId = 0

  function fits({ head, startedAt }: SpoolState, { applied, target, refusedVersion, now }: SpoolRequest): boolean {
    if (head === null) return true
    if (head.version === refusedVersion) return false
    // It has this one already, so it needs a newer.
    if (head.version === applied.version && head.config_hash === applied.config_hash) return false
    return head.version >= target.version || (now - startedAt < REUSE_MS && head.version > applied.version)
  }

  function free(spool: number) {
    if (spools.delete(spool)) emit({ type: 'free-spool', spool })
  }

  return {
    pick(request) {
      for (const [spool, state] of [...spools].reverse()) {
        if (fits(state, request)) return { spool, evicted: null }
      }
      let evicted: number | null = null
      if (spools.size >= SPOOLS_MAX) {
        const ids = [...spools.keys()]
        const victim = ids.find(id => !request.inUse.includes(id)) ?? ids[0]!
        if (request.inUse.includes(victim)) evicted = victim
        free(victim)
      }
      const spool = ++lastId
      spools.set(spool, { head: null, chunks: 0, isComplete: false, startedAt: request.now })
      emit({ type: 'start-spool', spool })
      return { spool, evicted }
    },
    get: spool => spools.get(spool) ?? null,
    isEmpty: () => spools.size === 0,
    grow(spool, { head, chunks, complete }) {
      const state = spools.get(spool)
      if (state !== undefined) spools.set(spool, { ...state, head, chunks, isComplete: complete })
    },
    fail: free,
    release(used, now) {
      for (const [spool, { startedAt }] of spools) {
        if (!used.has(spool) && now - startedAt >= REUSE_MS) free(spool)
      }
    },
  }
}
