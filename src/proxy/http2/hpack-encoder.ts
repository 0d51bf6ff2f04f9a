/**
 * Writes header blocks (RFC 7541) from HTTP/1.1 heads, line by line.
 *
 * A line that was sent before is one number. So lines are the keys of our memory of the peer's table; what is different
 * in each message (ids, latencies) is kept out of the table, except for its name.
 */
import { encodeHuffman, huffmanBytes } from './huffman.ts'
import { STATIC_FIELDS, STATIC_NAMES } from './static-table.ts'

/** We never use more of the peer's table, however large it is. */
const TABLE_BYTES_MAX = 4096
const FIELD_OVERHEAD_BYTES = 32
/** Fields larger than this would push out all others. */
const KEPT_BYTES_MAX = 512

/**
 * Put into the table whole; only with its name; with nothing, and never by anyone behind us (section 7.1.3); or not
 * sent at all, being about one connection (RFC 9113 section 8.2.2).
 */
type Policy = 'line' | 'name' | 'never' | 'drop'

const NAME_ONLY = new Set([
  'content-length',
  'etag',
  'last-modified',
  'location',
  'x-kong-request-id',
  'x-kong-upstream-latency',
  'x-kong-proxy-latency',
  'x-kong-response-latency',
  'x-forwarded-path',
  'x-forwarded-for',
  'x-real-ip',
  ':path',
  'grpc-message',
  'grpc-timeout',
])
const DROPPED = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'host'])
const SECRET = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'apikey', 'x-api-key'])

interface Name {
  readonly lower: string
  readonly staticIndex: number
  readonly policy: Policy
}

/** By spelling; few, since nearly all are written in programs. */
const names = new Map<string, Name>()
const NAMES_MAX = 1000

interface Kept {
  readonly key: string
  readonly lower: string
  readonly size: number
}

