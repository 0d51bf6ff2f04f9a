/** Assembles what plugins of one worker may use. */
import type { EntityReader } from '../entities/entity-reader.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import { createBatchQueues } from './batch-queue.ts'
import type { SharedCounters } from './counters.ts'
import { createHttpSender } from './http-sender.ts'
import type { MetricRegistry } from './metrics.ts'
import type { PluginScope, PluginTools } from './sdk.ts'

export interface WorkerToolsOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly entities: EntityReader
  readonly counters: SharedCounters
  readonly metrics: MetricRegistry
  readonly node: PluginTools['node']
}

export interface WorkerTools {
  /** The tools of one plugin instance. */
  for(scope: PluginScope): PluginTools
  /** Delivers what plugins still hold, then closes their connections. The caller bounds the time. */
  close(): Promise<void>
}

export function createWorkerTools(options: WorkerToolsOptions): WorkerTools {
  const { clock, log, entities } = options
  const send = createHttpSender()
  const queues = createBatchQueues({ clock, log })
  // The reader gives rows by the names of entity and field; their types are those of the definition.
  const find = ((entity, by, value) => entities.findBy(entity.name, by, value)) as PluginTools['find']
  const all = { ...options, find, fetch, send, queues }
  return {
    for: scope => ({ ...all, scope }),
    async close() {
      await queues.drain()
      send.close()
    },
  }
}
