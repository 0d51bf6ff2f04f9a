/** The configuration of a node without a database: from the file or text in its settings, or from `POST /config`. */
import { readFileSync } from 'node:fs'
import type { DatabaseLess, DeclarativeRows } from '../admin/admin-options.ts'
import { parseText } from '../declarative/parse.ts'
import type { ApplyOutcome } from '../cluster/link.ts'
import { EMPTY_CONFIG_HASH, type ConfigHead } from '../entities/config.ts'
import { StoreError } from '../store/errors.ts'
import type { MemoryStore } from '../store/memory/memory-store.ts'
import type { NodeContext } from './node-context.ts'

export class DeclarativeSource implements DatabaseLess {
  readonly #memory: MemoryStore
  #current: DeclarativeRows = { rows: [], hash: EMPTY_CONFIG_HASH }
  /** Of the file or text in the settings, as read last. */
  #loadedHash: string | null = null
  readonly #waiting = new Map<number, (outcome: ApplyOutcome) => void>()

  constructor(memory: MemoryStore) {
    this.#memory = memory
  }

  currentHash(): string {
    return this.#current.hash
  }

  /** What `declarative_config` or `declarative_config_string` say; nothing when neither is set. Throws with all errors. */
  async load(context: NodeContext): Promise<void> {
    const config = readConfiguration(context)
    if (config === null) return
    await this.#memory.replace(config.rows)
    this.#current = config
  }

  /**
   * The same for a node that runs: the new configuration counts once the workers have it. A file that has not changed
   * since it was read last is left alone, so that a reload does not undo a `POST /config`.
   */
  async reload(context: NodeContext): Promise<void> {
    const config = readConfiguration(context)
    if (config === null || config.hash === this.#loadedHash) return
    await this.replace(config)
    this.#loadedHash = config.hash
  }

  async replace(config: DeclarativeRows): Promise<void> {
    const before = this.#current
    const { version } = await this.#memory.head()
    const outcome = new Promise<ApplyOutcome>(resolve => this.#waiting.set(version + 1, resolve))
    const head = await this.#memory.replace(config.rows)
    // The same rows again make no version, so no worker will report one.
    const isSame = head.version === version
    if (isSame) this.#waiting.delete(version + 1)
    const applied = isSame ? { ok: true as const } : await outcome
    if (applied.ok) {
      this.#current = config
      return
    }
    await this.#memory.replace(before.rows)
    const { entity, key, field, message } = applied.refusal
    const where = [entity, key, field].filter(Boolean).join(' ')
    throw new StoreError('declarative_config', `declarative config is invalid: ${where}: ${message}`)
  }

  /** Told of each version that the workers accepted or refused. */
  onOutcome(head: ConfigHead, outcome: ApplyOutcome): void {
    for (const [version, resolve] of this.#waiting) {
      if (version > head.version) continue
      this.#waiting.delete(version)
      resolve(outcome)
    }
  }
}

function readConfiguration({ settings, catalog, clock, random }: NodeContext): DeclarativeRows | null {
  const { declarative_config, declarative_config_string } = settings
  if (declarative_config === null && declarative_config_string === null) return null
  const text = declarative_config_string ?? readFile(declarative_config!)
  const parsed = parseText(text, declarative_config_string === null ? declarative_config! : undefined, {
    catalog,
    nowMs: clock.now(),
    uuid: () => random.uuid(),
    randomBytes: count => random.bytes(count),
  })
  if (parsed.ok) return parsed
  const name = declarative_config_string === null ? `file ${declarative_config}` : 'string'
  throw new Error(`error parsing declarative config ${name}:\n${parsed.message}`)
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`declarative_config: ${(error as Error).message}`)
  }
}
