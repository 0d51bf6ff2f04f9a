/** Random JSON values, for tests that nothing throws or hangs on them. */
import type { Random } from '../../src/base/random.ts'

const TEXTS = [
  '',
  'a',
  '/x',
  '~/(',
  '*.a.test',
  '::1',
  '10.0.0.0/8',
  'x y',
  'é\ufffd',
  '{vault://env/x}',
  '__proto__',
  'constructor',
  'toString',
  '0',
  '-----BEGIN CERTIFICATE-----',
]
const NUMBERS = [0, 1, -1, 1.5, 80, 1e9, 2 ** 53, -0, 1e308]

export interface RandomJson {
  readonly random: Random
  /** Names that objects often use, so that they hit real fields. */
  readonly names: readonly string[]
}

export function pick<Value>(random: Random, values: readonly Value[]): Value {
  return values[Math.floor(random.next() * values.length)]!
}

export function randomJson(source: RandomJson, depth = 4): unknown {
  const { random } = source
  const kind = random.next()
  if (depth === 0 || kind < 0.3) return pick(random, TEXTS)
  if (kind < 0.4) return pick(random, NUMBERS)
  if (kind < 0.5) return pick(random, [true, false, null])
  const count = Math.floor(random.next() * 4)
  if (kind < 0.7) return Array.from({ length: count }, () => randomJson(source, depth - 1))
  return randomObject(source, depth)
}

export function randomObject(source: RandomJson, depth = 4): Record<string, unknown> {
  const { random, names } = source
  const record: Record<string, unknown> = {}
  for (let count = Math.floor(random.next() * 8); count > 0; count--) {
    const name = random.next() < 0.9 ? pick(random, names) : pick(random, TEXTS)
    const value = randomJson(source, depth - 1)
    Object.defineProperty(record, name, { value, enumerable: true, configurable: true, writable: true })
  }
  return record
}
