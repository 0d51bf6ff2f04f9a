/** Page options of collections that are no entities; texts and limits are those of the entities' own (repository.ts). */
import { invalidOffset, invalidSize } from '../store/violations.ts'
import type { RequestArguments } from './arguments.ts'
import { pageOption } from './collection.ts'

const sizeDefault = 100
const sizeMax = 1000

export function clusterPageOptions(query: RequestArguments): { size: number; after: string | null } {
  return { size: parseSize(pageOption(query, 'size')), after: decodeOffset(pageOption(query, 'offset')) }
}

export function parseSize(value: unknown): number {
  if (value === undefined) return sizeDefault
  const size = typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN
  if (Number.isNaN(size)) throw invalidSize('size must be a number')
  if (!Number.isInteger(size) || size < 1 || size > sizeMax) {
    throw invalidSize(`size must be an integer between 1 and ${sizeMax}`)
  }
  return size
}

/** Opaque to clients: base64url of a JSON list, as Kong's PostgreSQL strategy makes it. */
export function encodeOffset(after: string | number | null): string | null {
  return after === null ? null : Buffer.from(JSON.stringify([after])).toString('base64url')
}

export function decodeOffset(value: unknown): string | null {
  if (value === undefined) return null
  const text = String(value)
  const refuse = (why: string) => invalidOffset(text, why)
  if (!/^[A-Za-z0-9_-]*$/.test(text)) throw refuse('bad base64 encoding')
  let decoded: unknown
  try {
    decoded = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch {
    throw refuse('bad json encoding')
  }
  const first = Array.isArray(decoded) ? decoded[0] : undefined
  if (typeof first !== 'string' && typeof first !== 'number') throw refuse('bad json encoding')
  return String(first)
}
