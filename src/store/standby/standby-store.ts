/**
 * A store on a server of its own, with the last configuration in memory for when that server is away.
 *
 * Reads, exports and deltas are then answered as of the last version seen; writes are refused by the database's own
 * error. So a data plane that comes while the database is down gets its configuration all the same.
 */
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { EntityCatalog } from '../../entities/catalog.ts'
import type { EntityStore } from '../store.ts'
import { knownRecords } from './known-records.ts'
import { LastConfiguration } from './last-configuration.ts'

export interface StandbyStoreOptions {
  readonly store: EntityStore
  readonly catalog: EntityCatalog
  readonly clock: Clock
  readonly logger: Logger
  /** Whether an error says that the server was not reached, so that no statement is to blame. */
  readonly isOutage: (error: unknown) => boolean
}

// While the server is away it is asked so often whether it is back; nobody else waits for it meanwhile.
const probeMs = 500
// A copy that could not follow tries again; until then it is only older, never wrong.
const retryMs = 2000

export function createStandbyStore(options: StandbyStoreOptions): EntityStore {
  const { store } = options
  const standby = new Standby(options)
  return {
    capabilities: store.capabilities,
    records: knownRecords(store.records, (ask, stand) => standby.attempt(ask, stand)),
    find: (entity, key) => standby.read(entity, reads => reads.find(entity, key)),
    findBy: (entity, fields) => standby.read(entity, reads => reads.findBy(entity, fields)),
    page: (entity, page) => standby.read(entity, reads => reads.page(entity, page)),
    tags: page => standby.read(null, reads => reads.tags(page)),
    transaction: work => store.transaction(work),
    head: () =>
      standby.ask(
        () => store.head(),
        async copy => copy.head,
      ),
    onHead: listener => store.onHead(listener),
    changesSince: version =>
      standby.ask(
        () => store.changesSince(version),
        async copy => (version === copy.head.version ? { ...copy.head, from: version, changes: [] } : null),
      ),
    export: () =>
      standby.ask(
        () => store.export(),
        copy => copy.export(),
      ),
    // Known already: whoever asks for the status need not wait for another timeout.
    ping: async () => !standby.isAway && (await store.ping()),
    sweep: () => store.sweep(),
    async close() {
      await standby.close()
      await store.close()
    },
  }
}

type Reads = Pick<EntityStore, 'find' | 'findBy' | 'page' | 'tags'>

class Standby {
  readonly #options: StandbyStoreOptions
  readonly #copy: LastConfiguration
  readonly #unsubscribe: () => void
  #following: Promise<void> | null = null
  #isBehind = false
  #retry: Timer | null = null
  #probe: Timer | null = null
  #isClosed = false

  constructor(options: StandbyStoreOptions) {
    this.#options = options
    this.#copy = new LastConfiguration(options.catalog, options.clock)
    this.#unsubscribe = options.store.onHead(() => this.#follow())
    this.#follow()
  }

  get isAway(): boolean {
    return this.#probe !== null
  }

  read<T>(entity: string | null, work: (reads: Reads) => Promise<T>): Promise<T> {
    const copy = entity === null || this.#copy.holds(entity) ? () => work(this.#copy.reads) : null
    return this.attempt(() => work(this.#options.store), this.#copy.isLoaded ? copy : null)
  }

  ask<T>(ask: () => Promise<T>, stand: (copy: LastConfiguration) => Promise<T>): Promise<T> {
    return this.attempt(ask, this.#copy.isLoaded ? () => stand(this.#copy) : null)
  }

  /** While the database is known to be away, nobody waits to be told again. */
  async attempt<T>(ask: () => Promise<T>, stand: (() => T | Promise<T>) | null): Promise<T> {
    if (this.#probe !== null && stand !== null) return stand()
    try {
      return await ask()
    } catch (error) {
      if (stand === null || !this.#options.isOutage(error)) throw error
      this.#noteAway()
      return stand()
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#unsubscribe()
    this.#retry?.cancel()
    this.#probe?.cancel()
    await this.#following
  }

  #noteAway(): void {
    if (this.#probe !== null || this.#isClosed) return
    const { clock, logger, store } = this.#options
    logger.warn(`the database is away: version ${this.#copy.head.version} is served from memory until it answers`)
    let isAsking = false
    this.#probe = clock.every(probeMs, () => {
      if (isAsking) return
      isAsking = true
      void store.ping().then(answers => {
        isAsking = false
        if (!answers || this.#probe === null) return
        this.#probe.cancel()
        this.#probe = null
        this.#copy.forgetIndexes()
        logger.notice('the database answers again')
        this.#follow()
      })
    })
  }

  /** One at a time; what came meanwhile is covered by one more. */
  #follow(): void {
    this.#isBehind = true
    if (this.#following !== null || this.#isClosed) return
    this.#following = this.#followAll().finally(() => {
      this.#following = null
    })
  }

  async #followAll(): Promise<void> {
    const { store, clock, logger, isOutage } = this.#options
    try {
      while (this.#isBehind && !this.#isClosed) {
        this.#isBehind = false
        await this.#copy.follow(store)
      }
    } catch (error) {
      if (this.#isClosed) return
      if (!isOutage(error)) logger.error(`cannot keep the configuration in memory: ${(error as Error).message}`)
      this.#retry?.cancel()
      this.#retry = clock.after(retryMs, () => this.#follow())
    }
  }
}
