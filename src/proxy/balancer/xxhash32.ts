/** xxHash with 32 bits and seed 0: the hash by which Kong's ring places targets and requests. */

const PRIME_1 = 0x9e3779b1 | 0
const PRIME_2 = 0x85ebca77 | 0
const PRIME_3 = 0xc2b2ae3d | 0
const PRIME_4 = 0x27d4eb2f
const PRIME_5 = 0x165667b1

/** Of the bytes of a text: latin1, one character per byte, as heads are read; anything else as UTF-8. */
export function xxhash32(text: string): number {
  return /^[\x00-\xff]*$/.test(text) ? hashLatin1(text) : hashLatin1(Buffer.from(text).toString('latin1'))
}

function hashLatin1(text: string): number {
  const { length } = text
  let at = 0
  let hash: number
  if (length >= 16) {
    let a = (PRIME_1 + PRIME_2) | 0
    let b = PRIME_2
    let c = 0
    let d = -PRIME_1 | 0
    for (; at <= length - 16; at += 16) {
      a = round(a, wordAt(text, at))
      b = round(b, wordAt(text, at + 4))
      c = round(c, wordAt(text, at + 8))
      d = round(d, wordAt(text, at + 12))
    }
    hash = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0
  } else hash = PRIME_5
  hash = (hash + length) | 0
  for (; at <= length - 4; at += 4)
    hash = Math.imul(rotate((hash + Math.imul(wordAt(text, at), PRIME_3)) | 0, 17), PRIME_4)
  for (; at < length; at++) hash = Math.imul(rotate((hash + Math.imul(text.charCodeAt(at), PRIME_5)) | 0, 11), PRIME_1)
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
  return (hash ^ (hash >>> 16)) >>> 0
}

function round(lane: number, word: number): number {
  return Math.imul(rotate((lane + Math.imul(word, PRIME_2)) | 0, 13), PRIME_1)
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by))
}

/** Little endian. */
function wordAt(text: string, at: number): number {
  return (
    text.charCodeAt(at) |
    (text.charCodeAt(at + 1) << 8) |
    (text.charCodeAt(at + 2) << 16) |
    (text.charCodeAt(at + 3) << 24)
  )
}
