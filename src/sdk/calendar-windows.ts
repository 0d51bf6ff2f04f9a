/** The fixed windows of rate limits: calendar seconds to years in UTC, found without a Date per request. */

export type Period = 'second' | 'minute' | 'hour' | 'day' | 'month' | 'year'

export interface PeriodDefinition {
  readonly name: Period
  /** Kong's nominal length, used for expiry and for `RateLimit-Reset`: a month is 30 days, a year 365. */
  readonly seconds: number
}

/** Shortest first. */
export const periods: readonly PeriodDefinition[] = [
  { name: 'second', seconds: 1 },
  { name: 'minute', seconds: 60 },
  { name: 'hour', seconds: 3600 },
  { name: 'day', seconds: 86_400 },
  { name: 'month', seconds: 2_592_000 },
  { name: 'year', seconds: 31_536_000 },
]

/** Start and end of the window that `now` lies in, milliseconds since the epoch. */
export function windowAt({ name, seconds }: PeriodDefinition, now: number): { start: number; end: number } {
  if (name === 'month' || name === 'year') {
    const date = new Date(now)
    const year = date.getUTCFullYear()
    const month = date.getUTCMonth()
    if (name === 'year') return { start: Date.UTC(year, 0), end: Date.UTC(year + 1, 0) }
    return { start: Date.UTC(year, month), end: Date.UTC(year, month + 1) }
  }
  const length = seconds * 1000
  const start = now - (now % length)
  return { start, end: start + length }
}
