/**
 * Regular expressions as trees: of those that `rust-regex.ts` writes, which are a small part of what JavaScript takes.
 * For judging how long an expression may take (regex-ambiguity.ts), and for running it ourselves (linear-regex.ts).
 */

/** Characters by code unit, or by code point where the pattern is of Unicode. */
export interface CharacterSet {
  /** Of the first 256. */
  readonly latin: Uint8Array
  /** Whether it has others, and which. */
  readonly rest: RegExp | null
}

export type Assertion = 'start' | 'end' | 'line start' | 'line end' | 'word boundary' | 'no word boundary'

export type RegexNode =
  | { readonly kind: 'set'; readonly set: CharacterSet }
  | { readonly kind: 'assertion'; readonly assertion: Assertion }
  | { readonly kind: 'sequence' | 'alternation'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'capture'; readonly index: number; readonly part: RegexNode }
  | {
      readonly kind: 'repetition'
      readonly part: RegexNode
      readonly min: number
      readonly max: number
      readonly isLazy: boolean
    }

export interface RegexTree {
  readonly root: RegexNode
  readonly isUnicode: boolean
  /** Indexes of named groups. */
  readonly names: ReadonlyMap<string, number>
  /** Groups, the whole match among them. */
  readonly captures: number
}

export function parseRegex({ source, flags }: Pick<RegExp, 'source' | 'flags'>): RegexTree {
  const reader = new TreeReader(source, flags)
  const root = reader.alternation()
  return { root, isUnicode: flags.includes('u'), names: reader.names, captures: reader.captures }
}

/** Sets recur in every pattern of a configuration. */
const SETS_MAX = 1000
const sets = new Map<string, CharacterSet>()

function characterSet(text: string, flags: string): CharacterSet {
  const key = `${flags}/${text}`
  const known = sets.get(key)
  if (known !== undefined) return known
  const regex = new RegExp(`^${text}$`, flags.replace('m', ''))
  const latin = new Uint8Array(256)
  for (let code = 0; code < 256; code++) if (regex.test(String.fromCharCode(code))) latin[code] = 1
  // Whoever names characters beyond, or excludes some, may mean them.
  const isPlain =
    /^(?:[\x20-\x5a\x5f-\x7e]|\\[dw.*+?()[\]{}|/^$\\-])$/.test(text) || /^\[[^^\\\x80-\uffff]+\]$/.test(text)
  const set = { latin, rest: isPlain ? null : regex }
  if (sets.size < SETS_MAX) sets.set(key, set)
  return set
}

class TreeReader {
  readonly names = new Map<string, number>()
  captures = 1
  readonly #source: string
  readonly #flags: string
  readonly #isMultiline: boolean
  readonly #token: RegExp
  #at = 0

  constructor(source: string, flags: string) {
    this.#source = source
    this.#flags = flags
    this.#isMultiline = flags.includes('m')
    // A class, an escape with its argument, or one character.
    const token = String.raw`\[(?:\\[\s\S]|[^\]\\])*\]|\\p\{[^}]*\}|\\P\{[^}]*\}|\\[\s\S]|[\s\S]`
    this.#token = new RegExp(token, flags.includes('u') ? 'uy' : 'y')
  }

  alternation(): RegexNode {
    const parts = [this.#sequence()]
    while (this.#takes('|')) parts.push(this.#sequence())
    return parts.length === 1 ? parts[0]! : { kind: 'alternation', parts }
  }

  #sequence(): RegexNode {
    const parts: RegexNode[] = []
    while (this.#at < this.#source.length && this.#source[this.#at] !== '|' && this.#source[this.#at] !== ')')
      parts.push(this.#repeated(this.#atom()))
    return parts.length === 1 ? parts[0]! : { kind: 'sequence', parts }
  }

  #atom(): RegexNode {
    if (this.#takes('(?<![^])')) return { kind: 'assertion', assertion: 'start' }
    if (this.#takes('(?![^])')) return { kind: 'assertion', assertion: 'end' }
    if (this.#takes('(')) return this.#group()
    if (this.#takes('^')) return { kind: 'assertion', assertion: this.#isMultiline ? 'line start' : 'start' }
    if (this.#takes('$')) return { kind: 'assertion', assertion: this.#isMultiline ? 'line end' : 'end' }
    if (this.#takes('\\b')) return { kind: 'assertion', assertion: 'word boundary' }
    if (this.#takes('\\B')) return { kind: 'assertion', assertion: 'no word boundary' }
    this.#token.lastIndex = this.#at
    const text = this.#token.exec(this.#source)![0]
    this.#at += text.length
    return { kind: 'set', set: characterSet(text, this.#flags) }
  }

  #group(): RegexNode {
    const isPlain = this.#takes('?:')
    const index = isPlain ? 0 : this.captures++
    if (this.#takes('?<')) {
      const end = this.#source.indexOf('>', this.#at)
      this.names.set(this.#source.slice(this.#at, end), index)
      this.#at = end + 1
    }
    const part = this.alternation()
    this.#at++
    return isPlain ? part : { kind: 'capture', index, part }
  }

  #repeated(part: RegexNode): RegexNode {
    const match = /^(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})(\?)?/.exec(this.#source.slice(this.#at, this.#at + 16))
    if (match === null) return part
    this.#at += match[0].length
    const [, sign, min, comma, max] = match
    const isLazy = match[5] !== undefined
    if (sign !== undefined)
      return {
        kind: 'repetition',
        part,
        isLazy,
        min: sign === '+' ? 1 : 0,
        max: sign === '?' ? 1 : Number.POSITIVE_INFINITY,
      }
    const most = comma === undefined ? Number(min) : max ? Number(max) : Number.POSITIVE_INFINITY
    return { kind: 'repetition', part, isLazy, min: Number(min), max: most }
  }

  #takes(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }
}
