/** Writes frames into an outbox; when they leave is the business of whoever owns it. */
import * as f from './frames.ts'
import { BlockWriter } from './head-encoding.ts'
import { HpackEncoder } from './hpack-encoder.ts'
import type { Outbox } from '../outbox.ts'

export class FrameWriter {
  readonly out: Outbox
  readonly #encoder = new HpackEncoder()
  readonly #block: BlockWriter

  constructor(out: Outbox) {
    this.out = out
    this.#block = new BlockWriter(this.out, this.#encoder)
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  limitTable(bytes: number): void {
    this.#encoder.limit(bytes)
  }

  /** `head` is that of an HTTP/1.1 message. Returns where the flags of the frame are. */
  answerHead(id: number, status: number, head: string): number {
    this.#block.begin()
    this.#block.status(status)
    this.#block.lines(head)
    return this.#block.end(id, 0)
  }

  /** The same for a request: pseudo-header fields first. */
  requestHead(id: number, pseudo: readonly (readonly [string, string])[], head: string): number {
    this.#block.begin()
    for (const [name, value] of pseudo) this.#block.field(name, value)
    this.#block.lines(head)
    return this.#block.end(id, 0)
  }

  /** Lines behind a first one that is ignored. */
  trailers(id: number, lines: string): void {
    this.#block.begin()
    this.#block.lines(lines)
    this.#block.end(id, f.END_STREAM)
  }

  /** One frame; returns where its flags are. */
  data(id: number, bytes: Buffer, from: number, to: number, flags = 0): number {
    const start = this.out.reserve(f.FRAME_HEADER_BYTES + to - from)
    f.writeFrameHeader(this.out.bytes, start, to - from, f.DATA, flags, id)
    if (to > from) bytes.copy(this.out.bytes, start + f.FRAME_HEADER_BYTES, from, to)
    this.out.length = start + f.FRAME_HEADER_BYTES + to - from
    return start + 4
  }

  frame(type: number, flags: number, id: number, payload: Buffer): void {
    const start = this.out.reserve(f.FRAME_HEADER_BYTES + payload.length)
    f.writeFrameHeader(this.out.bytes, start, payload.length, type, flags, id)
    payload.copy(this.out.bytes, start + f.FRAME_HEADER_BYTES)
    this.out.length = start + f.FRAME_HEADER_BYTES + payload.length
  }

  raw(bytes: Buffer): void {
    const start = this.out.reserve(bytes.length)
    bytes.copy(this.out.bytes, start)
    this.out.length = start + bytes.length
  }

  reset(id: number, code: number): void {
    this.#numbers(f.RST_STREAM, id, code)
  }

  windowUpdate(id: number, increment: number): void {
    this.#numbers(f.WINDOW_UPDATE, id, increment)
  }

  goAway(lastId: number, code: number): void {
    this.#numbers(f.GOAWAY, 0, lastId, code)
  }

  #numbers(type: number, id: number, ...numbers: number[]): void {
    const length = numbers.length * 4
    const start = this.out.reserve(f.FRAME_HEADER_BYTES + length)
    f.writeFrameHeader(this.out.bytes, start, length, type, 0, id)
    let at = start + f.FRAME_HEADER_BYTES
    for (const one of numbers) {
      f.writeUint32(this.out.bytes, at, one)
      at += 4
    }
    this.out.length = start + f.FRAME_HEADER_BYTES + length
  }
}
