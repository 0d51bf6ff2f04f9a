/**
 * What one node tells all others on the same store: log levels, marks by hand. Rows that expire, looked for at an
 * interval, as Kong's `cluster_events`; a node that is away for longer than they live has missed nothing that matters.
 */
import type { Clock, Timer } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import { type ClusterRecords, COLLECTIONS } from './records.ts'

export type ClusterEventListener = (payload: Readonly<Record<string, unknown>>) => void

export interface ClusterEvents {
  /** To all other nodes; those that listen on this one are not told. */
  publish(channel: string, payload: Readonly<Record<string, unknown>>): Promise<void>
  on(channel: string, listener: ClusterEventListener): void
  close(): void
}

export interface ClusterEventsOptions {
  readonly records: ClusterRecords
  /** False where no other node can use the store: then there is nothing to look for. */
  readonly isShared: boolean
  readonly pollMs: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

interface StoredEvent {
  readonly channel: string
  readonly payload: Readonly<Record<string, unknown>>
}

/** Clocks of nodes may differ by less than this, and a slow write may come so late. */
const LATE_MS = 60_000
const EXPIRY_MS = 10 * LATE_MS

export function createClusterEvents(options: ClusterEventsOptions): ClusterEvents {
  const { records, isShared, pollMs, clock, random, logger } = options
  const listeners = new Map<string, ClusterEventListener[]>()
  /** Keys that are done with, by when they may be forgotten. */
  const seen = new Map<string, number>()
  const startedAt = clock.now()
  let isPolling = false
  let hasFailed = false

  async function poll(): Promise<void> {
    if (isPolling) return
    isPolling = true
    try {
      await readNew()
      hasFailed = false
    } catch (error) {
      // The database is away, which others say often enough.
      if (!hasFailed) logger.warn(`cannot read what other nodes say: ${(error as Error).message}`)
      hasFailed = true
    } finally {
      isPolling = false
    }
  }

  async function readNew(): Promise<void> {
    const now = clock.now()
    for (const [key, forgetAt] of seen) if (forgetAt < now) seen.delete(key)
    let after = timeKey(Math.max(startedAt, now - LATE_MS))
    for (;;) {
      const rows = await records.list<StoredEvent>(COLLECTIONS.events, { after, size: 1000 })
      for (const { key, value } of rows) {
        if (seen.has(key)) continue
        seen.set(key, now + EXPIRY_MS)
        for (const listener of listeners.get(value.channel) ?? []) listener(value.payload)
      }
      if (rows.length < 1000) return
      after = rows.at(-1)!.key
    }
  }

  const timer: Timer | null = isShared ? clock.every(pollMs, () => void poll()) : null
  return {
    async publish(channel, payload) {
      if (!isShared) return
      const key = `${timeKey(clock.now())}-${random.uuid()}`
      seen.set(key, clock.now() + EXPIRY_MS)
      await records.put(COLLECTIONS.events, key, { channel, payload }, clock.now() + EXPIRY_MS)
    },
    on(channel, listener) {
      listeners.set(channel, [...(listeners.get(channel) ?? []), listener])
    },
    close() {
      timer?.cancel()
    },
  }
}

/** In order of time as text. */
function timeKey(ms: number): string {
  return String(Math.floor(ms)).padStart(15, '0')
}
