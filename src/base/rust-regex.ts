/**
 * Regular expressions in the syntax of Rust's `regex` crate, which Kong's router uses, compiled to JavaScript ones.
 *
 * What Rust does not have (look-around, back references) is refused here as there: so control plane and data plane
 * agree on what a valid route is, and every pattern can be run in linear time, as Rust runs it. V8's own engine
 * is the fastest but backtracks: it gets the patterns and texts for which that is harmless, and ours gets the others. One difference remains: to a
 * pattern of ASCII alone a character beyond the basic plane (an emoji) is two characters.
 */
import { setFlagsFromString } from 'node:v8'
import { LinearRegex, PROGRAM_MAX } from './linear-regex.ts'
import { backtrackingLengthMax } from './regex-ambiguity.ts'
import { parseRegex } from './regex-syntax.ts'

// For the patterns of others in this process: V8 changes to a linear engine after 50,000 backtracks, where it can.
setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')

/** Answers as `RegExp.exec` does, in a time linear in the length of the text. */
export type RegexMatcher = Pick<RegExp, 'exec'>

export interface RustRegex {
  readonly regex: RegexMatcher
  /** Every match begins with this text; empty if nothing is known. */
  readonly literalPrefix: string
}

/** Thrown by `compileRustRegex`; the message names what is wrong, for whoever wrote the pattern. */
export class RegexSyntaxError extends Error {}

// Rust bounds the compiled size at 10 MB; these bounds keep far below it and are more than any route needs.
const PATTERN_LENGTH_MAX = 8192
const REPEAT_MAX = 1000
// How often nested repetitions may repeat their innermost part: `(a{100}){100}`.
const REPEAT_PRODUCT_MAX = 10_000
const GROUP_DEPTH_MAX = 100

