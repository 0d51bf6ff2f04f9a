/**
 * What of a request body does not fit into memory while it is gathered: a file without a name, so that nothing is left
 * behind however the process ends.
 *
 * Writes are synchronous, as nginx's are: they go to the page cache, and order and back pressure come by themselves.
 */
import { closeSync, mkdirSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'

let serial = 0
/** What was read last, of any file: whoever wants it longer copies it. */
let piece = Buffer.alloc(0)

export class SpoolFile {
  length = 0
  readonly #descriptor: number

  /** Throws when the folder cannot be written. */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const path = join(folder, `${process.pid}-${++serial}`)
    this.#descriptor = openSync(path, 'wx+', 0o600)
    unlinkSync(path)
  }

  /** Throws when the disk is full. */
  append(bytes: Uint8Array, from: number, to: number): void {
    for (let at = from; at < to; ) {
      const written = writeSync(this.#descriptor, bytes, at, to - at)
      at += written
      this.length += written
    }
  }

  /** Bytes from `position` on, at most `bytesMax`; none at the end. Good until the next read. */
  read(position: number, bytesMax: number): Buffer {
    if (piece.length < bytesMax) piece = Buffer.allocUnsafeSlow(bytesMax)
    const wanted = Math.min(bytesMax, this.length - position)
    const count = readSync(this.#descriptor, piece, 0, wanted, position)
    if (count < wanted) throw new Error(`the spool file ends after ${position + count} of ${this.length} bytes`)
    return piece.subarray(0, wanted)
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}
