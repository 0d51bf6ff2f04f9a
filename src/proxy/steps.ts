/** Long work in short steps, so that a worker serves requests meanwhile. */
export type Steps<T> = Generator<void, T>

/** Rows between two steps, where each is only looked at: about a millisecond. */
const SLICE_ROWS = 2000
/** The same where each is validated or compiled. */
export const COMPILED_SLICE_ROWS = 50

/** All rows, with a null wherever a step ends. */
export function* inSlices<T>(rows: Iterable<T>, size = SLICE_ROWS): Iterable<T | null> {
  let count = 0
  for (const row of rows) {
    yield row
    if (++count % size === 0) yield null
  }
}

/** All steps at once. */
export function finished<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

/** Between two steps other work gets its turn. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
    await new Promise<void>(resolve => setImmediate(resolve))
  }
}
