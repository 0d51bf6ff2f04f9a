/** Time, as everything outside `base/` sees it, so that tests and the simulation can own it. */

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): number
  /** Never goes backwards; milliseconds with a fraction, from an arbitrary start. */
  monotonic(): number
  /** Runs `callback` once after `ms`. The timer does not keep the process alive. */
  after(ms: number, callback: () => void): Timer
  /** Runs `callback` every `ms` until cancelled. The timer does not keep the process alive. */
  every(ms: number, callback: () => void): Timer
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, callback) {
    const handle = setTimeout(callback, ms)
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
  every(ms, callback) {
    const handle = setInterval(callback, ms)
    handle.unref()
    return { cancel: () => clearInterval(handle) }
  },
}

/** Resolves after `ms` on the given clock. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise(resolve => {
    clock.after(ms, resolve)
  })
}
