/** Randomness, injected like the clock, so that a failing test can be run again from its seed. */
import { randomBytes, randomUUID } from 'node:crypto'

export interface Random {
  /** Uniform in [0, 1). Not for secrets. */
  next(): number
  /** For secrets in the system implementation; reproducible in the seeded one. */
  bytes(count: number): Buffer
  uuid(): string
}

export const systemRandom: Random = {
  next: () => Math.random(),
  bytes: count => randomBytes(count),
  uuid: () => randomUUID(),
}

/** Mulberry32: small, fast, good enough for tests. Never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const bytes = (count: number) => Buffer.from(Array.from({ length: count }, () => Math.floor(next() * 256)))
  const uuid = () => {
    const b = bytes(16)
    b[6] = (b[6]! & 0x0f) | 0x40
    b[8] = (b[8]! & 0x3f) | 0x80
    const hex = b.toString('hex')
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  }
  return { next, bytes, uuid }
}
