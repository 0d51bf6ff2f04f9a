/**
 * Takes the chunk framing off a body, in place: payload moves together at the front of the bytes it came in.
 *
 * Chunk extensions are read and dropped, trailers are kept for whoever may forward them. Both are limited, since
 * they are bytes that cost work and carry nothing (CVE-2023-39326 and its like).
 */
import { CHARACTER_CLASSES, FIELD_VALUE } from './character-classes.ts'
import { HeadScanner, NEED_MORE } from './head-scanner.ts'
import { CONTENT_LENGTH, TRANSFER_ENCODING } from './header-ids.ts'

const CR = 13
const LF = 10
const SEMICOLON = 59

/** 16^12 bytes: far above any real chunk, far below where numbers lose exactness. */
const SIZE_DIGITS_MAX = 12
/** Of all extensions of one message together. */
const EXTENSION_BYTES_MAX = 16 * 1024
const TRAILER_BYTES_MAX = 8 * 1024
const TRAILER_FIELDS_MAX = 32

const SIZE = 0
const EXTENSION = 1
const SIZE_LF = 2
const PAYLOAD = 3
const PAYLOAD_CR = 4
const PAYLOAD_LF = 5
const TRAILERS = 6
const DONE = 7

/** Fields after the last chunk; parsed like those of a head. */
export class TrailerSection extends HeadScanner {
  parse(bytes: Buffer, from: number, to: number): number {
    return this.scanFields(bytes, from, to, from)
  }
}

export class ChunkedDecoder {
  readonly #isRequest: boolean
  /** Position after the bytes that belong to the body; set by `decode`. */
  consumed = 0
  done = false
  reason = ''
  /** Null unless the body ended with trailer fields. */
  trailers: TrailerSection | null = null
  #state = SIZE
  #remaining = 0
  #digits = 0
  #extensionBytes = 0
  #isExtensionEmpty = false
  #trailerBytes: Buffer | null = null

  /** Responses may be careless about their trailers, which are dropped where they matter. */
  constructor({ isRequest }: { readonly isRequest: boolean } = { isRequest: false }) {
    this.#isRequest = isRequest
  }

  reset(): void {
    this.done = false
    this.trailers = null
    this.#state = SIZE
    this.#remaining = 0
    this.#digits = 0
    this.#extensionBytes = 0
    this.#trailerBytes = null
  }

  /** Compacts the payload of `bytes[from, to)` to start at `from`; returns where it ends, or -1 if malformed. */
  decode(bytes: Buffer, from: number, to: number): number {
    let out = from
    let i = from
    while (i < to && this.#state !== DONE) {
      if (this.#state === PAYLOAD) {
        const take = Math.min(this.#remaining, to - i)
        if (out !== i) bytes.copyWithin(out, i, i + take)
        out += take
        i += take
        this.#remaining -= take
        if (this.#remaining === 0) this.#state = PAYLOAD_CR
      } else if (this.#state === TRAILERS) {
        i = this.#takeTrailers(bytes, i, to)
        if (i < 0) return -1
      } else if (!this.#step(bytes[i++]!)) return -1
    }
    this.consumed = i
    this.done = this.#state === DONE
    return out
  }

  #step(byte: number): boolean {
    switch (this.#state) {
      case SIZE:
        return this.#takeSize(byte)
      case EXTENSION:
        if (byte === CR) {
          if (this.#isExtensionEmpty) return this.#refuse('empty chunk extension')
          this.#state = SIZE_LF
        } else if ((CHARACTER_CLASSES[byte]! & FIELD_VALUE) === 0) return this.#refuse('illegal character in extension')
        else if (++this.#extensionBytes > EXTENSION_BYTES_MAX) return this.#refuse('chunk extensions too large')
        this.#isExtensionEmpty = byte === SEMICOLON
        return true
      case SIZE_LF:
        if (byte !== LF) return this.#refuse('bare CR after chunk size')
        this.#digits = 0
        this.#state = this.#remaining === 0 ? TRAILERS : PAYLOAD
        return true
      case PAYLOAD_CR:
        this.#state = PAYLOAD_LF
        return byte === CR || this.#refuse('chunk longer than its size')
      default:
        this.#state = SIZE
        return byte === LF || this.#refuse('bare CR after chunk')
    }
  }

  #takeSize(byte: number): boolean {
    const value = hexValue(byte)
    if (value >= 0) {
      if (++this.#digits > SIZE_DIGITS_MAX) return this.#refuse('chunk size too large')
      this.#remaining = this.#remaining * 16 + value
      return true
    }
    if (this.#digits === 0) return this.#refuse('missing chunk size')
    if (byte === CR) this.#state = SIZE_LF
    else if (byte === SEMICOLON) {
      this.#state = EXTENSION
      this.#isExtensionEmpty = true
    } else return this.#refuse('illegal character in chunk size')
    return true
  }

  /** Trailers may arrive in pieces; they are rare and small, so pieces are joined and scanned again. */
  #takeTrailers(bytes: Buffer, from: number, to: number): number {
    const held = this.#trailerBytes
    if (held === null && to - from >= 2 && bytes[from] === CR && bytes[from + 1] === LF) {
      this.#state = DONE
      return from + 2
    }
    const before = held === null ? 0 : held.length
    const take = Math.min(to - from, TRAILER_BYTES_MAX - before)
    const section = Buffer.concat([held ?? Buffer.alloc(0), bytes.subarray(from, from + take)])
    const trailers = new TrailerSection(TRAILER_FIELDS_MAX)
    const end = trailers.parse(section, 0, section.length)
    if (end < 0) return this.#refuse(trailers.reason) ? 0 : -1
    if (end === NEED_MORE) {
      if (section.length === TRAILER_BYTES_MAX) return this.#refuse('trailers too large') ? 0 : -1
      this.#trailerBytes = section
      return from + take
    }
    this.#trailerBytes = null
    // RFC 9110 section 6.5.1; whoever takes them for the message's own, or the next one's, reads another message.
    const isFraming = trailers.has(CONTENT_LENGTH) || trailers.has(TRANSFER_ENCODING)
    if (isFraming && this.#isRequest) return this.#refuse('framing field in trailers') ? 0 : -1
    this.trailers = trailers.count === 0 ? null : trailers
    this.#state = DONE
    return from + end - before
  }

  #refuse(reason: string): false {
    this.reason = reason
    return false
  }
}

function hexValue(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48
  const lower = byte | 0x20
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}
