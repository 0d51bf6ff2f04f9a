/** Marks of targets set by hand, kept so that data planes which join later, and after a restart, are told them too. */
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { HealthMark } from './health-messages.ts'
import { type ClusterRecords, COLLECTIONS } from './records.ts'

export interface MarkRequest {
  readonly upstream: string
  readonly target: string
  readonly address: string | null
  readonly healthy: boolean
}

export interface MarkRecords {
  /** Null when there are as many as are kept. */
  put(request: MarkRequest): Promise<HealthMark | null>
  /** Oldest first. */
  list(): Promise<HealthMark[]>
  /** Forgets the marks of targets that are gone. */
  sweep(exists: (mark: HealthMark) => Promise<boolean>): Promise<number>
}

/** Each is told to every data plane that connects: 20 messages. */
export const MARKS_MAX = 2000
/** Targets begin as healthy, so that this mark matters only to those that heard of the one before. */
const HEALTHY_EXPIRY_MS = 7 * 86_400_000

export function createMarkRecords(options: { records: ClusterRecords; clock: Clock; random: Random }): MarkRecords {
  const { records, clock, random } = options

  async function rows(): Promise<{ key: string; value: HealthMark }[]> {
    const found: { key: string; value: HealthMark }[] = []
    for (;;) {
      const after = found.length === 0 ? {} : { after: found.at(-1)!.key }
      const page = await records.list<HealthMark>(COLLECTIONS.marks, { ...after, size: 1000 })
      found.push(...page)
      if (page.length < 1000) return found
    }
  }

  return {
    async put({ upstream, target, address, healthy }) {
      const key = `${target}|${address ?? ''}`
      const all = await rows()
      if (all.length >= MARKS_MAX && !all.some(row => row.key === key)) return null
      const mark = { id: random.uuid(), upstream, target, address, healthy, at: Math.floor(clock.now()) }
      await records.put(COLLECTIONS.marks, key, mark, healthy ? mark.at + HEALTHY_EXPIRY_MS : undefined)
      return mark
    },
    async list() {
      return (await rows()).map(({ value }) => value).sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
    },
    async sweep(exists) {
      let count = 0
      for (const { key, value } of await rows()) {
        if (await exists(value)) continue
        await records.delete(COLLECTIONS.marks, key)
        count++
      }
      return count
    },
  }
}
