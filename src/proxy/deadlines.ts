/**
 * Timeouts of connections without a timer each: connections carry a deadline, and one sweep looks at all of them.
 *
 * A sweep over 10,000 idle connections takes tens of microseconds, ten times a second; setting a deadline is one store.
 * So timeouts come true up to one tick late, never early.
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

export class Deadlines {
  /** Monotonic milliseconds as of the last tick. */
  now: number
  readonly #clock: Clock
  readonly #members: Expiring[] = []
  readonly #timer: Timer

  constructor(clock: Clock) {
    this.#clock = clock
    this.now = clock.monotonic()
    this.#timer = clock.every(TICK_MS, () => this.sweep())
  }

  /** A deadline for something that may take `ms`; 0, no deadline, for 0. */
  in(ms: number): number {
    return ms === 0 ? 0 : this.now + ms + TICK_MS
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

  sweep(): void {
    const before = this.now
    this.now = this.#clock.monotonic()
    // While the event loop stood still nobody's bytes could be read, and deadlines were set by an old clock: what it
    // was late by is added to all of them.
    const late = this.now - before - TICK_MS
    if (late > TICK_MS) for (const member of this.#members) if (member.deadline !== 0) member.deadline += late
    // From the end: a member that removes itself is replaced by one that was already looked at.
    for (let index = this.#members.length - 1; index >= 0; index--) {
      const member = this.#members[index]
      if (member === undefined || member.deadline === 0 || member.deadline > this.now) continue
      member.deadline = 0
      member.onDeadline()
    }
  }

  close(): void {
    this.#timer.cancel()
  }
}
