/** Encoded deltas to one target version, by the version they start from, so that many data planes share one encoding. */
import type { BuiltDelta } from './control-plane-events.ts'

const DELTAS_MAX = 64
const DELTAS_BYTES_MAX = 16 * 1024 * 1024

export class DeltaCache {
  readonly #deltas = new Map<number, BuiltDelta>()
  readonly #building = new Set<number>()
  #bytes = 0

  get(from: number): BuiltDelta | undefined {
    return this.#deltas.get(from)
  }

  /** False when it is being built already. */
  beginBuilding(from: number): boolean {
    if (this.#building.has(from)) return false
    this.#building.add(from)
    return true
  }

  endBuilding(from: number): void {
    this.#building.delete(from)
  }

  /** Nothing is kept beyond the limits: who comes late has it built again. */
  keep(from: number, built: BuiltDelta): void {
    if (this.#deltas.size >= DELTAS_MAX || this.#bytes + built.frame.length > DELTAS_BYTES_MAX) return
    this.#deltas.set(from, built)
    this.#bytes += built.frame.length
  }

  /** There is another target. */
  clear(): void {
    this.#deltas.clear()
    this.#bytes = 0
  }
}
