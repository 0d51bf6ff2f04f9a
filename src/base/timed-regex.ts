/**
 * Regular expressions that users of Kong write for its PCRE, run in a bounded time whatever they are.
 *
 * Nearly all of them are what Rust's engine takes too, and run in linear time. Look-around and back references are not:
 * V8 has them, but backtracks, so such an expression is interrupted when it takes too long, and then matches nothing.
 */
import { createContext, type Context, Script } from 'node:vm'
import { compileRustRegex, type RegexMatcher, RegexSyntaxError } from './rust-regex.ts'

/** An expression that is not made to take long needs microseconds. */
const TIMEOUT_MS = 20
/** Characters; header values that are worth matching are far shorter. */
const TEXT_LENGTH_MAX = 2048

/** Throws a RegexSyntaxError that says what is wrong. */
export function compileTimedRegex(pattern: string): RegexMatcher {
  try {
    return compileRustRegex(pattern).regex
  } catch (error) {
    if (!(error instanceof RegexSyntaxError)) throw error
    return new TimedRegex(pattern)
  }
}

/** Both engines share one global object, made when the first such expression is. */
let place: (Context & { regex?: RegExp; text?: string }) | null = null
let script: Script | null = null

class TimedRegex implements RegexMatcher {
  readonly #regex: RegExp

  constructor(pattern: string) {
    try {
      // PCRE's way to name a group, beside JavaScript's.
      this.#regex = new RegExp(pattern.replaceAll('(?P<', '(?<'))
    } catch (cause) {
      throw new RegexSyntaxError((cause as Error).message, { cause })
    }
  }

  exec(text: string): RegExpExecArray | null {
    if (text.length > TEXT_LENGTH_MAX) return null
    place ??= createContext(Object.create(null))
    script ??= new Script('regex.exec(text)')
    place.regex = this.#regex
    place.text = text
    try {
      return script.runInContext(place, { timeout: TIMEOUT_MS }) as RegExpExecArray | null
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return null
      throw error
    }
  }
}