const POSIX_CLASSES: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7f',
  blank: '\\t ',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`\\{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
}
const CONTROL_ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', f: '\f', v: '\v', a: '\x07' }

/** Compiles a pattern that is anchored as Kong anchors it: by `^` before the text, which binds to the first alternative. */
export function compileAnchoredRegex(pattern: string): RustRegex {
  return compileRustRegex(`^${pattern}`)
}

export function compileRustRegex(pattern: string): RustRegex {
  if (pattern.length > PATTERN_LENGTH_MAX) throw new RegexSyntaxError(`longer than ${PATTERN_LENGTH_MAX} characters`)
  const translation = new Translation(pattern)
  translation.run()
  const flags = (translation.needsUnicode ? 'u' : '') + (translation.multiline ? 'm' : '')
  return { regex: linear(translation.out.join(''), flags), literalPrefix: translation.literalPrefix() }
}

function linear(text: string, flags: string): RegexMatcher {
  let regex: RegExp
  try {
    regex = new RegExp(text, flags)
  } catch (cause) {
    throw new RegexSyntaxError((cause as Error).message, { cause })
  }
  if (isPlain(text, flags)) return regex
  const tree = parseRegex({ source: text, flags })
  const lengthMax = backtrackingLengthMax(tree)
  if (lengthMax === Number.POSITIVE_INFINITY) return regex
  const made = LinearRegex.compile(tree)
  if (made === null) throw new RegexSyntaxError(`larger than ${PROGRAM_MAX} steps with its repetitions written out`)
  return { exec: text => (text.length <= lengthMax ? regex : made).exec(text) }
}

/** Anchored, without alternatives, with one repetition at most: linear at a glance, as most patterns of routes are. */
function isPlain(text: string, flags: string): boolean {
  if (!text.startsWith('^') || flags.includes('m') || text.includes('|')) return false
  const bare = text.replace(/\\[\s\S]|\[(?:\\[\s\S]|[^\]\\])*\]|\(\?(?::|<\w+>)/g, '')
  const repetitions = bare.replace(/([*+?}])\?/g, '$1').match(/[*+?{]/g)
  return repetitions === null || repetitions.length === 1
}

interface Frame {
  /** Where the group's text begins in `out`, so that a repetition of a repetition can be wrapped. */
  readonly start: number
  /** Largest product of counted repetitions inside. */
  repeats: number
  ignoreCase: boolean
  dotAll: boolean
}

class Translation {
  readonly out: string[] = []
  needsUnicode = false
  multiline = false
  #at = 0
  #frames: Frame[] = [{ start: 0, repeats: 1, ignoreCase: false, dotAll: false }]
  /** Index in `out` of the last whole atom, or -1 when a quantifier would have nothing to repeat. */
  #atom = -1
  #repeated = false
  /** What the last atom is repeated already, inside of it. */
  #atomRepeats = 1
  #prefix = ''
  #prefixOpen = true
  #lastWasLiteral = false
  readonly #pattern: string

  constructor(pattern: string) {
    this.#pattern = pattern
    for (let i = 0; i < pattern.length; i++) if (pattern.charCodeAt(i) > 0x7f) this.needsUnicode = true
  }

  literalPrefix(): string {
    return this.#prefix
  }

  run(): void {
    while (this.#at < this.#pattern.length) this.#token(this.#take())
    if (this.#frames.length > 1) throw new RegexSyntaxError('unclosed group')
  }

  #take(): string {
    const point = this.#pattern.codePointAt(this.#at)
    if (point === undefined) throw new RegexSyntaxError('unexpected end of pattern')
    const char = String.fromCodePoint(point)
    this.#at += char.length
    return char
  }

  #peek(): string {
    return this.#pattern[this.#at] ?? ''
  }

  get #frame(): Frame {
    return this.#frames[this.#frames.length - 1]!
  }

  #token(char: string): void {
    switch (char) {
      case '^':
        // The anchor is no atom and, at the very start, does not end the literal prefix.
        if (this.#prefix !== '' || this.out.length > 0) this.#prefixOpen = false
        this.#assertion('^')
        return
      case '$':
        this.#assertion('$')
        this.#prefixOpen = false
        return
      case '|':
        this.#alternation()
        return
      case '(':
        this.#open()
        return
      case ')':
        this.#close()
        return
      case '[':
        this.#emit(this.#characterClass())
        return
      case '.':
        this.#emit(this.#frame.dotAll ? '[^]' : '[^\\n]')
        return
      case '*':
      case '+':
      case '?':
        this.#repeat(char)
        return
      case '{':
        this.#repeat(this.#counted())
        return
      case '\\':
        this.#escape()
        return
      default:
        this.#literal(char)
    }
  }

  #emit(text: string): void {
    this.#prefixOpen = false
    this.#push(text)
    this.#lastWasLiteral = false
  }

  #push(text: string): void {
    this.#atom = this.out.push(text) - 1
    this.#atomRepeats = 1
    this.#repeated = false
  }

  #assertion(text: string): void {
    this.out.push(text)
    this.#atom = -1
    this.#lastWasLiteral = false
  }

  #literal(char: string): void {
    const other = this.#frame.ignoreCase ? swapCase(char) : char
    if (other !== char) {
      this.#emit(`[${char}${other}]`)
      return
    }
    const addsToPrefix = this.#prefixOpen && this.#frames.length === 1
    if (addsToPrefix) this.#prefix += char
    this.#push(escapeLiteral(char))
    this.#lastWasLiteral = addsToPrefix
  }

  #alternation(): void {
    if (this.#frames.length === 1) this.#prefix = ''
    this.#prefixOpen = false
    this.#assertion('|')
  }

  #open(): void {
    this.#lastWasLiteral = false
    if (this.#frames.length > GROUP_DEPTH_MAX) throw new RegexSyntaxError(`more than ${GROUP_DEPTH_MAX} nested groups`)
    const frame = { ...this.#frame, start: this.out.length, repeats: 1 }
    if (this.#peek() !== '?') {
      this.#begin('(', frame)
      return
    }
    const rest = this.#pattern.slice(this.#at)
    const named = /^\?P?<([A-Za-z_][A-Za-z0-9_]*)>/.exec(rest)
    if (named !== null) {
      this.#at += named[0].length
      this.#begin(`(?<${named[1]}>`, frame)
      return
    }
    const flags = /^\?([a-zA-Z]*)(?:-([a-zA-Z]+))?([:)])/.exec(rest)
    if (flags === null)
      throw new RegexSyntaxError(`look-around and unknown group '(${rest.slice(0, 3)}' are not supported`)
    this.#at += flags[0].length
    const scope = flags[3] === ':' ? frame : this.#frame
    this.#setFlags(scope, flags[1]!, true)
    this.#setFlags(scope, flags[2] ?? '', false)
    if (scope === frame) this.#begin('(?:', frame)
    else this.#atom = -1
  }

  #begin(text: string, frame: Frame): void {
    this.#prefixOpen = false
    this.#frames.push(frame)
    this.out.push(text)
    this.#atom = -1
  }

  #setFlags(frame: Frame, flags: string, on: boolean): void {
    for (const flag of flags) {
      if (flag === 'i') frame.ignoreCase = on
      else if (flag === 's') frame.dotAll = on
      else if (flag === 'm' && on) this.multiline = true
      else if (flag !== 'u' && flag !== 'm') throw new RegexSyntaxError(`flag '${flag}' is not supported`)
    }
  }

  #close(): void {
    const frame = this.#frames.pop()!
    if (this.#frames.length === 0) throw new RegexSyntaxError('unopened group')
    this.out.push(')')
    this.#atom = frame.start
    this.#atomRepeats = frame.repeats
    this.#frame.repeats = Math.max(this.#frame.repeats, frame.repeats)
    this.#repeated = false
    this.#lastWasLiteral = false
  }

  #repeat(quantifier: string): void {
    if (this.#atom < 0) throw new RegexSyntaxError(`repetition operator '${quantifier}' has nothing to repeat`)
    // JavaScript has no `a+*`; in Rust it repeats the repetition.
    if (this.#repeated) {
      this.out[this.#atom] = `(?:${this.out[this.#atom]}`
      this.out.push(')')
    }
    // After `+` the character is still certain, until a further quantifier makes it optional: `a+*`.
    if (this.#lastWasLiteral && quantifier !== '+') {
      this.#prefix = [...this.#prefix].slice(0, -1).join('')
      this.#lastWasLiteral = false
    }
    this.#prefixOpen = false
    const lazy = this.#peek() === '?'
    if (lazy) this.#at++
    this.out.push(lazy ? `${quantifier}?` : quantifier)
    this.#repeated = true
  }

  #counted(): string {
    const count = /^(\d+)(,(\d*))?\}/.exec(this.#pattern.slice(this.#at))
    if (count === null) throw new RegexSyntaxError("'{' must begin a repetition such as {2,5}, or be escaped")
    this.#at += count[0].length
    const times = Math.max(1, Number(count[1]), Number(count[3] || 0))
    if (times > REPEAT_MAX) throw new RegexSyntaxError(`repetition above ${REPEAT_MAX}`)
    this.#atomRepeats *= times
    this.#frame.repeats = Math.max(this.#frame.repeats, this.#atomRepeats)
    if (this.#atomRepeats > REPEAT_PRODUCT_MAX)
      throw new RegexSyntaxError(`nested repetitions of more than ${REPEAT_PRODUCT_MAX}`)
    return `{${count[0]}`
  }

  #escape(): void {
    const char = this.#take()
    if ('dDwWsS'.includes(char)) this.#emit(`\\${char}`)
    else if (char === 'b' || char === 'B') {
      this.#prefixOpen = false
      this.#assertion(`\\${char}`)
    } else if (char === 'A') this.#assertion(this.multiline ? '(?<![^])' : '^')
    else if (char === 'z') {
      this.#prefixOpen = false
      this.#assertion(this.multiline ? '(?![^])' : '$')
    } else if (char === 'p' || char === 'P') this.#emit(this.#property(char))
    else this.#literal(this.#escapedCharacter(char))
  }

  #property(letter: string): string {
    this.needsUnicode = true
    const rest = this.#pattern.slice(this.#at)
    const name = /^(?:\{(\^?)([A-Za-z_=]+)\}|([A-Z]))/.exec(rest)
    if (name === null) throw new RegexSyntaxError(`malformed \\${letter}`)
    this.#at += name[0].length
    const negated = (letter === 'P') !== (name[1] === '^')
    const text = name[2] ?? name[3]!
    const isScript = text.length > 2 && !text.includes('=') && !isPropertyName(text)
    return `\\${negated ? 'P' : 'p'}{${isScript ? `Script=${text}` : text}}`
  }

  /** The character that an escape stands for, inside and outside of classes. */
  #escapedCharacter(char: string): string {
    const control = CONTROL_ESCAPES[char]
    if (control !== undefined) return control
    if (char === 'x' || char === 'u' || char === 'U') return this.#hexadecimal(char)
    if (/[0-9]/.test(char)) throw new RegexSyntaxError('back references are not supported')
    if (/[A-Za-z]/.test(char)) throw new RegexSyntaxError(`unknown escape '\\${char}'`)
    return char
  }

  #hexadecimal(letter: 'x' | 'u' | 'U'): string {
    const width = letter === 'x' ? 2 : letter === 'u' ? 4 : 8
    const digits = new RegExp(`^(?:\\{([0-9A-Fa-f]{1,6})\\}|([0-9A-Fa-f]{${width}}))`).exec(
      this.#pattern.slice(this.#at),
    )
    const point = digits === null ? Number.NaN : Number.parseInt(digits[1] ?? digits[2]!, 16)
    if (!(point <= 0x10ffff)) throw new RegexSyntaxError(`malformed \\${letter}`)
    this.#at += digits![0].length
    if (point > 0x7f) this.needsUnicode = true
    return String.fromCodePoint(point)
  }

  #characterClass(): string {
    const ignoreCase = this.#frame.ignoreCase
    let out = '['
    if (this.#peek() === '^') {
      this.#at++
      out += '^'
    }
    let first = true
    for (;;) {
      const char = this.#take()
      if (char === ']' && !first) return `${out}]`
      first = false
      if (char === '[') {
        out += this.#posixClass()
        continue
      }
      if ('&-~'.includes(char) && this.#peek() === char)
        throw new RegexSyntaxError('operations on classes are not supported')
      const set = char === '\\' ? this.#classEscape() : { literal: char }
      if ('text' in set) {
        out += set.text
        continue
      }
      out += this.#classRange(set.literal, ignoreCase)
    }
  }

  #posixClass(): string {
    const posix = /^:(\^?)([a-z]+):\]/.exec(this.#pattern.slice(this.#at))
    const members = posix === null ? undefined : POSIX_CLASSES[posix[2]!]
    if (posix === null || members === undefined || posix[1] === '^')
      throw new RegexSyntaxError('classes inside classes are not supported')
    this.#at += posix[0].length
    return members
  }

  #classEscape(): { readonly text: string } | { readonly literal: string } {
    const char = this.#take()
    if ('dDwWsS'.includes(char)) return { text: `\\${char}` }
    if (char === 'p' || char === 'P') return { text: this.#property(char) }
    return { literal: this.#escapedCharacter(char) }
  }

  /** One character of a class, or a range that begins with it. */
  #classRange(from: string, ignoreCase: boolean): string {
    let to = from
    if (this.#peek() === '-' && this.#pattern[this.#at + 1] !== ']' && this.#pattern[this.#at + 1] !== undefined) {
      this.#at++
      if (this.#peek() === '-') throw new RegexSyntaxError('operations on classes are not supported')
      const end = this.#take()
      const set = end === '\\' ? this.#classEscape() : { literal: end }
      if ('text' in set) throw new RegexSyntaxError('a range ends with a character')
      to = set.literal
      if (to.codePointAt(0)! < from.codePointAt(0)!) throw new RegexSyntaxError('range out of order in a class')
    }
    const range = (a: string, b: string) => (a === b ? escapeInClass(a) : `${escapeInClass(a)}-${escapeInClass(b)}`)
    return range(from, to) + (ignoreCase ? otherCase(from, to, range) : '')
  }
}

function swapCase(char: string): string {
  if (char >= 'a' && char <= 'z') return char.toUpperCase()
  if (char >= 'A' && char <= 'Z') return char.toLowerCase()
  return char
}

/** The part of a range that has letters, in the other case. */
function otherCase(from: string, to: string, range: (a: string, b: string) => string): string {
  let out = ''
  for (const [low, high] of [
    ['a', 'z'],
    ['A', 'Z'],
  ] as const) {
    const start = from > low ? from : low
    const end = to < high ? to : high
    if (start <= end) out += range(swapCase(start), swapCase(end))
  }
  return out
}

function isPropertyName(name: string): boolean {
  try {
    new RegExp(`\\p{${name}}`, 'u')
    return true
  } catch {
    return false
  }
}

function escapeLiteral(char: string): string {
  if (/[\^$\\.*+?()[\]{}|/]/.test(char)) return `\\${char}`
  return char === '\n' ? '\\n' : char
}

function escapeInClass(char: string): string {
  return /[\\\]^[-]/.test(char) ? `\\${char}` : char === '\n' ? '\\n' : char
}
