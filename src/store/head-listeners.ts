/** Who wants to hear of new versions, and which was told last. */
import type { Logger } from '../base/logger.ts'
import type { ConfigHead } from '../entities/config.ts'

export class HeadListeners {
  readonly #listeners = new Set<(head: ConfigHead) => void>()
  readonly #logger: Logger
  #told = 0

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** What was there when the store was opened is no news. */
  begin(head: ConfigHead): void {
    this.#told = head.version
  }

  add(listener: (head: ConfigHead) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(head: ConfigHead): void {
    if (head.version <= this.#told) return
    this.#told = head.version
    for (const listener of this.#listeners) {
      try {
        listener(head)
      } catch (error) {
        // The change is committed, whatever a listener makes of it; its caller must not hear otherwise.
        this.#logger.error('a listener of configuration changes failed', { error: String(error) })
      }
    }
  }
}
