/**
 * Splits the header section of a message into fields by index, refusing everything that RFC 9112 calls malformed.
 *
 * One scanner belongs to one connection and is used again for each message, so nothing is allocated per field. The
 * text is cut from the bytes once; names and values are slices of it, made only when somebody asks.
 */
import { CHARACTER_CLASSES, FIELD_VALUE, TOKEN } from './character-classes.ts'
import { headerId } from './header-ids.ts'
import { HeaderList } from './header-list.ts'

const CR = 13
const LF = 10
const TAB = 9
const SPACE = 32
const COLON = 58

/** The bytes end before the head does. */
export const NEED_MORE = 0

/** nginx's own status for a head that does not fit; clients are told 400. */
export const HEAD_TOO_LARGE = 494

/** A refusal is the negated HTTP status that names it; `reason` says why, for the log. */
export type ScanResult = number

/** Four offsets per field. */
const STRIDE = 4
/** Room made at first; thousands of idle connections have a scanner each. */
const FIELDS_USUAL = 24

export class HeadScanner {
  /** The whole head, start line and final empty line included. */
  text = ''
  count = 0
  reason = ''
  /** Bit n is set if a field with id n was seen, or seen more than once. */
  seen = 0
  repeated = 0
  ids: Uint8Array
  readonly #fieldsMax: number
  readonly #lineBytesMax: number
  #offsets: Int32Array
  readonly #first = new Uint16Array(32)
  /** The fields of the head before, with the final empty line; '' when they cannot be used again. */
  #fieldsText = ''
  /** Where they began in its text. */
  #fieldsStart = 0

  constructor(fieldsMax: number, lineBytesMax = Number.MAX_SAFE_INTEGER) {
    this.#fieldsMax = fieldsMax
    this.#lineBytesMax = lineBytesMax
    const room = Math.min(fieldsMax, FIELDS_USUAL)
    this.ids = new Uint8Array(room)
    this.#offsets = new Int32Array(room * STRIDE)
  }

  /**
   * Scans fields from `position` up to and including the empty line. Offsets are kept relative to `base`, where the
   * start line begins. Sets `text`. Returns the position after the head, NEED_MORE, or a refusal.
   */
  protected scanFields(bytes: Buffer, position: number, to: number, base: number): ScanResult {
    const again = this.#takeSame(bytes, position, to, base)
    if (again !== NEED_MORE) return again
    const end = this.#scanAll(bytes, position, to, base)
    if (end <= 0) return end
    this.text = bytes.toString('latin1', base, end)
    this.#fieldsStart = position - base
    this.#fieldsText = this.text.slice(this.#fieldsStart)
    return end
  }

  /**
   * Peers repeat themselves: a client that keeps its connection sends most fields again with each request. The same
   * bytes mean the same fields, so a comparison is all that they need.
   */
  #takeSame(bytes: Buffer, position: number, to: number, base: number): ScanResult {
    const { length } = this.#fieldsText
    const end = position + length
    if (length === 0 || end > to || bytes[end - 1] !== LF || bytes[end - 3] !== LF) return NEED_MORE
    const text = bytes.toString('latin1', base, end)
    const start = position - base
    if (text.slice(start) !== this.#fieldsText) return NEED_MORE
    this.text = text
    const shift = start - this.#fieldsStart
    if (shift !== 0) {
      const offsets = this.#offsets
      for (let at = this.count * STRIDE - 1; at >= 0; at--) offsets[at]! += shift
      this.#fieldsStart = start
    }
    return end
  }

