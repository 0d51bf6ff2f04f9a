/**
 * Takes bytes to a socket, plain or TLS: one write at a time, each with all that has gathered meanwhile.
 *
 * It writes past the socket's stream, so nobody else may write to the socket: TLS takes one write at a time.
 */
import type { Socket } from 'node:net'
import { writeBytes } from './direct-write-bytes.ts'
import { flushSoon, Outbox, release } from './outbox.ts'

/** Bytes that wait for the socket; above, whoever fills it is told to pause. */
const OUTBOX_BYTES_MAX = 64 * 1024

export interface GatheringWriterEvents {
  /** There is room again after there was none. */
  roomAgain(): void
  /** After `end`, the last byte is with the socket. */
  finished(): void
}

export class GatheringWriter {
  /** What is added here leaves after `schedule`. */
  readonly out = new Outbox()
  readonly #socket: Socket
  readonly #events: GatheringWriterEvents
  readonly #onWritten = () => this.#written()
  #isScheduled = false
  #inFlight: Buffer | null = null
  #wasFull = false
  #isEnding = false

  constructor(socket: Socket, events: GatheringWriterEvents) {
    this.#socket = socket
    this.#events = events
  }

  get isFull(): boolean {
    const isFull = this.out.length > OUTBOX_BYTES_MAX
    this.#wasFull ||= isFull
    return isFull
  }

  /** Bytes that the socket has not taken yet. */
  get unsentBytes(): number {
    return this.out.length + (this.#inFlight?.length ?? 0)
  }

  /** Nothing follows. */
  end(): void {
    this.#isEnding = true
    this.schedule()
  }

  /** Everything leaves once the sockets that are ready now have been read. */
  schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    flushSoon(this)
  }

  flush(): void {
    this.#isScheduled = false
    if (this.#inFlight !== null || this.#socket.destroyed) return
    if (this.out.length > 0) {
      const bytes = this.out.take()
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
    if (this.out.length > 0 || this.#isEnding) this.schedule()
  }
}
