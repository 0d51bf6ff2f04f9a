/** A clock that stands still until it is told to go on, for tests with real sockets. */
import type { Clock, Timer } from '../../src/base/clock.ts'

export class ManualClock implements Clock {
  #now: number
  readonly #timers = new Set<{ at: number; readonly every: number | null; readonly run: () => void }>()

  constructor(now: number) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }
  monotonic(): number {
    return this.#now
  }
  after(ms: number, run: () => void): Timer {
    return this.#add(ms, null, run)
  }
  every(ms: number, run: () => void): Timer {
    return this.#add(ms, ms, run)
  }

  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const due = [...this.#timers].filter(timer => timer.at <= end).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#now = Math.max(this.#now, due.at)
      if (due.every === null) this.#timers.delete(due)
      else due.at += due.every
      due.run()
    }
    this.#now = end
  }

  #add(ms: number, every: number | null, run: () => void): Timer {
    const timer = { at: this.#now + ms, every, run }
    this.#timers.add(timer)
    return { cancel: () => this.#timers.delete(timer) }
  }
}
