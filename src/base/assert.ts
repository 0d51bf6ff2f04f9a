/** Broken invariants: log, stop the worker, let the parent restart it. Never for bad input. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${invariant}`)
}
