/**
 * What a client has not taken yet of an answer with `response_buffering`: kept, in memory and then in a file, so that the
 * upstream is done as soon as it has said all. Pieces come out in the order in which they went in.
 */
import { givePiece, PIECE_BYTES, takePiece } from '../piece-buffers.ts'
import { SpoolFile } from '../spool-file.ts'

/** Buffers of `PIECE_BYTES` each. */
const PIECES_MAX = 2
/** Of all answers in a worker together, 34 MiB: when many clients are slow, the rest goes to files at once. */
const PIECES_OF_WORKER_MAX = 256
let piecesOfWorker = 0
/** nginx's `proxy_max_temp_file_size`: an upstream that is further ahead of the client waits after all. */
const FILE_BYTES_MAX = 1024 * 1024 * 1024
/** Read from the file at once. */
const FILE_PIECE_BYTES = 64 * 1024

interface Piece {
  readonly buffer: Buffer
  length: number
}

export class AnswerSpool {
  /** Nothing is added any more. */
  isComplete = false
  readonly #folder: string
  readonly #pieces: Piece[] = []
  #lent: Buffer | null = null
  /** Follows what is in memory. */
  #file: SpoolFile | null = null
  #fileTaken = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0 && this.#file === null
  }

  /** The upstream should wait. */
  get isFull(): boolean {
    return this.#file !== null && this.#file.length >= FILE_BYTES_MAX
  }

  /** Copies the bytes. Throws when a file is needed and cannot be written. */
  add(bytes: Buffer, from: number, to: number): void {
    if (this.#file !== null) return this.#file.append(bytes, from, to)
    const last = this.#pieces.at(-1)
    if (last !== undefined && last.length + to - from <= PIECE_BYTES) return copyTo(last, bytes, from, to)
    const hasRoom = this.#pieces.length < PIECES_MAX && piecesOfWorker < PIECES_OF_WORKER_MAX
    if (hasRoom && to - from <= PIECE_BYTES) {
      piecesOfWorker++
      const piece = { buffer: takePiece(), length: 0 }
      this.#pieces.push(piece)
      return copyTo(piece, bytes, from, to)
    }
    this.#file = new SpoolFile(this.#folder)
    this.#fileTaken = 0
    this.#file.append(bytes, from, to)
  }

  /** The next bytes, good until the next call; null when there are none for now. Throws when the file cannot be read. */
  take(): Buffer | null {
    this.#giveBack()
    const piece = this.#pieces.shift()
    if (piece !== undefined) {
      this.#lent = piece.buffer
      return piece.buffer.subarray(0, piece.length)
    }
    const file = this.#file
    if (file === null) return null
    const bytes = file.read(this.#fileTaken, FILE_PIECE_BYTES)
    this.#fileTaken += bytes.length
    if (this.#fileTaken === file.length) this.#closeFile()
    return bytes
  }

  /** May be called again. */
  close(): void {
    this.#giveBack()
    for (const { buffer } of this.#pieces.splice(0)) release(buffer)
    this.#closeFile()
  }

  #giveBack(): void {
    if (this.#lent !== null) release(this.#lent)
    this.#lent = null
  }

  #closeFile(): void {
    this.#file?.close()
    this.#file = null
  }
}

function release(buffer: Buffer): void {
  piecesOfWorker--
  givePiece(buffer)
}

function copyTo(piece: Piece, bytes: Buffer, from: number, to: number): void {
  bytes.copy(piece.buffer, piece.length, from, to)
  piece.length += to - from
}
