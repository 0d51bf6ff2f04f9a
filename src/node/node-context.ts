/** What every role's composition starts from. */
import type { DeclarativeRows } from '../admin/admin-options.ts'
import type { CountedClock } from '../base/counted-clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { LoadedSettings } from '../settings/load.ts'
import type { Settings } from '../settings/definition.ts'
import type { WorkerForks } from './fork-worker.ts'
import type { LevelHold } from './level-hold.ts'

export interface NodeContext {
  readonly settings: Settings
  readonly loaded: LoadedSettings
  readonly log: Logger
  readonly level: LevelHold
  logTo(file: string): (line: string) => void
  readonly clock: CountedClock
  readonly random: Random
  readonly hostname: string
  readonly nodeId: string
  readonly catalog: EntityCatalog
  readonly workerForks: WorkerForks
}

/** What a role's composition answers; `gateway.ts` adds what all have in common. */
export interface RunningNode {
  /** Lines for people, such as `proxy listening on 0.0.0.0:8000 (2 workers)`. */
  describe(): readonly string[]
  reload(loaded: LoadedSettings): Promise<void>
  /** Only where there is no database. */
  replaceConfiguration?(config: DeclarativeRows): Promise<void>
  /** After log files were moved away: the workers' own, that is. */
  reopenLogs(): void
  /** Stops taking work, finishes what is under way for at most that long. */
  quit(timeoutMs: number): Promise<void>
  /** At once. */
  stop(): Promise<void>
}

/** Things to undo, last first: for a start that fails half-way, and for the end. */
export class Endings {
  readonly #endings: (() => unknown)[] = []

  add(ending: () => unknown): void {
    this.#endings.push(ending)
  }
  /** Runs all of them, also when one fails; the first failure is thrown at the end. */
  async run(): Promise<void> {
    let failure: unknown = null
    for (const ending of this.#endings.splice(0).reverse()) {
      try {
        await ending()
      } catch (error) {
        failure ??= error
      }
    }
    if (failure !== null) throw failure
  }
}
