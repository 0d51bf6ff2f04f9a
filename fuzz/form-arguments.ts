/**
 * Form names: decoding never throws or touches prototypes, and agrees with an obvious version on well-formed names.
 */
import assert from 'node:assert/strict'
import type { Random } from '../src/base/random.ts'
import { decodeFormArguments, inferArguments } from '../src/schema/form-arguments.ts'
import { createCatalog } from '../src/entities/catalog.ts'
import { pick } from '../test/kit/random-json.ts'

export const name = 'form-arguments'

const PIECES = [
  'a',
  'b',
  'name',
  'tags',
  '.',
  '..',
  '[',
  ']',
  '[]',
  '[1]',
  '[2]',
  '[k]',
  '%5B',
  '%5D',
  '__proto__',
  'constructor',
  'é',
  ' ',
]
const VALUES = ['', '1', 'x', 'true', '0x1', '1e400', 'NaN']

export function run(random: Random, isOver: () => boolean): number {
  const { fields } = createCatalog().get('routes')
  let count = 0
  for (; !isOver(); count++) {
    const pairs = Array.from({ length: 1 + Math.floor(random.next() * 6) }, () => {
      const length = Math.floor(random.next() * 8)
      return [Array.from({ length }, () => pick(random, PIECES)).join(''), pick(random, VALUES)] as const
    })
    const args = decodeFormArguments(pairs)
    inferArguments(args, fields)
    assert.deepEqual(leaves(args).sort(), pairs.map(([, value]) => value).sort(), JSON.stringify(pairs))
    roundTrip(random)
  }
  assert.equal(Object.keys(Object.prototype).length, 0)
  return count
}

/** Every value that was sent is somewhere in the result, and nothing else is. */
function leaves(value: unknown): string[] {
  return typeof value === 'string' ? [value] : Object.values(value as object).flatMap(leaves)
}

/** What is encoded by the conventions is decoded to the same structure. */
function roundTrip(random: Random): void {
  const value = structure(random, 3) as Record<string, unknown>
  if (typeof value !== 'object' || Array.isArray(value)) return
  assert.deepEqual(decodeFormArguments(Object.entries(value).flatMap(([key, member]) => encode(key, member))), value)
}

function structure(random: Random, depth: number): unknown {
  const kind = random.next()
  if (depth === 0 || kind < 0.3) return `v${Math.floor(random.next() * 100)}`
  const size = 1 + Math.floor(random.next() * 3)
  if (kind < 0.5) return Array.from({ length: size }, () => structure(random, depth - 1))
  return Object.fromEntries(Array.from({ length: size }, (_, at) => [`k${at}`, structure(random, depth - 1)]))
}

function encode(path: string, value: unknown): [string, string][] {
  if (typeof value === 'string') return [[path, value]]
  if (Array.isArray(value)) return value.flatMap((member, at) => encode(`${path}[${at + 1}]`, member))
  return Object.entries(value as object).flatMap(([key, member]) => encode(`${path}.${key}`, member))
}
