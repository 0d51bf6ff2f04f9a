/** Between HTTP/1.1 heads, which all of the proxy speaks, and header blocks. */
import type { HpackEncoder } from './hpack-encoder.ts'
import type { Outbox } from '../outbox.ts'
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES, CONTINUATION, END_HEADERS, HEADERS, writeFrameHeader } from './frames.ts'

/** Bytes that a field may take beyond its text. */
const FIELD_ROOM = 16

/** Writes fields as one block, in as many frames as it takes. Made for one block, then thrown away by `end`. */
export class BlockWriter {
  readonly #out: Outbox
  readonly #encoder: HpackEncoder
  #start = 0

  constructor(out: Outbox, encoder: HpackEncoder) {
    this.#out = out
    this.#encoder = encoder
  }

  begin(): void {
    this.#start = this.#out.reserve(FRAME_HEADER_BYTES + FIELD_ROOM)
    this.#out.length = this.#encoder.begin(this.#out.bytes, this.#start + FRAME_HEADER_BYTES)
  }

  status(status: number): void {
    const at = this.#out.reserve(FIELD_ROOM + 10)
    this.#out.length = this.#encoder.status(this.#out.bytes, at, status)
  }

  field(name: string, value: string): void {
    const at = this.#out.reserve(name.length + value.length + FIELD_ROOM)
    this.#out.length = this.#encoder.field(this.#out.bytes, at, name, value)
  }

  /** The lines of a head behind its first. */
  lines(head: string): void {
    let at = head.indexOf('\r\n') + 2
    for (;;) {
      const colon = head.indexOf(':', at)
      const end = head.indexOf('\r\n', at)
      if (colon === -1 || end === -1 || colon > end) return
      const to = this.#out.reserve(end - at + FIELD_ROOM)
      this.#out.length = this.#encoder.line(this.#out.bytes, to, head, at, colon, end)
      at = end + 2
    }
  }

  /** Returns where the flags of the first frame are, for END_STREAM to be added. */
  end(streamId: number, flags: number): number {
    const { bytes, length } = this.#out
    const start = this.#start
    const blockBytes = length - start - FRAME_HEADER_BYTES
    if (blockBytes > FRAME_BYTES_MAX) this.#split(streamId, flags)
    else writeFrameHeader(bytes, start, blockBytes, HEADERS, flags | END_HEADERS, streamId)
    return start + 4
  }

  #split(streamId: number, flags: number): void {
    const start = this.#start
    const block = Buffer.copyBytesFrom(
      this.#out.bytes,
      start + FRAME_HEADER_BYTES,
      this.#out.length - start - FRAME_HEADER_BYTES,
    )
    this.#out.length = start
    for (let from = 0; from < block.length; from += FRAME_BYTES_MAX) {
      const piece = block.subarray(from, from + FRAME_BYTES_MAX)
      const isLast = from + piece.length === block.length
      const at = this.#out.reserve(FRAME_HEADER_BYTES + piece.length)
      const type = from === 0 ? HEADERS : CONTINUATION
      const own = (from === 0 ? flags : 0) | (isLast ? END_HEADERS : 0)
      writeFrameHeader(this.#out.bytes, at, piece.length, type, own, streamId)
      piece.copy(this.#out.bytes, at + FRAME_HEADER_BYTES)
      this.#out.length = at + FRAME_HEADER_BYTES + piece.length
    }
  }
}
