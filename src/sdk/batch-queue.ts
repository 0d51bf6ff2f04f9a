/** Queues that hand entries over in batches and retry, with the settings and semantics of Kong's `queue` record. */
import { sleep, type Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'

/** Times in seconds, as in the configuration. */
export interface QueueSettings {
  readonly max_batch_size: number
  readonly max_coalescing_delay: number
  readonly max_entries: number
  readonly max_bytes: number | null
  readonly max_retry_time: number
  readonly initial_retry_delay: number
  readonly max_retry_delay: number
  /** 1: one batch at a time, in order. -1: each entry at once and alone. */
  readonly concurrency_limit: number
}

/** Rejects when the entries could not be delivered; they are then tried again. */
export type DeliverEntries = (entries: readonly string[]) => Promise<void>

export interface BatchQueues {
  /** The settings and the function given last count for everything still waiting under this name. */
  enqueue(name: string, settings: QueueSettings, deliver: DeliverEntries, entry: string): void
  /** Stops waiting for fuller batches; resolves when every queue is empty or its entries were given up. */
  drain(): Promise<void>
}

/** From here on a queue says that it is filling up (Kong: 80 %). */
const capacityWarning = 0.8

interface Queue {
  settings: QueueSettings
  deliver: DeliverEntries
  entries: string[]
  bytes: number
  warned: boolean
  /** Wakes the pump when it waits for a fuller batch. */
  wake: (() => void) | null
  /** Resolves when the pump has emptied the queue. */
  pump: Promise<void> | null
  /** Deliveries under way with `concurrency_limit` -1. */
  readonly flights: Set<Promise<void>>
}

export function createBatchQueues({ clock, log }: { readonly clock: Clock; readonly log: Logger }): BatchQueues {
  const queues = new Map<string, Queue>()
  let draining = false

  async function deliver(name: string, queue: Queue, batch: readonly string[]): Promise<void> {
    const startedAt = clock.monotonic()
    for (let attempt = 0; ; attempt++) {
      const { max_retry_time, initial_retry_delay, max_retry_delay } = queue.settings
      try {
        return await queue.deliver(batch)
      } catch (error) {
        log.warn(`queue ${name}: handler could not process entries: ${(error as Error).message}`)
      }
      if (clock.monotonic() - startedAt > max_retry_time * 1000) {
        const lost = `could not send entries due to max_retry_time exceeded. ${batch.length} queue entries were lost`
        log.error(`queue ${name}: ${lost}`)
        return
      }
      await sleep(clock, Math.min(max_retry_delay, initial_retry_delay * 2 ** attempt) * 1000)
    }
  }

  /** Resolves when a batch is full, its first entry has waited long enough, or the worker is stopping. */
  function fillBatch(queue: Queue): Promise<void> | null {
    const { max_batch_size, max_coalescing_delay } = queue.settings
    if (draining || queue.entries.length >= max_batch_size || max_coalescing_delay === 0) return null
    return new Promise(resolve => {
      const timer = clock.after(max_coalescing_delay * 1000, () => queue.wake?.())
      queue.wake = () => {
        queue.wake = null
        timer.cancel()
        resolve()
      }
    })
  }

  async function pump(name: string, queue: Queue): Promise<void> {
    while (queue.entries.length > 0) {
      await fillBatch(queue)
      const batch = queue.entries.splice(0, queue.settings.max_batch_size)
      queue.bytes -= bytesOf(batch)
      await deliver(name, queue, batch)
    }
    queue.pump = null
    if (queue.flights.size === 0) queues.delete(name)
  }

  /** Each entry at once; `max_entries` bounds how many may be under way. */
  function deliverAlone(name: string, queue: Queue, entry: string): void {
    if (queue.flights.size >= queue.settings.max_entries) {
      log.error(`queue ${name}: too many entries under way, one was dropped`)
      return
    }
    const flight = deliver(name, queue, [entry]).finally(() => {
      queue.flights.delete(flight)
      if (queue.flights.size === 0 && queue.pump === null) queues.delete(name)
    })
    queue.flights.add(flight)
  }

  function enqueue(name: string, settings: QueueSettings, deliverEntries: DeliverEntries, entry: string): void {
    const queue = queues.get(name) ?? newQueue(settings, deliverEntries)
    queues.set(name, queue)
    queue.settings = settings
    queue.deliver = deliverEntries
    if (settings.concurrency_limit === -1) deliverAlone(name, queue, entry)
    else if (makeRoom(name, queue, entry, log)) {
      queue.entries.push(entry)
      queue.bytes += Buffer.byteLength(entry)
      if (queue.entries.length >= settings.max_batch_size) queue.wake?.()
      queue.pump ??= Promise.resolve().then(() => pump(name, queue))
    }
  }

  async function drain(): Promise<void> {
    draining = true
    for (const queue of queues.values()) queue.wake?.()
    while (queues.size > 0) {
      await Promise.all([...queues.values()].flatMap(queue => [...queue.flights, queue.pump]))
    }
  }

  return { enqueue, drain }
}

function newQueue(settings: QueueSettings, deliver: DeliverEntries): Queue {
  const pump = null
  return { settings, deliver, entries: [], bytes: 0, warned: false, wake: null, pump, flights: new Set() }
}

/** Drops the oldest entries until the new one fits; false when it never can. */
function makeRoom(name: string, queue: Queue, entry: string, log: Logger): boolean {
  const { max_entries, max_bytes } = queue.settings
  const isNearlyFull = queue.entries.length >= max_entries * capacityWarning
  if (isNearlyFull && !queue.warned) log.warn(`queue ${name}: queue at ${capacityWarning * 100}% capacity`)
  queue.warned = isNearlyFull
  const bytes = Buffer.byteLength(entry)
  if (max_bytes !== null && bytes > max_bytes) {
    const limit = `string to be queued is longer (${bytes} bytes) than the queue's max_bytes (${max_bytes} bytes)`
    log.error(`queue ${name}: ${limit}`)
    return false
  }
  let dropped = 0
  for (; queue.entries.length - dropped >= max_entries; dropped++)
    queue.bytes -= Buffer.byteLength(queue.entries[dropped]!)
  if (dropped > 0) log.error(`queue ${name}: queue full, dropping old entries until processing is successful again`)
  const kept = dropped
  for (; max_bytes !== null && queue.bytes + bytes > max_bytes; dropped++) {
    queue.bytes -= Buffer.byteLength(queue.entries[dropped]!)
  }
  if (dropped > kept) log.error(`queue ${name}: byte capacity exceeded, ${dropped - kept} queue entries were dropped`)
  queue.entries.splice(0, dropped)
  return true
}

function bytesOf(entries: readonly string[]): number {
  return entries.reduce((sum, entry) => sum + Buffer.byteLength(entry), 0)
}
