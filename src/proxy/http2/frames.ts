/** HTTP/2 frames (RFC 9113 sections 4 and 6): their numbers, and finding them in a stream of bytes. */

export const DATA = 0
export const HEADERS = 1
export const PRIORITY = 2
export const RST_STREAM = 3
export const SETTINGS = 4
export const PUSH_PROMISE = 5
export const PING = 6
export const GOAWAY = 7
export const WINDOW_UPDATE = 8
export const CONTINUATION = 9

export const END_STREAM = 0x1
export const ACK = 0x1
export const END_HEADERS = 0x4
export const PADDED = 0x8
export const HAS_PRIORITY = 0x20

export const NO_ERROR = 0
export const PROTOCOL_ERROR = 1
export const INTERNAL_ERROR = 2
export const FLOW_CONTROL_ERROR = 3
export const STREAM_CLOSED = 5
export const FRAME_SIZE_ERROR = 6
export const REFUSED_STREAM = 7
export const CANCEL = 8
export const COMPRESSION_ERROR = 9
export const ENHANCE_YOUR_CALM = 11

export const FRAME_HEADER_BYTES = 9
/** The largest payload that we take and send: what every endpoint must take. */
export const FRAME_BYTES_MAX = 16_384
export const WINDOW_MAX = 2 ** 31 - 1
/** What every connection begins with. */
export const WINDOW_DEFAULT = 65_535

/** What a client sends first. */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

export interface FrameSink {
  /** False ends reading. */
  readonly isOpen: boolean
  /** A whole frame; its payload is `bytes[from, to)`, good until this returns. */
  frame(type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number): void
  /** A frame is larger than FRAME_BYTES_MAX. */
  frameTooLarge(): void
}

/** Cuts bytes into frames, wherever reads have cut them. */
export class FrameReader {
  /** The beginning of a frame, its end not having come yet. */
  #held: Buffer | null = null
  #heldBytes = 0

  get isWithinFrame(): boolean {
    return this.#heldBytes > 0
  }

  read(bytes: Buffer, from: number, to: number, sink: FrameSink): void {
    let at = this.#heldBytes > 0 ? this.#completeHeld(bytes, from, to, sink) : from
    while (at < to && sink.isOpen) {
      if (to - at < FRAME_HEADER_BYTES) return this.#hold(bytes, at, to)
      const length = payloadLength(bytes, at)
      if (length > FRAME_BYTES_MAX) return sink.frameTooLarge()
      const end = at + FRAME_HEADER_BYTES + length
      if (end > to) return this.#hold(bytes, at, to)
      this.#tell(bytes, at, end, sink)
      at = end
    }
  }

  #hold(bytes: Buffer, from: number, to: number): void {
    this.#held ??= Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES + FRAME_BYTES_MAX)
    bytes.copy(this.#held, this.#heldBytes, from, to)
    this.#heldBytes += to - from
  }

  /** Returns the position behind the bytes that belong to the held frame. */
  #completeHeld(bytes: Buffer, from: number, to: number, sink: FrameSink): number {
    let at = from
    if (this.#heldBytes < FRAME_HEADER_BYTES) {
      const take = Math.min(to - at, FRAME_HEADER_BYTES - this.#heldBytes)
      this.#hold(bytes, at, at + take)
      at += take
      if (this.#heldBytes < FRAME_HEADER_BYTES) return to
    }
    const held = this.#held!
    const length = payloadLength(held, 0)
    if (length > FRAME_BYTES_MAX) {
      sink.frameTooLarge()
      return to
    }
    const take = Math.min(to - at, FRAME_HEADER_BYTES + length - this.#heldBytes)
    this.#hold(bytes, at, at + take)
    if (this.#heldBytes < FRAME_HEADER_BYTES + length) return to
    this.#heldBytes = 0
    // Idle connections are many: they keep no room for frames.
    this.#held = null
    this.#tell(held, 0, FRAME_HEADER_BYTES + length, sink)
    return at + take
  }

  #tell(bytes: Buffer, at: number, end: number, sink: FrameSink): void {
    const streamId = readUint31(bytes, at + 5)
    sink.frame(bytes[at + 3]!, bytes[at + 4]!, streamId, bytes, at + FRAME_HEADER_BYTES, end)
  }
}

function payloadLength(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
}

/** The reserved first bit is ignored. */
export function readUint31(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! & 0x7f) << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

export function writeFrameHeader(
  bytes: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  bytes[at] = length >>> 16
  bytes[at + 1] = length >>> 8
  bytes[at + 2] = length
  bytes[at + 3] = type
  bytes[at + 4] = flags
  writeUint32(bytes, at + 5, streamId)
}