export class HpackEncoder {
  #capacity = TABLE_BYTES_MAX
  /** A smaller capacity that the next block must tell; -1 for none. */
  #announced = -1
  #size = 0
  /** Fields ever put into the table; the newest has index 62. */
  #count = 0
  #kept: Kept[] = []
  #oldest = 0
  /** Number of the field (counting from 1) that holds a line, or a name. */
  readonly #lines = new Map<string, number>()
  readonly #names = new Map<string, number>()

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  limit(bytes: number): void {
    const capacity = Math.min(bytes, TABLE_BYTES_MAX)
    if (capacity === this.#capacity) return
    this.#capacity = capacity
    // The smallest of several changes has to be told too; telling only it would be enough, since we may stay below.
    this.#announced = this.#announced === -1 ? capacity : Math.min(this.#announced, capacity)
    this.#capacity = this.#announced
    this.#evict(0)
  }

  /** Must come first in each block. */
  begin(out: Buffer, at: number): number {
    if (this.#announced === -1) return at
    const capacity = this.#announced
    this.#announced = -1
    return writeNumber(out, at, 0x20, 0x1f, capacity)
  }

  /** Room that a field may take in a block. */
  static roomFor(nameLength: number, valueLength: number): number {
    return nameLength + valueLength + 16
  }

  /** A field that is not part of a head. */
  field(out: Buffer, at: number, name: string, value: string): number {
    const line = `${name}: ${value}`
    return this.line(out, at, line, 0, name.length, line.length)
  }

  /**
   * The line `name: value` of a head, from `start` to `end`, without its CRLF. Returns the position behind what it took,
   * `at` for what must not be sent.
   */
  line(out: Buffer, at: number, head: string, start: number, colon: number, end: number): number {
    const known = nameOf(head.slice(start, colon))
    const { policy, lower, staticIndex } = known
    if (policy === 'line') {
      const key = head.slice(start, end)
      const number = this.#lines.get(key)
      if (number !== undefined) return writeNumber(out, at, 0x80, 0x7f, this.#indexOf(number))
      return this.#newLine(out, at, known, key, head.slice(colon + 2, end))
    }
    if (policy === 'drop') return at
    const value = head.slice(colon + 2, end)
    if (policy === 'never') return writeLiteral(out, at, 0x10, 0x0f, staticIndex, lower, value)
    if (staticIndex !== 0) return writeLiteral(out, at, 0, 0x0f, staticIndex, lower, value)
    const namedBy = this.#names.get(lower)
    if (namedBy !== undefined) return writeLiteral(out, at, 0, 0x0f, this.#indexOf(namedBy), lower, value)
    return this.#newLine(out, at, known, head.slice(start, end), value)
  }

  #newLine(out: Buffer, at: number, { lower, staticIndex }: Name, key: string, value: string): number {
    const size = lower.length + value.length + FIELD_OVERHEAD_BYTES
    const namedBy = this.#names.get(lower)
    const nameIndex = staticIndex !== 0 || namedBy === undefined ? staticIndex : this.#indexOf(namedBy)
    if (size > KEPT_BYTES_MAX || size > this.#capacity) return writeLiteral(out, at, 0, 0x0f, nameIndex, lower, value)
    const end = writeLiteral(out, at, 0x40, 0x3f, nameIndex, lower, value)
    this.#evict(size)
    this.#kept.push({ key, lower, size })
    this.#size += size
    this.#count++
    this.#lines.set(key, this.#count)
    this.#names.set(lower, this.#count)
    return end
  }

  /** `:status` of an answer. */
  status(out: Buffer, at: number, status: number): number {
    const index = STATUS_INDEXES.get(status)
    if (index === undefined) return this.field(out, at, ':status', `${status}`)
    out[at] = 0x80 | index
    return at + 1
  }

  #indexOf(number: number): number {
    return STATIC_FIELDS.length + 1 + this.#count - number
  }

  #evict(needed: number): void {
    while (this.#size > 0 && this.#size + needed > this.#capacity) {
      const number = this.#count - this.#kept.length + this.#oldest + 1
      const { key, lower, size } = this.#kept[this.#oldest++]!
      this.#size -= size
      if (this.#lines.get(key) === number) this.#lines.delete(key)
      if (this.#names.get(lower) === number) this.#names.delete(lower)
    }
    if (this.#oldest > 256) {
      this.#kept = this.#kept.slice(this.#oldest)
      this.#oldest = 0
    }
  }
}

const STATUS_INDEXES: ReadonlyMap<number, number> = new Map(
  STATIC_FIELDS.flatMap(({ name, value }, index) => (name === ':status' ? [[Number(value), index + 1] as const] : [])),
)

function nameOf(name: string): Name {
  const known = names.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  const policy = policyOf(lower)
  const made: Name = { lower, staticIndex: STATIC_NAMES.get(lower) ?? 0, policy }
  if (names.size < NAMES_MAX) names.set(name, made)
  return made
}

function policyOf(lower: string): Policy {
  if (DROPPED.has(lower)) return 'drop'
  if (SECRET.has(lower)) return 'never'
  return NAME_ONLY.has(lower) ? 'name' : 'line'
}

function writeLiteral(
  out: Buffer,
  at: number,
  pattern: number,
  mask: number,
  nameIndex: number,
  lower: string,
  value: string,
): number {
  let end = writeNumber(out, at, pattern, mask, nameIndex)
  if (nameIndex === 0) end = writeText(out, end, lower, true)
  // What is kept is sent once and pays for being small; the rest is rather quick than small.
  return writeText(out, end, value, pattern === 0x40)
}

function writeText(out: Buffer, at: number, text: string, isSmall: boolean): number {
  const { length } = text
  if (isSmall) {
    const coded = huffmanBytes(text)
    if (coded < length) return encodeHuffman(text, out, writeNumber(out, at, 0x80, 0x7f, coded))
  }
  const start = writeNumber(out, at, 0, 0x7f, length)
  if (length > 24) out.write(text, start, length, 'latin1')
  else for (let i = 0; i < length; i++) out[start + i] = text.charCodeAt(i)
  return start + length
}

/** A number whose first bits share a byte with `pattern` (section 5.1). */
export function writeNumber(out: Uint8Array, at: number, pattern: number, mask: number, number: number): number {
  if (number < mask) {
    out[at] = pattern | number
    return at + 1
  }
  out[at++] = pattern | mask
  let rest = number - mask
  while (rest >= 0x80) {
    out[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  out[at] = rest
  return at + 1
}