  #scanAll(bytes: Buffer, position: number, to: number, base: number): ScanResult {
    const classes = CHARACTER_CLASSES
    this.clearFields()
    let offsets = this.#offsets
    let i = position
    for (;;) {
      if (i >= to) return NEED_MORE
      if (bytes[i] === CR) {
        if (i + 1 >= to) return NEED_MORE
        return bytes[i + 1] === LF ? i + 2 : this.refuse(400, 'bare CR in header section')
      }
      const nameStart = i
      while (i < to && (classes[bytes[i]!]! & TOKEN) !== 0) i++
      if (i >= to) return NEED_MORE
      if (bytes[i] !== COLON || i === nameStart) return this.#refuseName(bytes[i]!, i === nameStart)
      const nameEnd = i++
      while (i < to && (bytes[i] === SPACE || bytes[i] === TAB)) i++
      const valueStart = i
      while (i < to && (classes[bytes[i]!]! & FIELD_VALUE) !== 0) i++
      if (i + 1 >= to) return i >= to || bytes[i] === CR ? NEED_MORE : this.refuse(400, 'illegal character in value')
      if (bytes[i] !== CR || bytes[i + 1] !== LF) return this.refuse(400, 'illegal character in header value')
      let valueEnd = i
      while (valueEnd > valueStart && (bytes[valueEnd - 1] === SPACE || bytes[valueEnd - 1] === TAB)) valueEnd--
      i += 2
      if (i - nameStart > this.#lineBytesMax) return this.refuse(HEAD_TOO_LARGE, 'header line too long')
      if (this.count === this.ids.length) {
        if (this.count === this.#fieldsMax) return this.refuse(HEAD_TOO_LARGE, 'too many headers')
        offsets = this.#grow()
      }
      const at = this.count * STRIDE
      offsets[at] = nameStart - base
      offsets[at + 1] = nameEnd - base
      offsets[at + 2] = valueStart - base
      offsets[at + 3] = valueEnd - base
      this.#noteId(headerId(bytes, nameStart, nameEnd))
    }
  }

  #grow(): Int32Array {
    const room = Math.min(this.#fieldsMax, this.count * 4)
    const ids = new Uint8Array(room)
    const offsets = new Int32Array(room * STRIDE)
    ids.set(this.ids)
    offsets.set(this.#offsets)
    this.ids = ids
    this.#offsets = offsets
    return offsets
  }

  #noteId(id: number): void {
    const index = this.count++
    this.ids[index] = id
    if (id === 0) return
    const bit = 1 << id
    if ((this.seen & bit) !== 0) this.repeated |= bit
    else {
      this.seen |= bit
      this.#first[id] = index
    }
  }

  /** Forgets all fields, for a head that does not come as text. */
  protected clearFields(): void {
    this.#fieldsText = ''
    this.count = 0
    this.seen = 0
    this.repeated = 0
  }

  /** Notes a field whose line `name: value` begins at `start` of the text. False if there are too many. */
  protected noteField(start: number, nameLength: number, valueLength: number, id: number): boolean {
    if (this.count === this.ids.length) {
      if (this.count === this.#fieldsMax) return false
      this.#grow()
    }
    const offsets = this.#offsets
    const at = this.count * STRIDE
    offsets[at] = start
    offsets[at + 1] = start + nameLength
    offsets[at + 2] = start + nameLength + 2
    offsets[at + 3] = start + nameLength + 2 + valueLength
    this.#noteId(id)
    return true
  }

  #refuseName(byte: number, atStart: boolean): ScanResult {
    if (atStart && (byte === SPACE || byte === TAB)) return this.refuse(400, 'folded header line')
    if (byte === SPACE || byte === TAB) return this.refuse(400, 'space before colon')
    return this.refuse(400, atStart ? 'empty or illegal header name' : 'illegal character in header name')
  }

  protected get lineBytesMax(): number {
    return this.#lineBytesMax
  }

  protected refuse(status: number, reason: string): ScanResult {
    this.reason = reason
    return -status
  }

  has(id: number): boolean {
    return (this.seen & (1 << id)) !== 0
  }

  isRepeated(id: number): boolean {
    return (this.repeated & (1 << id)) !== 0
  }

  /** Value of the first field with this id; '' if there is none. */
  known(id: number): string {
    return this.has(id) ? this.valueAt(this.#first[id]!) : ''
  }

  /** The line of the first field with this id, white space around its value included. */
  protected knownLine(id: number): string {
    const index = this.#first[id]!
    return this.text.slice(this.lineAt(index), this.lineAt(index + 1))
  }

  /** All values of fields with this id, as one list (RFC 9110 section 5.3). */
  knownList(id: number): string {
    if (!this.isRepeated(id)) return this.known(id)
    let list = ''
    for (let index = 0; index < this.count; index++) {
      if (this.ids[index] === id) list = list === '' ? this.valueAt(index) : `${list}, ${this.valueAt(index)}`
    }
    return list
  }

  nameAt(index: number): string {
    return this.text.slice(this.#offsets[index * STRIDE]!, this.#offsets[index * STRIDE + 1])
  }

  valueAt(index: number): string {
    return this.text.slice(this.#offsets[index * STRIDE + 2]!, this.#offsets[index * STRIDE + 3])
  }

  /** Where the line of a field begins in `text`; that of the field after the last is the final empty line. */
  lineAt(index: number): number {
    return index === this.count ? this.text.length - 2 : this.#offsets[index * STRIDE]!
  }

  /** Index of the first field from `from` on with this lower-case name, or -1. */
  indexOf(lowerName: string, from = 0): number {
    for (let index = from; index < this.count; index++) if (this.isNamed(index, lowerName)) return index
    return -1
  }

  isNamed(index: number, lowerName: string): boolean {
    const start = this.#offsets[index * STRIDE]!
    const length = lowerName.length
    if (this.#offsets[index * STRIDE + 1]! - start !== length) return false
    for (let i = 0; i < length; i++) {
      const code = this.text.charCodeAt(start + i)
      // Upper-case letters only: `^` and `~` must stay different names.
      if ((code >= 65 && code <= 90 ? code | 0x20 : code) !== lowerName.charCodeAt(i)) return false
    }
    return true
  }

  find(lowerName: string): string | undefined {
    const index = this.indexOf(lowerName)
    return index === -1 ? undefined : this.valueAt(index)
  }

  findAll(lowerName: string): string[] {
    const values: string[] = []
    for (let i = this.indexOf(lowerName); i !== -1; i = this.indexOf(lowerName, i + 1)) values.push(this.valueAt(i))
    return values
  }

  toList(): HeaderList {
    const list = new HeaderList()
    for (let index = 0; index < this.count; index++) list.append(this.nameAt(index), this.valueAt(index))
    return list
  }

  /** Of the first fields, at most. */
  toObject(fieldsMax: number): Record<string, string | string[]> {
    return this.toList().toObject(fieldsMax)
  }
}

/** Whether a comma-separated list has this lower-case member. */
export function listHas(list: string, lowerMember: string): boolean {
  if (list === lowerMember) return true
  // What nearly every peer sends, and the answer without a look at its letters.
  if (list.length < lowerMember.length || list === 'keep-alive') return false
  const lower = list.toLowerCase()
  if (lower === lowerMember) return true
  return lower.includes(',') && lower.split(',').some(member => member.trim() === lowerMember)
}
