/** `ttl`: seconds to live in what clients send and see, the second of expiry in what is stored. */
import type { EntityDefinition } from '../schema/entity.ts'
import { MESSAGES } from '../schema/messages.ts'
import { TTL_FIELD } from '../schema/columns.ts'
import type { Row } from '../entities/config.ts'
import { invalidOptions, schemaViolation } from './violations.ts'

// Kong's limit: a little over three years.
const ttlMax = 100_000_000

export interface TakenTtl {
  /** Undefined when nothing was said, null for no expiry. */
  readonly ttl: number | null | undefined
  readonly rest: Row
}

/** The seconds of a client's `ttl`, and the input without it. */
export function takeTtl(definition: EntityDefinition, input: Row): TakenTtl {
  if (definition.ttl !== true || !(TTL_FIELD in input)) return { ttl: undefined, rest: input }
  const { [TTL_FIELD]: ttl, ...rest } = input
  if (ttl === null) return { ttl, rest }
  if (typeof ttl !== 'number' || !Number.isInteger(ttl) || ttl < 0 || ttl > ttlMax) {
    throw invalidOptions({ ttl: MESSAGES.ttl })
  }
  return { ttl: ttl === 0 ? null : ttl, rest }
}

/** The second of expiry in a row of a declarative file, and the input without it. */
export function takeExpiry(definition: EntityDefinition, input: Row): TakenTtl {
  if (definition.ttl !== true || !(TTL_FIELD in input)) return { ttl: undefined, rest: input }
  const { [TTL_FIELD]: ttl, ...rest } = input
  if (ttl !== null && (typeof ttl !== 'number' || !Number.isFinite(ttl) || ttl < 0)) {
    throw schemaViolation({ [TTL_FIELD]: MESSAGES.number })
  }
  return { ttl, rest }
}

/** Counted from the row's own time stamp, as in Kong, so that a row made again from an export expires at the same time. */
export function expiryOf(ttl: number | null, stamp: unknown, nowMs: number): number | null {
  if (ttl === null) return null
  return ttl + (typeof stamp === 'number' ? stamp : nowMs / 1000)
}

export function withRemainingTtl(definition: EntityDefinition, row: Row, nowMs: number): Row {
  const expiry = row[TTL_FIELD]
  if (definition.ttl !== true || typeof expiry !== 'number') return row
  return { ...row, [TTL_FIELD]: Math.max(0, Math.floor(expiry - nowMs / 1000)) }
}
