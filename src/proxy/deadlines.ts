/**
 * Timeouts of connections without a timer each: connections carry a deadline, and one sweep looks at all of them.
 *
 * A sweep over 10,000 idle connections takes tens of microseconds, ten times a second; setting a deadline is one store.
 * So timeouts come true up to one tick late, never early. Timeouts below a second, which only services have, are kept
 * to a few milliseconds: as long as there are such, sweeps are made when they end.
 */
import type { Clock, Timer } from '../base/clock.ts'

export interface Expiring {
  /** On `Deadlines.now`; 0 for none. */
  deadline: number
  /** Place in the sweep's list; owned by the sweep. */
  sweepIndex: number
  onDeadline(): void
}

const TICK_MS = 100
const SHORT_MS = 1000
/** Between two sweeps at least. */
const SHORT_TICK_MS = 5

export class Deadlines {
  /** Monotonic milliseconds as of the last sweep. */
  now: number
  readonly #clock: Clock
  readonly #members: Expiring[] = []
  readonly #ticks: Timer
  #tickedAt: number
  /** When the timer for short timeouts goes off, and the end of the last of these. */
  #shortTimer: Timer | null = null
  #shortAt = 0
  #shortLast = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.now = this.#tickedAt = clock.monotonic()
    this.#ticks = clock.every(TICK_MS, () => this.#tick())
  }

  /** A deadline for something that may take `ms`; 0, no deadline, for 0. */
  in(ms: number): number {
    if (ms < SHORT_MS) return ms === 0 ? 0 : this.#inShort(ms)
    return this.now + ms + TICK_MS
  }

  #inShort(ms: number): number {
    const now = this.#clock.monotonic()
    const deadline = now + ms
    this.#shortLast = Math.max(this.#shortLast, deadline)
    this.#wakeAt(deadline, now)
    return deadline
  }

  #wakeAt(deadline: number, now: number): void {
    if (this.#shortTimer !== null) {
      if (this.#shortAt <= deadline) return
      this.#shortTimer.cancel()
    }
    this.#shortAt = deadline
    this.#shortTimer = this.#clock.after(Math.max(SHORT_TICK_MS, Math.ceil(deadline - now)), () => {
      this.#shortTimer = null
      this.#sweepAfterReads()
    })
  }

  add(member: Expiring): void {
    member.sweepIndex = this.#members.length
    this.#members.push(member)
  }

  remove(member: Expiring): void {
    const index = member.sweepIndex
    if (index === -1) return
    const last = this.#members.pop()!
    if (last !== member) {
      this.#members[index] = last
      last.sweepIndex = index
    }
    member.sweepIndex = -1
  }

  #tick(): void {
    const now = this.#clock.monotonic()
    // While the event loop stood still nobody's bytes could be read, and deadlines were set by an old clock: what it
    // was late by is added to all of them.
    const late = now - this.#tickedAt - TICK_MS
    this.#tickedAt = now
    const hasShort = this.#shortLast > this.now
    if (late > TICK_MS) {
      if (hasShort) this.#shortLast += late
      for (const member of this.#members) if (member.deadline !== 0) member.deadline += late
    }
    if (hasShort) this.#sweepAfterReads()
    else this.#sweep()
  }

  /** Timers come before reads in a turn of the event loop, and what has arrived in time must count as in time. */
  #sweepAfterReads(): void {
    setImmediate(() => this.#sweep())
  }

  #sweep(): void {
    const now = (this.now = this.#clock.monotonic())
    let next = Number.POSITIVE_INFINITY
    // From the end: a member that removes itself is replaced by one that was already looked at.
    for (let index = this.#members.length - 1; index >= 0; index--) {
      const member = this.#members[index]
      if (member === undefined || member.deadline === 0) continue
      if (member.deadline > now) {
        if (member.deadline < next) next = member.deadline
        continue
      }
      member.deadline = 0
      member.onDeadline()
    }
    // Later ones are found by the next tick.
    if (this.#shortLast > now && next < now + TICK_MS) this.#wakeAt(next, now)
  }

  close(): void {
    this.#ticks.cancel()
    this.#shortTimer?.cancel()
  }
}
