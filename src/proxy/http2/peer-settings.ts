/** SETTINGS (RFC 9113 section 6.5): what the peer asks of us, and how we tell it what we ask. */
import {
  FLOW_CONTROL_ERROR,
  FRAME_BYTES_MAX,
  FRAME_SIZE_ERROR,
  NO_ERROR,
  PROTOCOL_ERROR,
  WINDOW_DEFAULT,
  WINDOW_MAX,
} from './frames.ts'

export const HEADER_TABLE_SIZE = 1
export const ENABLE_PUSH = 2
export const MAX_CONCURRENT_STREAMS = 3
export const INITIAL_WINDOW_SIZE = 4
export const MAX_FRAME_SIZE = 5
export const MAX_HEADER_LIST_SIZE = 6

const ENTRY_BYTES = 6

export class PeerSettings {
  headerTableSize = 4096
  maxConcurrentStreams = Number.POSITIVE_INFINITY
  initialWindowSize = WINDOW_DEFAULT
  maxFrameSize = FRAME_BYTES_MAX

  /** Takes the payload of a frame. Returns an error code, NO_ERROR when all is well. */
  apply(bytes: Buffer, from: number, to: number): number {
    if ((to - from) % ENTRY_BYTES !== 0) return FRAME_SIZE_ERROR
    for (let at = from; at < to; at += ENTRY_BYTES) {
      const error = this.#applyOne(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2))
      if (error !== NO_ERROR) return error
    }
    return NO_ERROR
  }

  #applyOne(id: number, value: number): number {
    if (id === HEADER_TABLE_SIZE) this.headerTableSize = value
    else if (id === ENABLE_PUSH) return value > 1 ? PROTOCOL_ERROR : NO_ERROR
    else if (id === MAX_CONCURRENT_STREAMS) this.maxConcurrentStreams = value
    else if (id === INITIAL_WINDOW_SIZE) {
      if (value > WINDOW_MAX) return FLOW_CONTROL_ERROR
      this.initialWindowSize = value
    } else if (id === MAX_FRAME_SIZE) {
      if (value < FRAME_BYTES_MAX || value > 0xffffff) return PROTOCOL_ERROR
      this.maxFrameSize = value
    }
    // Others are for extensions that we do not speak (section 6.5.2).
    return NO_ERROR
  }
}

/** Payload of a SETTINGS frame. */
export function encodeSettings(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(settings.length * ENTRY_BYTES)
  settings.forEach(([id, value], index) => {
    payload.writeUInt16BE(id, index * ENTRY_BYTES)
    payload.writeUInt32BE(value, index * ENTRY_BYTES + 2)
  })
  return payload
}
