/**
 * The configuration of a node without a database: from the file or text in its settings, else what it had when it ended,
 * and then from `POST /config`. Kong's rules: a node whose settings name a configuration starts, and reloads, with
 * that one; without, with the one that it saved.
 */
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { ConfigurationTooLarge, type DatabaseLess, type DeclarativeRows } from '../admin/admin-options.ts'
import { parseText } from '../declarative/parse.ts'
import type { ApplyOutcome } from '../cluster/link.ts'
import type { SavedConfig } from '../cluster/saved-config.ts'
import { EMPTY_CONFIG_HASH, type ConfigHead } from '../entities/config.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Settings } from '../settings/definition.ts'
import { StoreError } from '../store/errors.ts'
import type { MemoryStore } from '../store/memory/memory-store.ts'
import type { NodeContext } from './node-context.ts'
import { ConfigFileError, type DeclarativeText, describeFailure, readDeclarativeFile } from './typescript-config.ts'

export class DeclarativeSource implements DatabaseLess {
  readonly #memory: MemoryStore
  readonly #saved: SavedConfig
  #hash = EMPTY_CONFIG_HASH
  readonly #waiting = new Map<number, (outcome: ApplyOutcome) => void>()

  /** `saved` is the copy that the node's workers start from: it has every version that they run. */
  constructor(memory: MemoryStore, saved: SavedConfig) {
    this.#memory = memory
    this.#saved = saved
  }

  currentHash(): string {
    return this.#hash
  }

  /**
   * What `declarative_config` or `declarative_config_string` say, or what is saved when neither is set. Throws with
   * all errors.
   */
  async load(context: NodeContext): Promise<void> {
    const config = (await readDeclared(context.settings, context)) ?? this.#savedConfiguration(context)
    if (config === null) return
    await this.#memory.replace(config.rows)
    this.#hash = hashOf(config)
  }

  #savedConfiguration({ log }: NodeContext): DeclarativeRows | null {
    if (!this.#saved.isConfigured()) return null
    const { version, config_hash } = this.#saved.head()
    // Kong's first words, by which people and tools find the line.
    log.info('found persisted lmdb config, loading the saved configuration', { version, config_hash })
    const rows = [...this.#saved.load()].flat().map(({ entity, row }) => ({ entity, row: row! }))
    return { rows, hash: this.#saved.source() ?? config_hash }
  }

  /** After the start, when the saved copy has the rows. */
  noteSource(): void {
    this.#saved.noteSource(this.#hash)
  }

  /**
   * The same for a node that runs: the new configuration counts once the workers have it. Where the settings name
   * none, a reload keeps what runs.
   */
  async reload(context: NodeContext): Promise<void> {
    const config = await readDeclared(context.settings, context)
    if (config !== null) await this.replace(config)
  }

  async replace(config: DeclarativeRows): Promise<void> {
    const { version } = await this.#memory.head()
    const before = await this.#rows()
    const outcome = new Promise<ApplyOutcome>(resolve => this.#waiting.set(version + 1, resolve))
    const head = await this.#memory.replace(config.rows)
    // The same rows again make no version, so no worker will report one.
    const isSame = head.version === version
    if (isSame) this.#waiting.delete(version + 1)
    const applied = isSame ? { ok: true as const } : await outcome
    if (applied.ok) {
      this.#hash = hashOf(config)
      this.#saved.noteSource(this.#hash)
      return
    }
    await this.#memory.replace(before)
    const { entity, key, field, message } = applied.refusal
    if (/could not be saved: .*\bfull\b/.test(message)) throw new ConfigurationTooLarge(message)
    const where = [entity, key, field].filter(Boolean).join(' ')
    throw new StoreError('declarative_config', `declarative config is invalid: ${where}: ${message}`)
  }

  async #rows(): Promise<DeclarativeRows['rows']> {
    const { batches } = await this.#memory.export()
    const rows: DeclarativeRows['rows'][number][] = []
    for await (const batch of batches) rows.push(...batch)
    return rows
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

/** As in Kong, a configuration of nothing has the hash of none, and a node with it is not ready. */
function hashOf({ rows, hash }: DeclarativeRows): string {
  return rows.some(({ entity }) => entity !== 'workspaces') ? hash : EMPTY_CONFIG_HASH
}

export interface ReadingContext {
  readonly catalog: EntityCatalog
  readonly clock: Clock
  readonly random: Random
}

/** Null when the settings name no configuration. Rejects with all its errors. */
export async function readDeclared(
  { declarative_config, declarative_config_string }: Settings,
  { catalog, clock, random }: ReadingContext,
) {
  if (declarative_config === null && declarative_config_string === null) return null
  const { text, filename, files } =
    declarative_config_string === null
      ? await readFile(declarative_config!)
      : { text: declarative_config_string, filename: undefined, files: [] }
  const parsed = parseText(text, filename, {
    catalog,
    nowMs: clock.now(),
    uuid: () => random.uuid(),
    randomBytes: count => random.bytes(count),
  })
  if (parsed.ok) return { ...parsed, files }
  const [kind, name] =
    declarative_config_string === null
      ? [`file ${declarative_config}`, declarative_config!]
      : ['string', 'declarative_config_string']
  const failure = describeFailure(name, parsed, filename ?? '')
  throw new ConfigFileError(`error parsing declarative config ${kind}:\n${failure}`, files)
}

async function readFile(path: string): Promise<DeclarativeText> {
  try {
    return await readDeclarativeFile(path)
  } catch (error) {
    if (error instanceof ConfigFileError) {
      throw new ConfigFileError(`error parsing declarative config ${error.message}`, error.files)
    }
    throw new Error(`declarative_config: ${(error as Error).message}`)
  }
}
