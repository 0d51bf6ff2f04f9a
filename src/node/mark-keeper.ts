/**
 * Marks set by hand elsewhere, taken over once each: a mark says what a target is from now on, not for ever, so that
 * checks may find otherwise later, as after a mark set on this node.
 */
import type { HealthMark } from '../cluster/health-messages.ts'
import type { HealthAuthority } from './health-authority.ts'

interface Kept {
  readonly mark: HealthMark
  isDone: boolean
}

/** More than a control plane keeps. */
const MARKS_MAX = 4000

export class MarkKeeper {
  readonly #authority: HealthAuthority
  /** The newest mark of each target, or of one of its addresses. */
  readonly #marks = new Map<string, Kept>()

  constructor(authority: HealthAuthority) {
    this.#authority = authority
    // A mark may come before the configuration that it is about, and before names resolve.
    authority.follow(upstreamId => this.#retry(upstreamId))
  }

  take(marks: readonly HealthMark[]): void {
    for (const mark of marks) {
      const key = `${mark.target}|${mark.address ?? ''}`
      const before = this.#marks.get(key)?.mark
      if (before !== undefined && (before.id === mark.id || before.at > mark.at)) continue
      const kept = { mark, isDone: false }
      this.#marks.set(key, kept)
      this.#apply(kept)
      if (!kept.isDone) void this.#authority.refresh(mark.upstream)
    }
    this.#forgetOldest()
  }

  /** The control plane keeps as many; those that it has forgotten meanwhile need not be remembered here. */
  #forgetOldest(): void {
    for (const key of this.#marks.keys()) {
      if (this.#marks.size <= MARKS_MAX) return
      this.#marks.delete(key)
    }
  }

  #retry(upstreamId: string): void {
    for (const kept of this.#marks.values()) if (kept.mark.upstream === upstreamId) this.#apply(kept)
  }

  #apply(kept: Kept): void {
    if (kept.isDone) return
    const { upstream, target, address, healthy } = kept.mark
    // Before the call: it makes a change, of which this hears.
    kept.isDone = true
    kept.isDone = this.#authority.force(upstream, target, address, healthy)
  }
}
