/** The half of a node that owns configuration: its store, the repository over it, and the source it is for the cluster. */
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import { type ClusterEvents, createClusterEvents } from '../cluster/cluster-events.ts'
import type { ConfigSource } from '../cluster/link.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Settings } from '../settings/definition.ts'
import { createMemoryStore, type MemoryStore } from '../store/memory/memory-store.ts'
import { warningOfDeprecated } from '../store/deprecation-warnings.ts'
import { createRepository, type Repository } from '../store/repository.ts'
import type { ChangeObserver } from '../store/row-changes.ts'
import type { EntityStore } from '../store/store.ts'
import { openNodeStore } from './open-store.ts'

export interface ControlHalf {
  readonly store: EntityStore
  /** The same store, where it is one of a node without database. */
  readonly memory: MemoryStore | null
  readonly repository: Repository
  readonly source: ConfigSource
  /** To and from the other nodes on this store. */
  readonly events: ClusterEvents
  /** Of the repository's writes, for the audit log. */
  readonly observer: ChangeObserver
  close(): Promise<void>
}

export interface ControlHalfOptions {
  readonly settings: Settings
  readonly catalog: EntityCatalog
  readonly log: Logger
  readonly clock: Clock
  readonly random: Random
}

/** Expired rows leave the configuration, and so the data planes, at this pace; they stop working at once. */
const SWEEP_EVERY_MS = 60_000
/** `db_update_frequency` may be 0. */
const EVENTS_POLL_MS_MIN = 100

export async function openControlHalf({
  settings,
  catalog,
  log,
  clock,
  random,
}: ControlHalfOptions): Promise<ControlHalf> {
  const memory = settings.storage === 'memory' ? createMemoryStore({ catalog, clock }) : null
  const store = memory ?? (await openNodeStore({ settings, catalog, clock, log }))
  const observer: ChangeObserver = { begin: null }
  const written = createRepository({ store, catalog, clock, random, observer })
  const repository = warningOfDeprecated(written, { catalog, log })
  const sweeping = clock.every(SWEEP_EVERY_MS, () => {
    store.sweep().catch((error: Error) => log.error(`expired rows could not be removed: ${error.message}`))
  })
  const events = createClusterEvents({
    records: store.records,
    isShared: store.capabilities.sharedBetweenNodes,
    pollMs: Math.max(EVENTS_POLL_MS_MIN, settings.db_update_frequency * 1000),
    clock,
    random,
    logger: log,
  })
  return {
    store,
    memory,
    events,
    repository,
    source: sourceOf(store),
    observer,
    async close() {
      sweeping.cancel()
      events.close()
      await store.close()
    },
  }
}

/** What synchronisation sees of a store. */
function sourceOf(store: EntityStore): ConfigSource {
  return {
    head: () => store.head(),
    onHead: listener => store.onHead(listener),
    changesSince: version => store.changesSince(version),
    export: () => store.export(),
  }
}
