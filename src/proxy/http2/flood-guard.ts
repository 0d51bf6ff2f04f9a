/**
 * Tells a peer that works from one that only makes work.
 *
 * Frames that ask for little and cost a lot (resets, pings, settings, empty data) are paid from an account; finished
 * exchanges and payload fill it again, and so does time, slowly. Whoever overdraws it is cut off: rapid reset
 * (CVE-2023-44487), MadeYouReset (CVE-2025-8671), and the floods of CVE-2019-9511 to 9518.
 */
const CREDIT_MAX = 2000
const CREDIT_PER_SECOND = 100

/** A stream that ended before its time, whoever ended it: a request begun and thrown away. */
export const RESET_COST = 10
/** Answers that we owe (acknowledgements) or work on all streams. */
export const SETTINGS_COST = 10
export const CONTROL_COST = 1
/** For a stream that ended as it should. */
export const FINISHED_GAIN = 10
/** For a frame with payload: it may well be followed by a window update or a ping. */
export const DATA_GAIN = 2

export class FloodGuard {
  #credit = CREDIT_MAX
  #refilledAt: number

  /** `now` in monotonic milliseconds. */
  constructor(now: number) {
    this.#refilledAt = now
  }

  /** False when the account is overdrawn. */
  spend(cost: number, now: number): boolean {
    this.#credit -= cost
    if (this.#credit >= 0) return true
    this.earn(((now - this.#refilledAt) / 1000) * CREDIT_PER_SECOND)
    this.#refilledAt = now
    return this.#credit >= 0
  }

  earn(gain: number): void {
    this.#credit = Math.min(CREDIT_MAX, this.#credit + gain)
  }
}
