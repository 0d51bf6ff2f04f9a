/** Request ids: 32 hexadecimal characters, random, cut from a block so that one costs little more than a slice. */
import type { Random } from '../base/random.ts'

const ID_LENGTH = 32
const BLOCK_BYTES = 4096

export class RequestIds {
  readonly #random: Random
  #block = ''
  #position = 0

  constructor(random: Random) {
    this.#random = random
  }

  next(): string {
    if (this.#position === this.#block.length) {
      this.#block = this.#random.bytes(BLOCK_BYTES).toString('hex')
      this.#position = 0
    }
    return this.#block.slice(this.#position, (this.#position += ID_LENGTH))
  }
}
