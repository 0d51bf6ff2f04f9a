/** Takes the frames of a connection to its socket: one write at a time, each with all that has gathered meanwhile. */
import type { Socket } from 'node:net'
import { writeBytes } from '../direct-write-bytes.ts'
import { FrameWriter } from './frame-writer.ts'
import { flushSoon, release } from './outbox.ts'

/** Frames that wait for the socket; above, streams are told to pause. */
const OUTBOX_BYTES_MAX = 64 * 1024

export interface SocketWriterEvents {
  /** There is room again after there was none. */
  roomAgain(): void
  /** After `end`, the last byte is with the socket. */
  finished(): void
}

export class SocketWriter {
  readonly #frames = new FrameWriter()
  readonly #socket: Socket
  readonly #events: SocketWriterEvents
  readonly #onWritten = () => this.#written()
  #isScheduled = false
  #inFlight: Buffer | null = null
  #wasFull = false
  #isEnding = false

  constructor(socket: Socket, events: SocketWriterEvents) {
    this.#socket = socket
    this.#events = events
  }

  /** The place for frames; whatever is written there leaves soon. */
  get frames(): FrameWriter {
    if (!this.#isScheduled) this.#schedule()
    return this.#frames
  }

  get out(): FrameWriter['out'] {
    return this.#frames.out
  }

  get isFull(): boolean {
    const isFull = this.#frames.out.length > OUTBOX_BYTES_MAX
    this.#wasFull ||= isFull
    return isFull
  }

  /** Nothing follows. */
  end(): void {
    this.#isEnding = true
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    flushSoon(this)
  }

  flush(): void {
    this.#isScheduled = false
    if (this.#inFlight !== null || this.#socket.destroyed) return
    if (this.#frames.out.length > 0) {
      const bytes = this.#frames.out.take()
      this.#inFlight = bytes
      if (writeBytes(this.#socket, bytes, this.#onWritten)) this.#written()
      if (this.#wasFull) {
        this.#wasFull = false
        this.#events.roomAgain()
      }
    } else if (this.#isEnding) {
      this.#isEnding = false
      this.#events.finished()
    }
  }

  #written(): void {
    if (this.#inFlight !== null) release(this.#inFlight)
    this.#inFlight = null
    if (this.#frames.out.length > 0 || this.#isEnding) this.#schedule()
  }
}
