/**
 * Numbers for the beginnings of a path: each is made from the one before, so that all of them together cost one pass over
 * the path, and none of them a text of its own.
 */

/** 30 bits, which the engine keeps without a box. */
const MASK = 0x3fff_ffff

const next = (hash: number, code: number) => (Math.imul(hash ^ code, 0x5bd1e995) + (hash >>> 15)) & MASK

export function prefixHash(prefix: string): number {
  let hash = 0
  for (let i = 0; i < prefix.length; i++) hash = next(hash, prefix.charCodeAt(i))
  return hash
}

/** Of one path at a time; as far as somebody asked. */
export class PrefixHashes {
  #path = ''
  #known = 0
  /** By length of the beginning; as long as the longest path was. */
  #hashes = new Int32Array(256)

  begin(path: string): void {
    this.#path = path
    this.#known = 0
    if (path.length >= this.#hashes.length) this.#hashes = new Int32Array(path.length * 2)
  }

  /** `length` must not be larger than the path's. */
  of(length: number): number {
    const hashes = this.#hashes
    if (length > this.#known) {
      let hash = hashes[this.#known]!
      for (let i = this.#known; i < length; i++) hashes[i + 1] = hash = next(hash, this.#path.charCodeAt(i))
      this.#known = length
    }
    return hashes[length]!
  }
}
