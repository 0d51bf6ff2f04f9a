/** What the members of a message may be; a message with anything else is refused as a whole. */

export type Check = (value: unknown) => boolean

export const text =
  (max: number, min = 0): Check =>
  value =>
    typeof value === 'string' && value.length >= min && value.length <= max

export const matches =
  (pattern: RegExp): Check =>
  value =>
    typeof value === 'string' && pattern.test(value)

export const count: Check = value => Number.isSafeInteger(value) && (value as number) >= 0
export const boolean: Check = value => typeof value === 'boolean'

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const listOf =
  (max: number, check: Check): Check =>
  value =>
    Array.isArray(value) && value.length <= max && value.every(check)

/** An array of exactly these members. */
export const tuple =
  (...checks: readonly Check[]): Check =>
  value =>
    Array.isArray(value) && value.length === checks.length && checks.every((check, i) => check(value[i]))

export const orNull =
  (check: Check): Check =>
  value =>
    value === null || check(value)

/** The first member that is missing, wrong or unknown, or null. */
export function exactly(value: Record<string, unknown>, fields: Record<string, Check>): string | null {
  for (const [name, check] of Object.entries(fields)) {
    if (!Object.hasOwn(value, name) || !check(value[name])) return name
  }
  for (const name of Object.keys(value)) {
    if (!Object.hasOwn(fields, name)) return name
  }
  return null
}

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
