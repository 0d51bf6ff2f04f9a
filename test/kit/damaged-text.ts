/** Texts for fuzzers of protocols: made of fragments, and then damaged. */
import type { Random } from '../../src/base/random.ts'

export interface DamagedTextOptions {
  readonly random: Random
  readonly fragments: readonly string[]
  /** Bytes that parsers have disagreed about. */
  readonly evil: readonly number[]
}

/** `start` and up to eight fragments, of which up to two places are overwritten by evil bytes, or make room for one. */
export function damagedText(start: string, { random, fragments, evil }: DamagedTextOptions): string {
  let text = start
  const length = 1 + Math.floor(random.next() * 8)
  for (let i = 0; i < length; i++) text += pick(fragments, random)
  const damages = Math.floor(random.next() * 3)
  for (let i = 0; i < damages; i++) {
    const at = Math.floor(random.next() * text.length)
    text = text.slice(0, at) + String.fromCharCode(pick(evil, random)) + text.slice(at + Math.floor(random.next() * 2))
  }
  return text
}

export function pick<T>(list: readonly T[], random: Random): T {
  return list[Math.floor(random.next() * list.length)]!
}
