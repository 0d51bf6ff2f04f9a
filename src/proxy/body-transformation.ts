/** A response body that plugins replace: gathered whole, then passed through their functions in order. */
import type { BodyTransform } from './exchange-answer.ts'

export class BodyTransformation {
  readonly #transforms: readonly BodyTransform[]
  readonly #pieces: Buffer[] = []
  #bytes = 0

  constructor(transforms: readonly BodyTransform[]) {
    this.#transforms = transforms
  }

  /** False when the body is larger than what may be held; then nothing more is kept. */
  add(bytes: Buffer, from: number, to: number, bytesMax: number): boolean {
    this.#bytes += to - from
    if (this.#bytes > bytesMax) return false
    if (to > from) this.#pieces.push(Buffer.copyBytesFrom(bytes, from, to - from))
    return true
  }

  async run(): Promise<Buffer> {
    let body: Buffer = Buffer.concat(this.#pieces)
    for (const transform of this.#transforms) {
      const replaced = await transform(body)
      body = Buffer.from(replaced.buffer, replaced.byteOffset, replaced.byteLength)
    }
    return body
  }
}
