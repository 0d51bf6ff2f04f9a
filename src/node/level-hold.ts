/** The log level of a node: the one of its settings, and for a while another one that somebody asked for. */
import type { Clock, Timer } from '../base/clock.ts'
import type { Logger, LogLevel } from '../base/logger.ts'

/** A timer cannot wait longer (2^31 - 1 ms). */
const TIMEOUT_MS_MAX = 2_147_483_000

export class LevelHold {
  readonly #log: Logger
  readonly #clock: Clock
  #configured: LogLevel
  #fallback: Timer | null = null
  /** Other processes that are to follow. */
  onChange: (level: LogLevel) => void = () => {}

  constructor(log: Logger, clock: Clock) {
    this.#log = log
    this.#clock = clock
    this.#configured = log.level()
  }

  /** Holds for `timeoutMs` and then falls back, so that nobody leaves a node at `debug`; 0 holds until a reload. */
  change(level: LogLevel, timeoutMs: number): void {
    this.#fallback?.cancel()
    this.#fallback = null
    this.#set(level)
    if (timeoutMs === 0) return
    this.#fallback = this.#clock.after(Math.min(timeoutMs, TIMEOUT_MS_MAX), () => {
      this.#fallback = null
      this.#set(this.#configured)
    })
  }

  /** Of the settings, at a reload: one that was asked for lasts its time, as in Kong. */
  configure(level: LogLevel): void {
    this.#configured = level
    if (this.#fallback === null) this.#set(level)
  }

  get configured(): LogLevel {
    return this.#configured
  }

  #set(level: LogLevel): void {
    this.#log.setLevel(level)
    this.onChange(level)
  }
}
