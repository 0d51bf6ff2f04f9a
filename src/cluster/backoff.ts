/** How long to wait before the next attempt to connect: the first within a second, later ones at most ten apart. */
import type { Random } from '../base/random.ts'

const FIRST_DELAY_MS_MAX = 1_000
const DELAY_MS_MAX = 10_000

/** `attempt` counts failures from 0. Jitter over half the span keeps data planes that lost one control plane apart. */
export function retryDelayMs(attempt: number, random: Random): number {
  if (attempt === 0) return Math.floor(50 + random.next() * (FIRST_DELAY_MS_MAX - 50))
  const ceiling = Math.min(DELAY_MS_MAX, FIRST_DELAY_MS_MAX * 2 ** Math.min(attempt, 10))
  return Math.floor(ceiling / 2 + random.next() * (ceiling / 2))
}
