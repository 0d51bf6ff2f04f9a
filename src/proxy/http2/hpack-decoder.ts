/** Reads header blocks (RFC 7541). One decoder belongs to one direction of one connection: its table is their memory. */
import { decodedBytesMax, decodeHuffman } from './huffman.ts'
import { HeaderField } from './header-field.ts'
import { STATIC_FIELDS } from './static-table.ts'

export interface FieldSink {
  field(field: HeaderField): void
}

const STATIC_COUNT = STATIC_FIELDS.length
/** Bytes of a number beyond its prefix: enough for any size in a block that we accept. */
const NUMBER_BYTES_MAX = 4
const FAULT = -1

export class HpackDecoder {
  /** Why the last block was refused. */
  reason = ''
  /** Upper limit, ours by SETTINGS_HEADER_TABLE_SIZE; the peer may choose less. */
  readonly #sizeMax: number
  #capacity: number
  #size = 0
  /** The oldest first; those before `#oldest` are gone. */
  #fields: HeaderField[] = []
  #oldest = 0
  /** Position behind what was read last. */
  #at = 0
  #scratch: Uint8Array = EMPTY

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax
    this.#capacity = sizeMax
  }

  /** Octets of the dynamic table. */
  get tableSize(): number {
    return this.#size
  }

  /** Gives the fields of a whole block to the sink. False if it is none: the connection must end (section 2.4.1). */
  decode(bytes: Buffer, from: number, to: number, sink: FieldSink): boolean {
    this.#at = from
    let mayResize = true
    while (this.#at < to) {
      const byte = bytes[this.#at]!
      if ((byte & 0xe0) === 0x20) {
        if (!mayResize) return this.#refuse('table size update after a field')
        if (!this.#resize(bytes, to)) return false
        continue
      }
      mayResize = false
      const field = byte >= 0x80 ? this.#indexed(bytes, to) : this.#literal(bytes, to, byte)
      if (field === null) return false
      sink.field(field)
    }
    return true
  }

  #indexed(bytes: Buffer, to: number): HeaderField | null {
    const index = this.#readNumber(bytes, to, 0x7f)
    return index === FAULT ? null : this.#fieldAt(index)
  }

  #literal(bytes: Buffer, to: number, byte: number): HeaderField | null {
    const isKept = (byte & 0xc0) === 0x40
    const index = this.#readNumber(bytes, to, isKept ? 0x3f : 0x0f)
    if (index === FAULT) return null
    const named = index === 0 ? undefined : this.#fieldAt(index)
    if (named === null) return null
    const name = named === undefined ? this.#readText(bytes, to) : named.name
    if (name === null) return null
    const value = this.#readText(bytes, to)
    if (value === null) return null
    const field = new HeaderField(name, value)
    if (isKept) this.#keep(field)
    return field
  }

  /** The field with this index, static ones first. */
  #fieldAt(index: number): HeaderField | null {
    if (index > 0 && index <= STATIC_COUNT) return STATIC_FIELDS[index - 1]!
    const position = this.#fields.length - (index - STATIC_COUNT)
    if (index > 0 && position >= this.#oldest) return this.#fields[position]!
    this.#refuse('index beyond the table')
    return null
  }

  #resize(bytes: Buffer, to: number): boolean {
    const capacity = this.#readNumber(bytes, to, 0x1f)
    if (capacity === FAULT) return false
    if (capacity > this.#sizeMax) return this.#refuse('table size above what was offered')
    this.#capacity = capacity
    this.#evict(0)
    return true
  }

  #keep(field: HeaderField): void {
    const { size } = field
    this.#evict(size)
    // A field larger than the table empties it (section 4.4).
    if (size > this.#capacity) return
    this.#fields.push(field)
    this.#size += size
  }

  #evict(needed: number): void {
    while (this.#size > 0 && this.#size + needed > this.#capacity) this.#size -= this.#fields[this.#oldest++]!.size
    if (this.#oldest === this.#fields.length || this.#oldest > 256) {
      this.#fields = this.#fields.slice(this.#oldest)
      this.#oldest = 0
    }
  }

  /** A number whose first bits are in the low bits of the byte at hand (section 5.1). */
  #readNumber(bytes: Buffer, to: number, mask: number): number {
    if (this.#at >= to) return this.#fault('block ends within a number')
    let number = bytes[this.#at++]! & mask
    if (number < mask) return number
    for (let shift = 0; shift < NUMBER_BYTES_MAX * 7; shift += 7) {
      if (this.#at >= to) return this.#fault('block ends within a number')
      const byte = bytes[this.#at++]!
      number += (byte & 0x7f) << shift
      if (byte < 0x80) return number
    }
    return this.#fault('number too large')
  }

  #readText(bytes: Buffer, to: number): string | null {
    if (this.#at >= to) return this.#noText('block ends before a string')
    const isCoded = bytes[this.#at]! >= 0x80
    const length = this.#readNumber(bytes, to, 0x7f)
    if (length === FAULT) return null
    const from = this.#at
    const end = from + length
    if (end > to) return this.#noText('string longer than its block')
    this.#at = end
    if (!isCoded) return bytes.toString('latin1', from, end)
    const room = decodedBytesMax(length)
    if (this.#scratch.length < room) this.#scratch = scratchOf(room)
    const decoded = decodeHuffman(bytes, from, end, this.#scratch)
    if (decoded < 0) return this.#noText('invalid Huffman code')
    return textOf(this.#scratch, decoded)
  }

  #noText(reason: string): null {
    this.reason = reason
    return null
  }

  #fault(reason: string): typeof FAULT {
    this.reason = reason
    return FAULT
  }

  #refuse(reason: string): false {
    this.reason = reason
    return false
  }
}

const EMPTY = new Uint8Array(0)
/** Strings are decoded one at a time, so all decoders of a process may share the room for it. */
let shared = Buffer.alloc(4096)

function scratchOf(room: number): Uint8Array {
  if (shared.length < room) shared = Buffer.alloc(room * 2)
  return shared
}

function textOf(bytes: Uint8Array, length: number): string {
  return (bytes as Buffer).toString('latin1', 0, length)
}
