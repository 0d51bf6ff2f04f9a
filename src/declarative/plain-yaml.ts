/**
 * A quick reader for YAML as tools write it and most people do: block mappings and lists, one scalar or simple list a
 * line, comments. It gives up at the first thing that it does not know (anchors, tags, texts of several lines, nested
 * flow style, tabs, anything wrong), and the whole grammar is read instead; where it does not give up, both agree.
 * A configuration of 100,000 entities takes a tenth of the time and memory so.
 */
import { setMember } from '../schema/defaults.ts'
import { resolvePlain } from './yaml-scalars.ts'

/** Tabs, other control characters, and what some readers take for a line break or a byte order mark. */
const UNUSUAL = /[\0-\x09\x0b-\x1f\x7f\x85\u2028\u2029\ufeff]/
const KEY = /^(?:([A-Za-z_][\w./-]*)|"([^"\\]*)"|'([^']*)'):(?: +(.*))?$/
const DOUBLE_QUOTED = /^("(?:[^"\\]|\\["\\/nt])*")(?: +#.*)?$/
const SINGLE_QUOTED = /^'((?:[^']|'')*)'(?: +#.*)?$/
const FLOW_LIST = /^\[([^[\]{}]*)\](?: +#.*)?$/
const FLOW_ITEM = /^(?:"([^"\\]*)"|'([^']*)'|((?!-(?: |$))[A-Za-z0-9_./~-][^#:&*!|>'"%@`?]*))$/
/** First characters that are never those of plain text here. */
const NOT_PLAIN = /^(?:[[\]{}&*!|>'"%@`,?:]|-(?: |$))/
/** Far below the limit of the whole grammar, which then decides. */
const DEPTH_MAX = 100

class GivesUp extends Error {}

/** Null when the whole grammar is needed. */
export function readPlainYaml(text: string): { readonly value: unknown } | null {
  if (UNUSUAL.test(text)) return null
  try {
    return { value: new PlainReader(text).document() }
  } catch (error) {
    if (error instanceof GivesUp) return null
    throw error
  }
}

class PlainReader {
  readonly #text: string
  #position = 0
  /** Of the line at hand; -1 at the end. */
  #indent = -1
  #content = ''

  constructor(text: string) {
    this.#text = text
  }

  document(): unknown {
    this.#next()
    if (this.#indent === 0 && this.#content === '---') this.#next()
    if (this.#indent < 0) throw new GivesUp()
    const value = this.#block(this.#indent, 0)
    if (this.#indent >= 0) throw new GivesUp()
    return value
  }

  /** To the next line that is neither empty nor a comment. */
  #next(): void {
    while (this.#position < this.#text.length) {
      const newline = this.#text.indexOf('\n', this.#position)
      const end = newline < 0 ? this.#text.length : newline
      let start = this.#position
      while (start < end && this.#text.charCodeAt(start) === 0x20) start++
      const indent = start - this.#position
      this.#position = end + 1
      if (start === end || this.#text.charCodeAt(start) === 0x23) continue
      this.#indent = indent
      this.#content = this.#text.slice(start, end).trimEnd()
      // Ends of documents, and what looks like one.
      if (indent === 0 && /^(?:---|\.\.\.)/.test(this.#content) && this.#content !== '---') throw new GivesUp()
      return
    }
    this.#indent = -1
    this.#content = ''
  }

  #isDash(): boolean {
    return this.#content === '-' || this.#content.startsWith('- ')
  }

  #block(indent: number, depth: number): unknown {
    if (depth > DEPTH_MAX || this.#content === '---') throw new GivesUp()
    return this.#isDash() ? this.#list(indent, depth) : this.#mapping(indent, depth)
  }

  #mapping(indent: number, depth: number): Record<string, unknown> {
    const record: Record<string, unknown> = {}
    while (this.#indent === indent) {
      const match = KEY.exec(this.#content)
      if (match === null) throw new GivesUp()
      const [, plain, double, single, rest = ''] = match
      setMember(record, (plain ?? double ?? single)!, this.#valueAfterKey(rest, indent, depth))
    }
    if (this.#indent > indent) throw new GivesUp()
    return record
  }

  #valueAfterKey(rest: string, indent: number, depth: number): unknown {
    if (rest !== '' && !rest.startsWith('#')) return this.#scalarThenNext(rest, indent)
    this.#next()
    if (this.#indent > indent) return this.#block(this.#indent, depth + 1)
    // A list may begin where its key does.
    return this.#indent === indent && this.#isDash() ? this.#list(indent, depth + 1) : null
  }

  #list(indent: number, depth: number): unknown[] {
    const list: unknown[] = []
    while (this.#indent === indent && this.#isDash()) list.push(this.#listItem(indent, depth))
    if (this.#indent > indent) throw new GivesUp()
    return list
  }

  #listItem(indent: number, depth: number): unknown {
    let start = 1
    while (this.#content.charCodeAt(start) === 0x20) start++
    const inner = this.#content.slice(start)
    if (inner === '' || inner.startsWith('#')) {
      this.#next()
      return this.#indent > indent ? this.#block(this.#indent, depth + 1) : null
    }
    if (!KEY.test(inner) && !/^-(?: |$)/.test(inner)) return this.#scalarThenNext(inner, indent)
    // What follows the dash is the first line of a block of its own.
    this.#indent = indent + start
    this.#content = inner
    return this.#block(this.#indent, depth + 1)
  }

  /** A deeper line after a scalar would belong to its text. */
  #scalarThenNext(text: string, indent: number): unknown {
    const value = readScalar(text)
    this.#next()
    if (this.#indent > indent) throw new GivesUp()
    return value
  }
}

function readScalar(text: string): unknown {
  const double = DOUBLE_QUOTED.exec(text)
  if (double !== null) return JSON.parse(double[1]!)
  const single = SINGLE_QUOTED.exec(text)
  if (single !== null) return single[1]!.replaceAll("''", "'")
  const list = FLOW_LIST.exec(text)
  if (list !== null) return readFlowList(list[1]!.trim())
  if (text === '{}') return {}
  if (NOT_PLAIN.test(text)) throw new GivesUp()
  const comment = text.indexOf(' #')
  const plain = comment < 0 ? text : text.slice(0, comment).trimEnd()
  if (plain.includes(': ') || plain.endsWith(':')) throw new GivesUp()
  return resolvePlain(plain)
}

function readFlowList(inside: string): unknown[] {
  if (inside === '') return []
  return inside.split(',').map(item => {
    const match = FLOW_ITEM.exec(item.trim())
    if (match === null) throw new GivesUp()
    const [, double, single, plain] = match
    return double ?? single ?? resolvePlain(plain!)
  })
}
